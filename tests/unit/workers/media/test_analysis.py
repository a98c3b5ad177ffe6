"""What the quick analysis says of drawn pictures whose truth is known."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from workers.media.analysis import Detail, SamplePicture, SampleRun, analyse
from workers.media.analysis.blocks import blockiness, grid_of
from workers.media.analysis.borders import find_borders, lit_shares
from workers.media.analysis.edges import edge_profiles, halo, softness
from workers.media.analysis.gradients import banded_share
from workers.media.analysis.levels import histogram_of, levels_confidence
from workers.media.analysis.movement import cuts_per_minute, flicker, movement_of, shake
from workers.protocol.analysis import Analysis, Borders, ScanKind
from workers.protocol.media import VideoStreamInfo

type Picture = NDArray[np.uint8]

WIDTH, HEIGHT = 320, 192


def scene(seed: int = 1, *, shift: int = 0) -> Picture:
    """Rectangles of all greys, with edges a lens would make."""
    random = np.random.default_rng(seed)
    picture = np.full((HEIGHT, WIDTH + 80), 110, np.float32)
    for _ in range(60):
        x, y = int(random.integers(0, WIDTH + 60)), int(random.integers(0, HEIGHT - 12))
        w, h = (int(size) for size in random.integers(14, 60, 2))
        picture[y : y + h, x : x + w] = random.uniform(50, 220)
    soft = cv2.GaussianBlur(picture, (0, 0), 0.7)
    return eight_bit(soft[:, 40 + shift : 40 + shift + WIDTH])


def eight_bit(picture: NDArray[Any]) -> Picture:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def detail(picture: Picture) -> Detail:
    return Detail(middle=picture, lines=picture, columns=picture, tone=picture, cb=None, cr=None)


def run(*pictures: Picture) -> SampleRun:
    return SampleRun(tuple(SamplePicture(one, one, detail(one)) for one in pictures))


def stream(**changes: object) -> VideoStreamInfo:
    facts: dict[str, object] = {
        "index": 0,
        "codec": "h264",
        "width_px": WIDTH,
        "height_px": HEIGHT,
        "sample_aspect_ratio": Fraction(1),
        "pixel_format": "gray",
        "bit_depth": 8,
        "average_rate": Fraction(25),
        "base_rate": Fraction(25),
        "is_variable_rate": False,
        "frame_count": 9,
    }
    return VideoStreamInfo.model_validate(facts | changes)


def test_one_picture_is_enough_for_everything_but_motion_and_noise() -> None:
    found = analyse([run(scene())], stream())
    assert found.sampled_frames == 1
    assert (found.noise_sigma, found.noise_confidence) == (0.0, 0.0)
    assert found.flicker.confidence == found.shake.confidence == found.cuts_per_minute.confidence == 0.0
    assert 0.1 < found.black_level < found.mean_level < found.white_level < 1.0


def test_no_picture_at_all_claims_nothing() -> None:
    found = analyse([], stream())
    assert found.sampled_frames == 0
    figures = (found.blockiness, found.banding, found.halo, found.softness, found.flicker, found.shake)
    assert all(one.confidence == 0 for one in figures)
    assert found.levels_confidence == found.borders.confidence == found.scan.confidence == 0
    assert Analysis.model_validate_json(found.model_dump_json()) == found


def test_what_the_stream_says_is_passed_on() -> None:
    found = analyse([run(scene())], stream(rotation_deg=90, is_variable_rate=True))
    assert (found.rotation_deg, found.is_variable_rate) == (90, True)


def barred(picture: Picture, top: int, bottom: int, *, noise: float = 0.0) -> Picture:
    framed = picture.copy()
    framed[:top] = 16
    framed[HEIGHT - bottom :] = 16
    grain = np.random.default_rng(3).normal(0, noise, framed.shape)
    return eight_bit(framed + grain.astype(np.float32))


def borders_of(*pictures: Picture) -> Borders:
    return find_borders([lit_shares(detail(one)) for one in pictures])


@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_bars_are_found_to_the_line(noise: float) -> None:
    found = borders_of(*(barred(scene(seed), 24, 22, noise=noise) for seed in range(8)))
    assert (found.left_px, found.top_px, found.right_px, found.bottom_px) == (0, 24, 0, 22)
    assert found.confidence == 1.0


def test_pillars_are_found_beside_bars() -> None:
    pictures = [barred(scene(seed), 20, 20) for seed in range(8)]
    for picture in pictures:
        picture[:, :32] = picture[:, -32:] = 16
    found = borders_of(*pictures)
    assert (found.left_px, found.top_px, found.right_px, found.bottom_px) == (32, 20, 32, 20)


def test_a_title_on_black_and_a_fade_do_not_hide_the_bars() -> None:
    black = np.full((HEIGHT, WIDTH), 16, np.uint8)
    title = black.copy()
    title[90:100, 100:200] = 235
    found = borders_of(black, title, black, *(barred(scene(seed), 24, 24) for seed in range(6)))
    assert (found.top_px, found.bottom_px) == (24, 24)


def night(seed: int) -> Picture:
    """Lit below, and darker and darker upwards."""
    fade = np.clip(np.arange(HEIGHT) / HEIGHT * 1.6 - 0.35, 0, 1)[:, None].astype(np.float32)
    return eight_bit(16 + (scene(seed).astype(np.float32) - 16) * fade)


def bright(seed: int) -> Picture:
    return scene(seed)


def dark_from_the_top(seed: int) -> Picture:
    """A dark roof that moves: black to the edge, but never to the same line."""
    return barred(scene(seed), 10 + 3 * seed, 0)


@pytest.mark.parametrize("picture", [night, bright, dark_from_the_top])
def test_dark_parts_of_a_scene_are_no_bars(picture: Callable[[int], Picture]) -> None:
    assert not borders_of(*(picture(seed) for seed in range(8))).any


def test_subtitles_in_a_bar_stay_in_the_picture() -> None:
    pictures = [barred(scene(seed), 30, 30) for seed in range(10)]
    for picture in pictures[::2]:
        picture[HEIGHT - 20 : HEIGHT - 12, 100:220:3] = 235
    found = borders_of(*pictures)
    assert (found.top_px, found.bottom_px) == (30, 12)
    assert found.confidence <= 0.5, "one side differs from the other"


def coded(picture: Picture, quality: int) -> Picture:
    """As Motion JPEG would leave it."""
    _, coded_picture = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(coded_picture, cv2.IMREAD_GRAYSCALE)
    assert decoded is not None
    return decoded.astype(np.uint8)


def textured(seed: int = 5) -> Picture:
    noise = np.random.default_rng(seed).normal(0, 60, (HEIGHT, WIDTH)).astype(np.float32)
    return eight_bit(scene(seed).astype(np.float32) * 0.6 + 40 + cv2.GaussianBlur(noise, (0, 0), 2))


def blocks_of(picture: Picture) -> tuple[float, float]:
    grid = grid_of(picture)
    assert grid is not None
    found = blockiness([grid])
    return found.value, found.confidence


def test_blocks_grow_with_the_quantiser() -> None:
    clean, good, poor = (
        blocks_of(one)[0] for one in (textured(), coded(textured(), 60), coded(textured(), 15))
    )
    assert clean < 0.2 < good < poor
    assert blocks_of(coded(textured(), 15))[1] == 1.0


def test_blocks_that_were_scaled_are_not_trusted() -> None:
    scaled = cv2.resize(coded(textured(), 15), (400, 240), interpolation=cv2.INTER_CUBIC)
    value, confidence = blocks_of(scaled.astype(np.uint8))
    assert confidence < 0.6 or value < 0.2


def sky(levels_per_code: float) -> Picture:
    across = np.linspace(60, 84, WIDTH)[None, :] + np.linspace(0, 10, HEIGHT)[:, None]
    return eight_bit((np.floor(across * levels_per_code) / levels_per_code).astype(np.float32))


def test_only_coarse_steps_are_bands() -> None:
    assert banded_share(sky(1)) == 0.0, "as fine as 8 bits allow"
    coarse = banded_share(sky(0.5))
    assert coarse is not None
    assert coarse > 0.5
    assert banded_share(textured()) == 0.0
    grained = sky(0.5) + np.random.default_rng(1).integers(0, 2, (HEIGHT, WIDTH)).astype(np.uint8)
    assert banded_share(grained) == 0.0, "grain hides bands"


def test_small_pictures_are_measured_as_far_as_they_go() -> None:
    tiny = scene()[:10, :10]
    assert grid_of(tiny) is None
    assert banded_share(tiny) is None
    assert halo([edge_profiles(tiny)]).confidence == 0
    assert analyse([run(tiny)], stream()).sampled_frames == 1


def test_sharpening_leaves_halos_and_blur_wide_edges() -> None:
    clean: NDArray[Any] = scene().astype(np.float32)
    sharpened = clean + 1.5 * (clean - cv2.GaussianBlur(clean, (0, 0), 1.5))
    blurred = cv2.GaussianBlur(clean, (0, 0), 2.5)
    pictures: dict[str, NDArray[Any]] = {"c": clean, "s": sharpened, "b": blurred}
    found = {name: [edge_profiles(one)] for name, one in pictures.items()}
    assert halo(found["c"]).confidence < 0.4 or halo(found["c"]).value < 0.05
    assert halo(found["s"]).value > 0.15
    assert halo(found["s"]).confidence > 0.5
    assert softness(found["c"]).value < 2.5
    assert softness(found["b"]).value > 3.2


def test_combing_is_no_halo() -> None:
    woven = []
    for number in range(10):
        picture = scene(shift=3 * number - 15).copy()
        picture[1::2] = scene(shift=3 * number - 13)[1::2]
        woven.append(picture)
    found = analyse([run(*woven)] * 3, stream())
    assert found.scan.kind is ScanKind.INTERLACED
    assert found.halo.value < 0.15 or found.halo.confidence < 0.4


def test_a_lamp_flickers_and_a_fade_or_a_moving_thing_does_not() -> None:
    still = scene().astype(np.float32)
    random = np.random.default_rng(2)
    flickering = [eight_bit(still + change) for change in random.normal(0, 4, 10)]
    fading = [eight_bit(still + 6 * min(number, 6)) for number in range(10)]
    moving = [still.copy() for _ in range(10)]
    for number, picture in enumerate(moving):
        picture[40:80, 20 * number : 20 * number + 40] = 220
    found = [flicker([movement_of(list(one))] * 2) for one in (flickering, fading, map(eight_bit, moving))]
    assert found[0].value > 2
    assert found[0].confidence > 0.6
    assert found[1].value < 0.1
    assert found[2].value < 0.3


def test_a_hand_shakes_and_a_pan_does_not() -> None:
    random = np.random.default_rng(4)
    shaken = [scene(shift=int(step)) for step in random.integers(-4, 5, 10)]
    panned = [scene(shift=3 * number - 15) for number in range(10)]
    found = [shake([movement_of(one)] * 2) for one in (shaken, panned)]
    assert found[0].value > 4
    assert found[0].confidence > 0.8
    assert found[1].value < 0.5


def test_cuts_are_counted_per_minute_and_a_flash_is_none() -> None:
    cut = [scene(1)] * 5 + [scene(2)] * 5
    flashed = [scene(1)] * 5 + [eight_bit(scene(1).astype(np.float32) + 60)] + [scene(1)] * 4
    rate = Fraction(25)
    found = cuts_per_minute([movement_of(cut)], rate, 10)
    assert found.value == pytest.approx(60 * 25 / 9)
    assert found.confidence == 1.0
    assert cuts_per_minute([movement_of(cut)], rate, 1000).confidence < 0.02
    assert cuts_per_minute([movement_of(flashed)], rate, 10).value == 0


def test_levels_are_sure_where_all_samples_agree() -> None:
    same = [histogram_of(scene(1))] * 6
    dark = histogram_of(eight_bit(scene(1).astype(np.float32) * 0.2 + 16))
    assert levels_confidence(same) == 1.0
    assert levels_confidence(same[:3] + [dark] * 3) < 0.8


def test_noise_pairs_never_share_a_picture() -> None:
    pictures = [SamplePicture(scene(), scene(), detail(scene(number))) for number in range(4)]
    assert len(SampleRun(tuple(pictures)).noise_pairs) == 2
    gap = [pictures[0], SamplePicture(scene(), scene(), None), pictures[1], pictures[2]]
    assert len(SampleRun(tuple(gap)).noise_pairs) == 1
    assert len(SampleRun(tuple(gap)).details) == 2
    assert len(SampleRun(tuple(gap)).distant_pairs) == 1
