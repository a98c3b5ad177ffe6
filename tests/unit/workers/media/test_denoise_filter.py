"""The noise filter itself: every format and size, less noise, and no picture used beyond the declared radius."""

from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from workers.media.decisions.denoise import decide_denoise
from workers.media.filters.clip import Clip
from workers.media.filters.denoise import denoise
from workers.protocol.analysis import Analysis, ColourCast
from workers.protocol.settings import ChainSpeed, EnhancementSettings
from workers.protocol.steps import DenoiseStep

SIGMA = 8.0


def planned(speed: ChainSpeed) -> DenoiseStep:
    analysis = Analysis(
        sampled_frames=20,
        noise_sigma=SIGMA,
        noise_is_correlated=False,
        noise_confidence=1,
        black_level=0,
        white_level=1,
        mean_level=0.5,
        contrast_spread=0.8,
        cast=ColourCast(cb=0, cr=0, confidence=0),
        sharpness=100,
    )
    step = decide_denoise(analysis, EnhancementSettings(speed=speed)).step
    assert isinstance(step, DenoiseStep)
    return step


def noisy_clip(form: int, width: int, height: int, *, length: int) -> Any:
    """Soft shapes that move two samples a picture, with noise of its own on every picture and plane."""
    blank = vs.core.std.BlankClip(width=width, height=height, format=form, length=length, keep=True)
    unit = 1 << (blank.format.bits_per_sample - 8)

    def fill(n: int, f: Any) -> Any:
        target = f.copy()
        random = np.random.default_rng(n)
        for plane in range(target.format.num_planes):
            values = np.asarray(target[plane])
            noise = random.normal(0, SIGMA, values.shape)
            values[:] = np.clip(np.rint((scene(values.shape, n) + noise) * unit), 0, 255 * unit)
        return target

    return vs.core.std.ModifyFrame(blank, blank, fill)


def scene(shape: tuple[int, ...], number: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.asarray(120 + 40 * np.sin((x + 2 * number) / 19) + 30 * np.cos(y / 13))


def filtered(node: Any, step: DenoiseStep) -> Any:
    return denoise(Clip(node, 1, 1, 1, is_full_range=False), step).node


@pytest.mark.parametrize("speed", list(ChainSpeed))
@pytest.mark.parametrize("form", [vs.YUV420P8, vs.YUV422P10, vs.YUV444P12, vs.YUV420P16, vs.YUV411P8])
def test_noise_goes_in_luma_and_chroma_of_every_format(form: int, speed: ChainSpeed) -> None:
    node = noisy_clip(form, 192, 128, length=9)
    result = filtered(node, planned(speed))
    assert result.format.id == node.format.id
    before, after = node.get_frame(4), result.get_frame(4)
    unit = 1 << (node.format.bits_per_sample - 8)
    for plane in range(3):
        truth = scene(np.asarray(before[plane]).shape, 4)
        left, there = (
            float(np.sqrt(np.mean((np.asarray(frame[plane]) / unit - truth) ** 2)))
            for frame in (after, before)
        )
        assert left < 0.5 * there


@pytest.mark.parametrize("speed", list(ChainSpeed))
@pytest.mark.parametrize("size", [(2, 2), (16, 16), (34, 66), (4, 400), (176, 144)])
def test_small_pictures_pass_through(size: tuple[int, int], speed: ChainSpeed) -> None:
    node = noisy_clip(vs.YUV420P8, *size, length=2)
    frame = filtered(node, planned(speed)).get_frame(1)
    assert (frame.width, frame.height) == size


@pytest.mark.parametrize("speed", list(ChainSpeed))
def test_no_picture_beyond_the_radius_is_used(speed: ChainSpeed) -> None:
    step = planned(speed)
    node = noisy_clip(vs.YUV420P8, 128, 96, length=2 * step.radius + 5)
    middle = step.radius + 2
    cut = vs.core.std.Trim(node, middle - step.radius, middle + step.radius)
    whole, part = filtered(node, step).get_frame(middle), filtered(cut, step).get_frame(step.radius)
    for plane in range(3):
        assert np.array_equal(np.asarray(whole[plane]), np.asarray(part[plane]))


@pytest.mark.parametrize("speed", list(ChainSpeed))
def test_the_order_in_which_pictures_are_asked_for_changes_nothing(speed: ChainSpeed) -> None:
    node, step = noisy_clip(vs.YUV420P8, 128, 96, length=12), planned(speed)
    forwards, backwards = filtered(node, step), filtered(node, step)
    made = {number: backwards.get_frame(number) for number in (11, 3, 10, 0, 7, 8, 1)}
    for number in range(node.num_frames):
        frame = forwards.get_frame(number)
        for plane in range(3 if number in made else 0):
            assert np.array_equal(np.asarray(frame[plane]), np.asarray(made[number][plane]))


def test_nothing_of_the_search_stays_on_the_pictures() -> None:
    node = noisy_clip(vs.YUV420P8, 128, 96, length=3)
    assert not [
        name for name in filtered(node, planned(ChainSpeed.BALANCED)).get_frame(1).props if "MVU" in name
    ]
