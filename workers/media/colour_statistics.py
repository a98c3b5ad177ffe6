"""Histograms, average and dominant colours of displayed pictures. Pure functions on arrays, deterministic."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from workers.media.display import Picture
from workers.media.tone_map import Pixels, linear_to_srgb, srgb_to_linear
from workers.protocol.pictures import HISTOGRAM_BINS, DominantColour, Histogram, PictureStatistics

type Points = npt.NDArray[np.float64]
"""Shape (n, 3)."""

LUMA_WEIGHTS: Final = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
"""ITU-R BT.709 luma, on R'G'B'."""

_CLUSTERS: Final = 6
_MAX_POINTS: Final = 8_000
_ROUNDS: Final = 24
_SEED: Final = 20_240_601
"""Any number; fixed so that the same file gives the same colours."""
_SAME_COLOUR: Final = 0.05
"""Clusters nearer than this in Oklab look alike and are joined; about 2.5 just noticeable differences."""

_LINEAR_TO_LMS: Final = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LMS_TO_OKLAB: Final = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
"""Björn Ottosson, "A perceptual color space for image processing", 2020."""


def summarise_colours(pictures: Sequence[Picture]) -> PictureStatistics:
    """Statistics over all pictures together; each picture counts alike.

    Raises:
        ValueError: no picture at all.
    """
    if not pictures:
        raise ValueError("statistics need at least one picture")
    points = _sampled_points(pictures)
    return PictureStatistics(
        sampled_frames=len(pictures),
        average_colour=average_colour(pictures),
        dominant_colours=dominant_colours(points),
        histogram=histogram(pictures),
    )


def histogram(pictures: Sequence[Picture]) -> Histogram:
    """Share of pixels per bin for red, green, blue and BT.709 luma."""
    totals = np.zeros((4, HISTOGRAM_BINS))
    for picture in pictures:
        flat = picture.reshape(-1, 3)
        luma = np.rint(flat.astype(np.float32) @ LUMA_WEIGHTS).astype(np.uint8)
        for row, channel in enumerate((flat[:, 0], flat[:, 1], flat[:, 2], luma)):
            counts = np.bincount(channel, minlength=256).reshape(HISTOGRAM_BINS, -1).sum(axis=1)
            totals[row] += counts / len(flat)
    red, green, blue, luma_share = (
        tuple(round(float(share), 6) for share in row / len(pictures)) for row in totals
    )
    return Histogram(red=red, green=green, blue=blue, luma=luma_share)


def average_colour(pictures: Sequence[Picture]) -> str:
    """The colour of all the light together: averaged in linear light, as `#rrggbb`."""
    means = [
        srgb_to_linear(_unit(picture.reshape(-1, 3))).mean(axis=0, dtype=np.float64) for picture in pictures
    ]
    return to_hex(np.mean(means, axis=0))


def dominant_colours(srgb: Pixels) -> tuple[DominantColour, ...]:
    """Up to six colours, the largest share first: k-means in Oklab.

    Args:
        srgb: shape (n, 3), 0 to 1.
    """
    linear = srgb_to_linear(srgb).astype(np.float64)
    lab = linear_to_oklab(linear)
    labels, centres = _cluster(lab)
    groups = _join_alike(centres)
    colours = []
    for group in groups:
        inside = np.isin(labels, group)
        if inside.any():
            colours.append(
                DominantColour(hex=to_hex(linear[inside].mean(axis=0)), share=round(float(inside.mean()), 6))
            )
    return tuple(sorted(colours, key=lambda colour: (-colour.share, colour.hex)))


def linear_to_oklab(linear: Points) -> Points:
    """Linear sRGB light to Oklab."""
    return np.asarray(np.cbrt(linear @ _LINEAR_TO_LMS.T) @ _LMS_TO_OKLAB.T)


def to_hex(linear: Points) -> str:
    """One colour in linear light, shape (3,), as `#rrggbb`."""
    encoded = np.rint(np.clip(linear_to_srgb(np.asarray(linear, dtype=np.float32)), 0, 1) * 255).astype(int)
    return "#" + "".join(f"{channel:02x}" for channel in encoded)


def _sampled_points(pictures: Sequence[Picture]) -> Pixels:
    """The same number of evenly spaced pixels of every picture, 0 to 1."""
    share = max(1, _MAX_POINTS // len(pictures))
    chosen = []
    for picture in pictures:
        flat = picture.reshape(-1, 3)
        chosen.append(flat[np.linspace(0, len(flat) - 1, min(share, len(flat))).astype(np.intp)])
    return _unit(np.concatenate(chosen))


def _unit(samples: Picture) -> Pixels:
    """0 to 255 as 0 to 1."""
    return (samples.astype(np.float32) / np.float32(255)).astype(np.float32)


def _cluster(points: Points) -> tuple[npt.NDArray[np.intp], Points]:
    """Lloyd's k-means from k-means++ starting points."""
    centres = _starting_points(points, np.random.default_rng(_SEED))
    labels = np.zeros(len(points), dtype=np.intp)
    for _ in range(_ROUNDS):
        labels = _squared_distances(points, centres).argmin(axis=1)
        moved = np.array(
            [
                points[labels == index].mean(axis=0) if (labels == index).any() else centre
                for index, centre in enumerate(centres)
            ]
        )
        if np.allclose(moved, centres, atol=1e-5):
            break
        centres = moved
    return labels, centres


def _starting_points(points: Points, random: np.random.Generator) -> Points:
    centres = [points[random.integers(len(points))]]
    while len(centres) < _CLUSTERS:
        distances = _squared_distances(points, np.array(centres)).min(axis=1)
        total = distances.sum()
        if total <= 0:
            break  # fewer different colours than clusters
        centres.append(points[random.choice(len(points), p=distances / total)])
    return np.array(centres)


def _squared_distances(points: Points, centres: Points) -> Points:
    """Shape (points, centres); a sum of products, because a table of differences is ten times as slow."""
    lengths = (points**2).sum(axis=1)[:, np.newaxis] + (centres**2).sum(axis=1)
    return np.asarray(np.maximum(lengths - 2 * points @ centres.T, 0))


def _join_alike(centres: Points) -> list[list[int]]:
    """Groups of centres that look alike."""
    groups: list[list[int]] = []
    for index, centre in enumerate(centres):
        near = next(
            (group for group in groups if np.linalg.norm(centres[group[0]] - centre) < _SAME_COLOUR), None
        )
        if near is None:
            groups.append([index])
        else:
            near.append(index)
    return groups
