"""Fields on real files and through the real filters."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import vapoursynth as vs
from numpy.typing import NDArray

from tests.fixtures.woven import interlaced, moments
from workers.media.field_scan import scan_fields
from workers.media.filters.clip import Clip
from workers.media.filters.deinterlace import deinterlace
from workers.media.filters.inverse_telecine import COMBED, settle_combed
from workers.protocol.analysis import ScanFinding, ScanKind
from workers.protocol.media import FieldOrder
from workers.protocol.settings import ChainSpeed, DeinterlaceOutput
from workers.protocol.steps import DeinterlaceStep, InverseTelecineStep

type Luma = NDArray[np.uint8]

FORMS = [vs.YUV420P8, vs.YUV420P10, vs.YUV422P8, vs.YUV422P10, vs.YUV444P12]
SIZES = [(64, 48), (66, 50), (321, 243), (16, 16), (4, 4)]
PROGRESSIVE = [
    "androidx/avi_sample.avi",
    "androidx/mkv_bbb_642x642_768kbps_30fps_vp9.webm",
    "androidx/mp4_sample_with_chapters.mp4",
    "derived/multi_audio_subs_chapters.mkv",
    "derived/wmv2_park.wmv",
    "gopro/max-heromode.mp4",
    "intel/night.mkv",
    "moviepy/chaplin.mp4",
    "reference/ref_bbb60p_720x480_60f.mkv",
    "torchcodec/nasa_13013.mp4",
]


def step(
    speed: ChainSpeed,
    output: DeinterlaceOutput = DeinterlaceOutput.FIELD,
    *,
    top_first: bool = True,
    only_combed: bool = False,
) -> DeinterlaceStep:
    order = FieldOrder.TOP_FIRST if top_first else FieldOrder.BOTTOM_FIRST
    return DeinterlaceStep(
        field_order=order, output=output, speed=speed, only_combed=only_combed, reason="of the test"
    )


def clip_of(pictures: list[Luma], combed: frozenset[int] = frozenset()) -> Clip:
    height, width = pictures[0].shape
    blank = vs.core.std.BlankClip(
        width=width, height=height, format=vs.YUV420P8, length=len(pictures), keep=True
    )

    def fill(n: int, f: Any) -> Any:
        target = f.copy()
        np.asarray(target[0])[:] = pictures[n]
        if n in combed:
            target.props[COMBED] = 1
        return target

    return Clip(vs.core.std.ModifyFrame(blank, blank, fill), 1, 1, 1, is_full_range=False)


def lumas(clip: Clip) -> list[Luma]:
    return [np.array(frame[0]) for frame in clip.node.frames(close=True)]


def psnr_db(truth: list[Luma], other: list[Luma]) -> float:
    error = np.mean([(one.astype(float) - two) ** 2 for one, two in zip(truth, other, strict=True)])
    return float(10 * np.log10(255**2 / max(float(error), 1e-9)))


def luma_of(path: Path, count: int = 12) -> list[Luma]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        found = []
        for picture in container.decode(stream):
            plane = picture.planes[0]
            rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
            found.append(rows[:, : min(plane.width, 1280)].copy())
            if len(found) == count:
                break
        return found


def scanned(path: Path, flagged: FieldOrder) -> ScanFinding:
    return scan_fields([luma_of(path)], flagged, None)[0]


@pytest.mark.parametrize("name", PROGRESSIVE)
def test_no_progressive_file_is_taken_for_an_interlaced_one(shared_media: Path, name: str) -> None:
    for flagged in (FieldOrder.PROGRESSIVE, FieldOrder.TOP_FIRST):
        assert scanned(shared_media / name, flagged).kind in {ScanKind.PROGRESSIVE, ScanKind.UNKNOWN}


@pytest.mark.parametrize(
    "name, kind",
    [
        ("derived/interlaced_tff_UNFLAGGED_h264_from_pegboard60p.mp4", ScanKind.INTERLACED),
        ("derived/interlaced_tff_mpeg2_422_from_bbb60p.ts", ScanKind.INTERLACED),
        ("derived/telecine_23_sintel_480i_anamorphic.mpg", ScanKind.TELECINE),
    ],
)
def test_fields_of_real_files_are_found(shared_media: Path, name: str, kind: ScanKind) -> None:
    found = scanned(shared_media / name, FieldOrder.UNKNOWN)
    assert (found.kind, found.field_order) == (kind, FieldOrder.TOP_FIRST)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("speed", list(ChainSpeed))
def test_every_format_and_size_comes_back_as_it_was(form: int, speed: ChainSpeed) -> None:
    for width, height in SIZES:
        shift_w, shift_h = (form != vs.YUV444P12), form in {vs.YUV420P8, vs.YUV420P10}
        size = {"width": width - (width % 2 and shift_w), "height": height - (height % 2 and shift_h)}
        grey = vs.core.std.BlankClip(**size, format=form, length=2**31 - 1, color=[100, 90, 80])
        for output in DeinterlaceOutput:
            for only_combed in (False, True):
                wanted = step(speed, output, only_combed=only_combed)
                made = deinterlace(Clip(grey, 1, 1, 1, is_full_range=False), wanted).node
                frame = made.get_frame(7)
                assert (made.width, made.height, made.format.id) == (grey.width, grey.height, grey.format.id)
                assert [int(np.asarray(frame[n]).max()) for n in range(3)] == [100, 90, 80]
                assert [int(np.asarray(frame[n]).min()) for n in range(3)] == [100, 90, 80]


@pytest.mark.parametrize("top_first", [True, False])
@pytest.mark.parametrize("speed", list(ChainSpeed))
def test_filmed_lines_are_kept_and_the_others_come_close(top_first: bool, speed: ChainSpeed) -> None:
    truth = moments(24)
    made = lumas(
        deinterlace(clip_of(interlaced(truth, top_first=top_first)), step(speed, top_first=top_first))
    )
    assert len(made) == len(truth)
    for number, (true, picture) in enumerate(zip(truth, made, strict=True)):
        filmed = slice(0 if (number % 2 == 0) == top_first else 1, None, 2)
        assert np.array_equal(picture[filmed], true[filmed])
    doubled = [np.repeat(picture[::2], 2, axis=0) for picture in truth]
    assert psnr_db(truth[2:-2], made[2:-2]) > psnr_db(truth[2:-2], doubled[2:-2]) + 6


def test_following_motion_is_worth_a_decibel(shared_media: Path) -> None:
    whole = luma_of(shared_media / "reference/ref_pegboard60p_720x480_18f.mkv", 14)
    truth = [np.ascontiguousarray(picture[96:288, 160:416]) for picture in whole]
    woven = clip_of(interlaced(truth, top_first=True))
    fast, balanced, best = (
        psnr_db(truth[2:-2], lumas(deinterlace(woven, step(speed)))[2:-2]) for speed in ChainSpeed
    )
    assert balanced > fast + 1
    assert best > fast + 1.5


@pytest.mark.parametrize("speed", list(ChainSpeed))
def test_one_for_each_picture_is_every_second_one(speed: ChainSpeed) -> None:
    woven = clip_of(interlaced(moments(16), top_first=False))
    fields = lumas(deinterlace(woven, step(speed, top_first=False)))
    frames = lumas(deinterlace(woven, step(speed, DeinterlaceOutput.FRAME, top_first=False)))
    assert len(frames) == 8
    for number, picture in enumerate(frames):
        assert np.array_equal(picture, fields[2 * number])


@pytest.mark.parametrize("speed", list(ChainSpeed))
@pytest.mark.parametrize("output", list(DeinterlaceOutput))
def test_a_picture_depends_on_no_more_neighbours_than_stated(
    speed: ChainSpeed, output: DeinterlaceOutput
) -> None:
    woven = interlaced(moments(24), top_first=True)
    each = 2 if output is DeinterlaceOutput.FIELD else 1
    radius, first = (1 if speed is ChainSpeed.FAST else 2), 4
    whole = lumas(deinterlace(clip_of(woven), step(speed, output, only_combed=True)))
    part = lumas(deinterlace(clip_of(woven[first - radius :]), step(speed, output, only_combed=True)))
    for number in range(each * first, each * first + 4):
        assert np.array_equal(whole[number], part[number - each * (first - radius)])


@pytest.mark.parametrize("output", list(DeinterlaceOutput))
def test_whole_pictures_among_interlaced_ones_stay_bit_for_bit(output: DeinterlaceOutput) -> None:
    film, video = moments(8, seed=9), interlaced(moments(16), top_first=True)
    each = 2 if output is DeinterlaceOutput.FIELD else 1
    mixed = clip_of([*film, *video])
    made = lumas(deinterlace(mixed, step(ChainSpeed.BALANCED, output, only_combed=True)))
    always = lumas(deinterlace(mixed, step(ChainSpeed.BALANCED, output)))
    for number, picture in enumerate(film[:7]):
        for part in range(each):
            assert np.array_equal(made[each * number + part], picture)
    for number in range(each * 9, each * 15):
        assert np.array_equal(made[number], always[number])


def test_only_marked_pictures_of_a_film_are_settled() -> None:
    film, video = moments(6, step_px=6), interlaced(moments(8, seed=9), top_first=True)
    clip = clip_of([*film, *video], combed=frozenset({6, 7, 8, 9}))
    made = lumas(settle_combed(clip, InverseTelecineStep(field_order=FieldOrder.TOP_FIRST, reason="test")))
    assert all(np.array_equal(one, two) for one, two in zip(made, film, strict=False))
    for one, two in zip(made[6:], video, strict=True):
        assert np.array_equal(one[::2], two[::2])
        assert not np.array_equal(one, two)
