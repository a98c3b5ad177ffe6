import numpy as np
from numpy.typing import NDArray

from tests.fixtures.textures import texture
from workers.media.scene_cuts import SceneCuts

type Luma = NDArray[np.uint8]


def scene(seed: int, length: int, speed: float = 1.0) -> list[Luma]:
    """A camera that moves over a texture."""
    world = texture(seed)
    pictures = []
    for number in range(length):
        at = round(number * speed)
        pictures.append(np.clip(world[40:130, at : at + 160], 0, 255).astype(np.uint8))
    return pictures


def cuts_of(pictures: list[Luma]) -> list[int]:
    detector = SceneCuts()
    for picture in pictures:
        detector.add(picture)
    found: list[int] = detector.finish().tolist()
    return found


def lit(picture: Luma, gain: float, lift: float = 0) -> Luma:
    return np.asarray(np.clip(picture.astype(np.float32) * gain + lift, 0, 255), np.uint8)


def test_cuts_are_found_where_scenes_meet() -> None:
    pictures = scene(1, 12) + scene(2, 9, 3) + scene(3, 15, 0)
    assert cuts_of(pictures) == [12, 21]


def test_a_pan_is_no_cut() -> None:
    assert cuts_of(scene(1, 40, 4)) == []


def test_flashes_are_no_cuts() -> None:
    pictures = scene(1, 30)
    for number, length in ((8, 1), (18, 3)):
        for at in range(number, number + length):
            pictures[at] = lit(pictures[at], 1.6, 60)
    assert cuts_of(pictures) == []


def test_a_foreign_picture_in_the_middle_is_no_cut() -> None:
    pictures = scene(1, 20)
    pictures[9] = scene(2, 1)[0]
    assert cuts_of(pictures) == []


def test_light_that_goes_on_is_no_cut() -> None:
    pictures = [lit(picture, 0.4 if number < 10 else 1.0) for number, picture in enumerate(scene(1, 20))]
    assert cuts_of(pictures) == []


def test_fades_and_dissolves_are_no_cuts() -> None:
    first, second = scene(1, 40), scene(2, 40)
    dissolve = [
        np.rint(one * (1 - part) + two * part).astype(np.uint8)
        for one, two, part in zip(
            first, second, np.clip((np.arange(40) - 10) / 20, 0, 1).tolist(), strict=True
        )
    ]
    assert cuts_of(dissolve) == []
    assert (
        cuts_of([lit(picture, part) for picture, part in zip(first, np.linspace(0, 1, 40), strict=True)])
        == []
    )


def test_a_cut_in_the_middle_of_a_woven_picture_is_one_cut() -> None:
    before, after = scene(1, 10), scene(2, 10)
    woven = np.rint((before[-1].astype(np.float32) + after[0]) / 2).astype(np.uint8)
    assert cuts_of([*before, woven, *after]) in ([10], [11])


def test_flat_and_few_pictures_have_no_cuts() -> None:
    flat = np.full((90, 160), 80, np.uint8)
    assert cuts_of([]) == []
    assert cuts_of([flat]) == []
    assert cuts_of([flat] * 9) == []
    assert cuts_of(scene(1, 2)) == []


def test_small_pictures_are_taken() -> None:
    assert cuts_of([np.zeros((16, 16), np.uint8)] * 6) == []
