import numpy as np
import pytest
from av.video.frame import VideoFrame

from workers.media.filters.formats import Family, planar_format, planes


@pytest.mark.parametrize(
    "name, becomes, bits",
    [
        ("yuv420p", "yuv420p", 8),
        ("yuvj422p", "yuv422p", 8),
        ("nv12", "yuv420p", 8),
        ("p010le", "yuv420p10le", 10),
        ("yuv422p10be", "yuv422p10le", 10),
        ("yuyv422", "yuv422p", 8),
        ("yuv411p", "yuv411p", 8),
        ("gray10le", "gray10le", 10),
        ("rgb24", "gbrp", 8),
        ("rgba", "gbrap", 8),
        ("pal8", "gbrap", 8),
        ("rgb48be", "gbrp16le", 16),
        ("yuva420p", "yuva420p", 8),
        ("yuva444p12le", "yuva444p12le", 12),
    ],
)
def test_depth_and_subsampling_are_kept(name: str, becomes: str, bits: int) -> None:
    form = planar_format(name)
    assert (form.name, form.bits) == (becomes, bits)
    VideoFrame(16, 16, form.name)


def test_every_format_libav_decodes_to_has_a_planar_form() -> None:
    for name in (
        "yuv440p",
        "yuv410p",
        "nv16",
        "nv24",
        "uyvy422",
        "bgr0",
        "gbrp10le",
        "ya8",
        "monow",
        "y210le",
    ):
        form = planar_format(name)
        assert form.family in Family
        picture = VideoFrame(16, 16, name)
        assert len(planes(picture, form, 16, 16)) == form.colour_planes


def test_samples_are_passed_through_untouched() -> None:
    picture = VideoFrame(20, 10, "yuv422p10le")
    for number, plane in enumerate(picture.planes):
        np.frombuffer(plane, np.uint16)[:] = 100 * (number + 1)
    found = planes(picture, planar_format("yuv422p10le"), 20, 10)
    assert [plane.shape for plane in found] == [(10, 20), (10, 10), (10, 10)]
    assert [int(plane[3, 3]) for plane in found] == [100, 200, 300]


def test_red_green_and_blue_come_in_this_order() -> None:
    picture = VideoFrame.from_ndarray(np.full((8, 8, 3), (10, 20, 30), np.uint8), format="rgb24")
    found = planes(picture, planar_format("rgb24"), 8, 8)
    assert [int(plane[0, 0]) for plane in found] == [10, 20, 30]


@pytest.mark.parametrize("alpha, luma, chroma", [(255, 200, 90), (0, 16, 128)])
def test_transparency_becomes_black(alpha: int, luma: int, chroma: int) -> None:
    picture = VideoFrame(16, 16, "yuva420p")
    for plane, value in zip(picture.planes, (200, 90, 90, alpha), strict=True):
        np.frombuffer(plane, np.uint8)[:] = value
    found = planes(picture, planar_format("yuva420p"), 16, 16)
    assert [int(plane[2, 2]) for plane in found] == [luma, chroma, chroma]


def test_a_picture_of_another_size_is_brought_to_the_first_ones() -> None:
    found = planes(VideoFrame(32, 24, "yuv420p"), planar_format("yuv420p"), 16, 16)
    assert [plane.shape for plane in found] == [(16, 16), (8, 8), (8, 8)]
