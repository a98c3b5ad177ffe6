import cv2
import numpy as np
import pytest
import vapoursynth as vs

from tests.fixtures.filter_clips import FORMATS, clip_of, lumas_of, planes_of
from tests.fixtures.textures import texture
from workers.media.filters.clip import Clip
from workers.media.filters.colour import correct_colour
from workers.protocol.steps import ColourStep

YUV_FORMATS = {name: form for name, form in FORMATS.items() if "gray" not in name}


def step(**changes: float) -> ColourStep:
    facts: dict[str, object] = {
        "black": 0.0,
        "white": 1.0,
        "gamma": 1.0,
        "local_contrast": 0.0,
        "cb_shift": 0.0,
        "cr_shift": 0.0,
        "saturation": 1.0,
        "reason": "test",
    }
    return ColourStep.model_validate(facts | changes)


def local_deviation(luma: np.ndarray) -> float:
    mean = cv2.blur(luma, (15, 15))
    return float(np.sqrt(np.maximum(cv2.blur(luma * luma, (15, 15)) - mean * mean, 0)).mean())


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_local_contrast_grows_and_the_mean_stays_in_every_format(form: int) -> None:
    clip = clip_of([np.clip(texture(5, 192, 256), 30, 220)], form)
    before, after = lumas_of(clip)[0], lumas_of(correct_colour(clip, step(local_contrast=1)))[0]
    assert local_deviation(after) > 1.04 * local_deviation(before)
    assert after.mean() == pytest.approx(before.mean(), abs=0.5)


def test_edges_get_no_halo() -> None:
    edge = np.full((192, 256), 80, np.float32)
    edge[:, 128:] = 160
    soft = np.asarray(cv2.GaussianBlur(edge, (0, 0), 1.2), np.float32)
    after = lumas_of(correct_colour(clip_of([soft]), step(local_contrast=1)))[0][60:130]
    assert 80 - after.min() <= 0.04 * 80
    assert after.max() - 160 <= 0.04 * 80


@pytest.mark.parametrize("form", YUV_FORMATS.values(), ids=YUV_FORMATS)
def test_everything_together_clips_nothing_anew(form: int) -> None:
    clip = clip_of([np.clip(texture(6, 128, 128) * 1.3, 0, 255)], form)
    everything = step(
        black=0.04, white=0.95, gamma=0.96, local_contrast=2, cb_shift=3, cr_shift=-3, saturation=1.1
    )
    before, after = lumas_of(clip)[0], lumas_of(correct_colour(clip, everything))[0]
    new = ((after <= 16) & (before > 16)) | ((after >= 235) & (before < 235))
    assert new.mean() < 0.001


def colours(*pairs: tuple[int, int]) -> Clip:
    node = vs.core.std.BlankClip(
        width=64, height=64, format=vs.YUV444P8, color=[120, 0, 0], length=len(pairs)
    )

    def fill(n: int, f: object) -> object:
        target = f.copy()  # type: ignore[attr-defined]  # VapourSynth has no annotations
        for plane, value in enumerate(pairs[n], 1):
            np.asarray(target[plane])[:] = value
        return target

    return Clip(vs.core.std.ModifyFrame(node, node, fill), 1, 1, 1, is_full_range=False)


def test_saturation_spares_skin_and_vivid_colours_and_keeps_grey() -> None:
    grey, blue, skin, vivid = (128, 128), (168, 128), (106, 162), (230, 128)
    after = planes_of(correct_colour(colours(grey, blue, skin, vivid), step(saturation=1.25)))
    moved = [np.hypot(int(p[1][0, 0]) - 128, int(p[2][0, 0]) - 128) for p in after]
    assert moved[0] == 0
    assert moved[1] == pytest.approx(40 * 1.25, abs=1)
    assert moved[2] < np.hypot(22, 34) * 1.1 + 1
    assert after[3][1][0, 0] == 230


def test_less_saturation_is_the_same_for_all_colours() -> None:
    after = planes_of(correct_colour(colours((168, 128), (106, 162)), step(saturation=0.75)))
    assert (after[0][1][0, 0], after[1][1][0, 0]) == (158, pytest.approx(128 - 22 * 0.75, abs=1))


def test_frames_are_judged_one_by_one() -> None:
    pictures = [np.clip(texture(seed, 96, 96), 20, 230) for seed in range(3)]
    together = planes_of(correct_colour(clip_of(pictures), step(local_contrast=1, saturation=1.1)))
    for number, picture in enumerate(pictures):
        alone = planes_of(correct_colour(clip_of([picture]), step(local_contrast=1, saturation=1.1)))[0]
        assert all(np.array_equal(*pair) for pair in zip(together[number], alone, strict=True))


@pytest.mark.parametrize("size", [(2, 2), (2, 400), (16, 16), (400, 4)])
def test_odd_sizes_are_taken(size: tuple[int, int]) -> None:
    picture = np.full(size, 100, np.float32)
    assert lumas_of(correct_colour(clip_of([picture]), step(local_contrast=1)))[0].shape == size
