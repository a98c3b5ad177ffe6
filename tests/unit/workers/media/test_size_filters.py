"""Cutting, enlarging, grain, tone mapping and delivery on clips made in memory."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pytest
import vapoursynth as vs
from numpy.typing import NDArray

from workers.errors import TaskFailedError
from workers.media.filters import network
from workers.media.filters.clip import Clip
from workers.media.filters.crop import crop
from workers.media.filters.deliver import deliver
from workers.media.filters.geometry import picture_size
from workers.media.filters.grain import grain
from workers.media.filters.tone_map import (
    REFERENCE_WHITE_NITS,
    absolute,
    gain_table,
    perceptual,
    tone_map,
)
from workers.media.filters.upscale import upscale
from workers.protocol.media import HdrKind
from workers.protocol.settings import ChainSpeed, UpscaleMethod
from workers.protocol.steps import CropStep, GeometryStep, GrainStep, ToneMapStep, UpscaleStep

type Samples = NDArray[np.float64]

PQ: Final = 16
BT2020: Final = 9
TO_HALF: Final = GeometryStep(rotation_deg=90, mirror=False, width_px=2, height_px=2, reason="turned")


def painted(form: int, width: int, height: int, paint: Callable[[int, Any], Samples], length: int = 3) -> Any:
    """A clip whose plane p is `paint(p, format)`."""
    blank = vs.core.std.BlankClip(width=width, height=height, format=form, length=length, keep=True)

    def fill(n: int, f: Any) -> Any:
        target = f.copy()
        for plane in range(f.format.num_planes):
            np.asarray(target[plane])[:] = np.rint(paint(plane, f.format))
        return target

    return vs.core.std.ModifyFrame(blank, blank, fill)


def plane(node: Any, number: int = 0, frame: int = 0) -> Samples:
    return np.asarray(node.get_frame(frame)[number]).astype(np.float64)


def places(plane_number: int, form: Any, size: tuple[int, int], location: int) -> tuple[Samples, Samples]:
    """Where the samples of a plane lie, in luma px from the corner; siting as VapourSynth numbers it."""
    across = 1 << (form.subsampling_w if plane_number else 0)
    down = 1 << (form.subsampling_h if plane_number else 0)
    x0 = 0.5 if across == 1 or location in {0, 2, 4} else across / 2
    y0 = 0.5 if down == 1 or location in {2, 3} else down - 0.5 if location in {4, 5} else down / 2
    width, height = size
    x, y = np.arange(width // across, dtype=np.float64), np.arange(height // down, dtype=np.float64)
    return x * float(across) + float(x0), y * float(down) + float(y0)


@pytest.mark.parametrize("location", range(6))
@pytest.mark.parametrize("form", [vs.YUV420P16, vs.YUV422P16])
@pytest.mark.parametrize("factor", [2, 3])
def test_every_plane_stays_in_its_place_when_enlarged(form: int, location: int, factor: int) -> None:
    size = (64, 48)

    def ramp(number: int, kind: Any) -> Samples:
        x, y = places(number, kind, size, location)
        return np.asarray(10_000 + 300 * x[None, :] + 200 * y[:, None])

    source = Clip(painted(form, *size, ramp), 1, 1, 1, is_full_range=False, chroma_location=location)
    step = UpscaleStep(factor=factor, method=UpscaleMethod.EDGE_DIRECTED, reason="asked")
    made = upscale(source, step).node
    assert (made.width, made.height) == (64 * factor, 48 * factor)
    edge = 8 * factor
    for number in range(3):
        x, y = places(number, made.format, (made.width, made.height), location)
        wanted = 10_000 + 300 * x[None, :] / factor + 200 * y[:, None] / factor
        error = (plane(made, number) - wanted)[edge:-edge, edge:-edge]
        # A shift of a tenth of a pixel would be 20.
        assert float(np.abs(error).max()) < 8


@pytest.mark.parametrize("form", [vs.YUV420P8, vs.YUV422P10, vs.YUV444P12, vs.GRAY8, vs.YUV411P8])
@pytest.mark.parametrize("size", [(8, 4), (40, 36)])
@pytest.mark.parametrize("speed", ChainSpeed)
def test_a_flat_picture_stays_flat_whatever_its_form(
    form: int, size: tuple[int, int], speed: ChainSpeed
) -> None:
    node = vs.core.std.BlankClip(width=size[0], height=size[1], format=form, length=1)
    bits = node.format.bits_per_sample
    node = painted(
        form, *size, lambda number, kind: np.full(_shape(number, kind, size), 60.0 * 2 ** (bits - 8))
    )
    step = UpscaleStep(factor=2, method=UpscaleMethod.EDGE_DIRECTED, speed=speed, reason="asked")
    made = upscale(Clip(node, 1, 1, 1, is_full_range=False), step).node
    for number in range(made.format.num_planes):
        assert float(np.abs(plane(made, number) - 60 * 256).max()) <= 1


def _shape(number: int, kind: Any, size: tuple[int, int]) -> tuple[int, int]:
    shift_w, shift_h = (kind.subsampling_w, kind.subsampling_h) if number else (0, 0)
    return size[1] >> shift_h, size[0] >> shift_w


@pytest.mark.skipif(not network.is_installed(), reason="the network's packages are not installed")
def test_tiles_of_the_network_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(7)
    picture = random.integers(4096, 60_000, (96, 120)).astype(np.float64)
    node = painted(vs.GRAY16, 120, 96, lambda number, kind: picture, length=1)
    whole = plane(network.enlarged_by_network(node, 2))
    monkeypatch.setattr(network, "_TILE_PX", 40)
    tiled = plane(network.enlarged_by_network(node, 2))
    # A rounding at the edge between two 16-bit codes.
    assert float(np.abs(whole - tiled).max()) <= 1


def test_a_missing_network_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_WEIGHTS", "no_such_package")
    network._network.cache_clear()
    assert not network.is_installed()
    node = vs.core.std.BlankClip(width=32, height=32, format=vs.GRAY16, length=1)
    with pytest.raises(TaskFailedError, match="not installed"):
        network.enlarged_by_network(node, 2)


def test_cutting_moves_no_sample_and_takes_padding_with_it() -> None:
    values = np.arange(54 * 64, dtype=np.float64).reshape(54, 64) % 200

    def paint(number: int, kind: Any) -> Samples:
        return values if number == 0 else values[::2, ::2]

    # A source of 63 × 53 is padded to 64 × 54: nine columns and three rows of it are cut with the padding.
    source = Clip(painted(vs.YUV420P8, 64, 54, paint), 1, 1, 1, is_full_range=False)
    step = CropStep(left_px=4, top_px=2, right_px=9, bottom_px=3, reason="borders")
    made = crop(source, step).node
    assert (made.width, made.height) == (50, 48)
    assert np.array_equal(plane(made), values[2:50, 4:54])
    assert np.array_equal(plane(made, 1), values[::2, ::2][1:25, 2:27])


def test_the_size_of_the_picture_follows_the_steps() -> None:
    cut = CropStep(left_px=4, top_px=2, right_px=9, bottom_px=3, reason="borders")
    twice = UpscaleStep(factor=2, method=UpscaleMethod.EDGE_DIRECTED, reason="asked")
    assert picture_size(63, 53, ()) == (63, 53)
    assert picture_size(63, 53, (cut, twice)) == (100, 96)
    assert picture_size(63, 53, (twice, TO_HALF)) is None


def grey(form: int, codes: int, length: int = 4) -> Clip:
    bits = vs.core.get_video_format(form).bits_per_sample
    node = vs.core.std.BlankClip(
        width=320,
        height=180,
        format=form,
        length=length,
        color=[codes << (bits - 8)] + [128 << (bits - 8)] * (2 if form != vs.GRAY8 else 0),
    )
    return Clip(node, 1, 1, 1, is_full_range=False)


@pytest.mark.parametrize("form", [vs.YUV420P8, vs.YUV422P10, vs.YUV444P16, vs.GRAY8])
@pytest.mark.parametrize("sigma", [0.5, 2.0, 6.0])
def test_grain_has_the_planned_strength_in_the_middle_tones(form: int, sigma: float) -> None:
    source = grey(form, 126)
    made = grain(source, GrainStep(sigma=sigma, reason="asked")).node
    codes = plane(made) / 2 ** (source.bits - 8)
    assert codes.std() == pytest.approx(sigma, rel=0.08)
    assert codes.mean() == pytest.approx(126, abs=0.1)
    if form != vs.GRAY8:
        assert np.ptp(plane(made, 1)) == 0


def test_grain_is_weaker_in_black_and_white() -> None:
    strength = [
        plane(grain(grey(vs.YUV420P16, codes), GrainStep(sigma=4, reason="asked")).node).std() / 256
        for codes in (20, 126, 231)
    ]
    assert strength[0] < 0.6 * strength[1]
    assert strength[2] < 0.6 * strength[1]


def test_grain_is_like_film_in_space_and_new_in_every_picture() -> None:
    made = grain(grey(vs.YUV420P16, 126), GrainStep(sigma=4, reason="asked")).node
    first, second = plane(made), plane(made, frame=1)
    beside = float(np.corrcoef(first[:, 1:].ravel(), first[:, :-1].ravel())[0, 1])
    assert 0.3 < beside < 0.8
    assert abs(float(np.corrcoef(first.ravel(), second.ravel())[0, 1])) < 0.03


def test_a_segment_gets_the_grain_of_the_whole_film() -> None:
    step = GrainStep(sigma=4, reason="asked")
    whole = grain(grey(vs.YUV420P8, 100, length=9), step).node
    segment = grain(grey(vs.YUV420P8, 100, length=4), step, first_number=5).node
    for number in range(4):
        assert np.array_equal(plane(whole, frame=5 + number), plane(segment, frame=number))


def test_the_tone_curve_is_the_identity_below_its_knee_and_ends_at_white() -> None:
    gains = gain_table(1000)
    index = np.arange(gains.size)
    nits = (index / 65_535) ** 4 * 10_000
    assert gains[nits < 40] == pytest.approx(1.0, abs=1e-6)
    shown = gains * nits
    assert (np.diff(shown[nits < 1000]) >= -1e-9).all()
    assert shown[np.searchsorted(nits, 1000)] == pytest.approx(REFERENCE_WHITE_NITS, rel=1e-3)
    assert shown.max() <= REFERENCE_WHITE_NITS * 1.001


@pytest.mark.parametrize("nits", [0.0, 1.0, 100.0, 203.0, 1000.0, 10_000.0])
def test_pq_there_and_back(nits: float) -> None:
    assert float(absolute(np.array([perceptual(nits)]))[0]) == pytest.approx(nits, rel=1e-6, abs=1e-4)


@pytest.mark.parametrize("form", [vs.YUV420P10, vs.YUV422P10, vs.YUV444P12])
@pytest.mark.parametrize("nits", [0.0, 1.0, 20.0, 60.0, 203.0, 700.0, 1000.0])
def test_tone_mapping_follows_the_curve_and_keeps_grey_grey(form: int, nits: float) -> None:
    bits = vs.core.get_video_format(form).bits_per_sample
    code = round((16 + 219 * perceptual(nits)) * 2 ** (bits - 8))
    node = vs.core.std.BlankClip(
        width=16, height=16, format=form, length=1, color=[code, 1 << (bits - 1), 1 << (bits - 1)]
    )
    step = ToneMapStep(source=HdrKind.HDR10, peak_nits=1000, reason="range")
    made = tone_map(Clip(node, BT2020, PQ, BT2020, is_full_range=False), step)
    assert (made.matrix, made.transfer, made.primaries, made.bits) == (1, 1, 1, 16)
    assert made.node.format.subsampling_w == node.format.subsampling_w
    table = gain_table(1000)
    light = nits * table[round((nits / 10_000) ** 0.25 * 65_535)] / REFERENCE_WHITE_NITS
    # What an SDR screen shows: ITU-R BT.1886, gamma 2.4
    signal = light ** (1 / 2.4)
    assert float(plane(made.node).mean()) / 256 == pytest.approx(16 + 219 * signal, abs=1.0)
    assert float(np.abs(plane(made.node, 1) / 256 - 128).max()) < 0.5


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("form", [vs.YUV420P8, vs.YUV420P10, vs.YUV444P16])
def test_the_output_has_the_depth_that_the_encoder_wants(form: int, bits: int) -> None:
    source = grey(form, 77)
    made = deliver(source, width=320, height=180, matrix=1, picture_width=320, picture_height=180, bits=bits)
    assert (made.format.bits_per_sample, made.format.subsampling_w, made.format.subsampling_h) == (bits, 1, 1)
    assert float(plane(made).mean()) / 2 ** (bits - 8) == pytest.approx(77, abs=0.05)
