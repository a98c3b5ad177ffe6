import numpy as np
import pytest

from workers.media.colour_statistics import average_colour, dominant_colours, histogram, summarise_colours
from workers.media.display import Picture


def flat(red: int, green: int, blue: int, height: int = 8, width: int = 8) -> Picture:
    return np.full((height, width, 3), (red, green, blue), dtype=np.uint8)


def test_histogram_bins_and_shares() -> None:
    found = histogram([flat(0, 128, 255), flat(255, 128, 255, 2, 4)])
    for channel in (found.red, found.green, found.blue, found.luma):
        assert len(channel) == 64
        assert sum(channel) == pytest.approx(1)
    assert (found.red[0], found.red[63]) == (0.5, 0.5)
    assert found.green[32] == 1
    assert found.blue[63] == 1
    # BT.709 luma of (0, 128, 255) is 110.
    assert found.luma[110 // 4] == 0.5


def test_the_average_is_taken_in_linear_light() -> None:
    assert average_colour([flat(0, 0, 0), flat(255, 255, 255)]) == "#bcbcbc"
    assert average_colour([flat(18, 52, 86)]) == "#123456"


def test_dominant_colours_are_found_with_their_shares() -> None:
    picture = np.concatenate(
        [flat(200, 30, 30, 60, 100), flat(20, 60, 200, 30, 100), flat(240, 240, 230, 10, 100)]
    )
    colours = dominant_colours(picture.reshape(-1, 3).astype(np.float32) / np.float32(255))
    assert [(colour.hex, colour.share) for colour in colours] == [
        ("#c81e1e", 0.6),
        ("#143cc8", 0.3),
        ("#f0f0e6", 0.1),
    ]


def test_colours_that_look_alike_are_one() -> None:
    picture = np.concatenate([flat(100, 100, 100), flat(102, 101, 100), flat(99, 100, 101)])
    assert len(dominant_colours(picture.reshape(-1, 3).astype(np.float32) / np.float32(255))) == 1


def test_the_same_pictures_give_the_same_statistics() -> None:
    noise = np.random.default_rng(3).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    first, second = summarise_colours([noise, noise[:20]]), summarise_colours([noise, noise[:20]])
    assert first == second
    assert first.sampled_frames == 2
    assert sum(colour.share for colour in first.dominant_colours) == pytest.approx(1, abs=1e-4)


def test_no_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        summarise_colours([])
