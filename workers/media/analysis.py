"""What a file's pictures are like, measured on samples: noise, levels, colour cast, sharpness, combing."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.media.noise import NoiseEstimate, estimate_noise
from workers.protocol.analysis import Analysis, ColourCast, ScanFinding, ScanKind
from workers.protocol.media import FieldOrder, HdrKind

type Picture = NDArray[np.float32]

_NOISE_PERCENTILE: Final = 75.0
"""Over the samples: noise varies, and what is left in the noisiest quarter would be seen."""

_CORRELATED_BELOW: Final = 0.6
_CROP_PX: Final = (1280, 720)
"""Noise is measured in the middle of larger pictures, at their own resolution."""

_MEASURED_AT_ONCE: Final = 2
"""More would keep more large pictures in memory than they gain."""

_BINS: Final = 1024
_COMBED_SHARE: Final = 0.2
_MIN_COMBING: Final = 0.05
_ASYMMETRY: Final = 1.4
_TONES: Final = ((40, 100), (100, 160), (160, 225))
"""Shadows, middle tones and lights, luma in 8-bit code values."""

_NEAR_GREY: Final = 14.0
_MIN_GREY_SHARE: Final = 0.01


@dataclass(frozen=True, slots=True)
class SamplePicture:
    """One picture in 8-bit code values with fractions, limited range, whatever the source's depth and range.

    Attributes:
        luma: shape (height, width).
        cb: shape of the chroma plane; None for gray.
        cr: as `cb`.
    """

    luma: Picture
    cb: Picture | None
    cr: Picture | None


@dataclass(slots=True)
class _Gathered:
    histogram: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_BINS, np.int64))
    noise: list[NoiseEstimate] = field(default_factory=list)
    sharpness: list[float] = field(default_factory=list)
    saturation: list[float] = field(default_factory=list)
    casts: list[tuple[float, float, float]] = field(default_factory=list)
    combed: int = 0
    pictures: int = 0

    def add(self, other: "_Gathered") -> None:
        """Take over what was found in another picture."""
        self.histogram += other.histogram
        self.noise += other.noise
        self.sharpness += other.sharpness
        self.saturation += other.saturation
        self.casts += other.casts
        self.combed += other.combed
        self.pictures += other.pictures


def analyse(
    pairs: Iterable[tuple[SamplePicture, SamplePicture]], *, field_order: FieldOrder, hdr: HdrKind
) -> Analysis:
    """Measure all samples.

    Args:
        pairs: consecutive pictures; a picture paired with itself counts for everything but noise.
        field_order: as the stream is flagged.
        hdr: what the source is; the samples are already tone-mapped.
    """
    gathered = _Gathered()
    for one in _measured(pairs):
        gathered.add(one)
    sigma, ratio, confidence = _noise(gathered.noise)
    black, low, high, white = _percentiles(gathered.histogram, (0.1, 5, 95, 99.9))
    count = max(1, int(gathered.histogram.sum()))
    mean = float((gathered.histogram * (np.arange(_BINS) + 0.5)).sum() / count / _BINS)
    laplacian_noise = 20 * sigma**2  # 1² + 1² + 1² + 1² + 4²: gain of the kernel for white noise
    return Analysis(
        sampled_frames=gathered.pictures,
        noise_sigma=sigma,
        noise_is_correlated=ratio < _CORRELATED_BELOW,
        noise_confidence=confidence,
        black_level=_level(black),
        white_level=_level(white),
        mean_level=_level(mean),
        contrast_spread=(high - low) * 256 / 219,
        cast=_cast(gathered.casts),
        sharpness=max(0.0, float(np.median(gathered.sharpness or [0.0])) - laplacian_noise),
        saturation=float(np.median(gathered.saturation or [0.0])),
        scan=_scan(gathered, field_order),
        hdr=hdr,
    )


def _scan(gathered: _Gathered, flagged: FieldOrder) -> ScanFinding:
    """Combed pictures, with the field order that the file states."""
    share = gathered.combed / max(1, gathered.pictures)
    is_combed = share >= _COMBED_SHARE and flagged is not FieldOrder.PROGRESSIVE
    kind = ScanKind.INTERLACED if is_combed else ScanKind.PROGRESSIVE
    return ScanFinding(
        kind=kind, field_order=flagged if is_combed else FieldOrder.PROGRESSIVE, confidence=abs(2 * share - 1)
    )


def _measured(pairs: Iterable[tuple[SamplePicture, SamplePicture]]) -> Iterator[_Gathered]:
    """Each pair measured, in order; a few at a time, beside the decoding of the next ones."""
    with ThreadPoolExecutor(_MEASURED_AT_ONCE, "analysis") as pool:
        waiting: deque[Future[_Gathered]] = deque()
        for first, second in pairs:
            waiting.append(pool.submit(_measure, first, second))
            if len(waiting) > _MEASURED_AT_ONCE:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _measure(first: SamplePicture, second: SamplePicture) -> _Gathered:
    gathered = _Gathered()
    luma = second.luma
    gathered.pictures += 1
    gathered.histogram += np.bincount(
        np.clip(luma[::2, ::2].ravel() * (_BINS / 256), 0, _BINS - 1).astype(np.int64), minlength=_BINS
    )
    if first is not second:
        estimate = estimate_noise(_middle(first.luma), _middle(luma))
        if estimate is not None:
            gathered.noise.append(estimate)
    middle = _middle(luma)
    gathered.sharpness.append(float(cv2.Laplacian(middle, cv2.CV_32F).var()))
    if first is not second:
        gathered.combed += is_interlaced(_middle(first.luma), middle)
    if second.cb is not None and second.cr is not None:
        _gather_colour(gathered, luma, second.cb, second.cr)
    return gathered


def _gather_colour(gathered: _Gathered, luma: Picture, cb: Picture, cr: Picture) -> None:
    size = (cb.shape[1], cb.shape[0])
    small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA) if luma.shape != cb.shape else luma
    blue, red = cb - 128, cr - 128
    magnitude = np.hypot(blue, red)
    gathered.saturation.append(float(magnitude.mean()))
    grey = magnitude < _NEAR_GREY
    tones = [grey & (small > low) & (small <= high) for low, high in _TONES]
    medians = [_median_chroma(blue, red, tone) for tone in tones]
    if None not in medians:
        known = np.array(medians, dtype=np.float64)
        gathered.casts.append((*known.mean(axis=0), float(np.abs(known - known.mean(axis=0)).max())))


def _median_chroma(blue: Picture, red: Picture, where: NDArray[np.bool_]) -> tuple[float, float] | None:
    if float(where.mean()) < _MIN_GREY_SHARE:
        return None
    return float(np.median(blue[where])), float(np.median(red[where]))


def is_interlaced(previous: Picture, current: Picture) -> bool:
    """Whether two consecutive pictures are woven from fields of different moments.

    Fields are paired across the two pictures both ways. In interlaced motion one of these pairs is a field apart and
    combs little, the other is three fields apart and combs a lot. In progressive motion both are a picture apart and
    comb alike (within 3 % on clips where interlaced ones differ by 60 % and more); fine texture combs alike, too.

    Args:
        previous: luma, shape (height, width), 8-bit code values.
        current: the next picture.
    """
    height = current.shape[0] // 2 * 2
    if _combing(current[:height]) <= _MIN_COMBING:
        return False
    woven = []
    for parity in (0, 1):
        mixed = current[:height].copy()
        mixed[parity::2] = previous[parity:height:2]
        woven.append(_combing(mixed))
    return max(woven) > min(woven) * _ASYMMETRY


def _combing(luma: Picture) -> float:
    """Mean strength of lines that differ from both neighbours in the same direction, in code values."""
    if luma.shape[0] < 4:
        return 0.0
    above, line, below = luma[:-2], luma[1:-1], luma[2:]
    over = cv2.subtract(line, cv2.max(above, below))
    under = cv2.subtract(cv2.min(above, below), line)
    return float(cv2.max(cv2.max(over, under), 0.0).mean())  # type: ignore[call-overload]  # a number is allowed


def _middle(picture: Picture) -> Picture:
    width, height = _CROP_PX
    top = max(0, (picture.shape[0] - height) // 4 * 2)
    left = max(0, (picture.shape[1] - width) // 4 * 2)
    return picture[top : top + height, left : left + width]


def _noise(estimates: list[NoiseEstimate]) -> tuple[float, float, float]:
    if not estimates:
        return 0.0, 1.0, 0.0
    sigma = float(np.percentile([entry.sigma for entry in estimates], _NOISE_PERCENTILE))
    ratio = float(np.median([entry.high_band_ratio for entry in estimates]))
    return sigma, ratio, float(np.median([entry.confidence for entry in estimates]))


def _percentiles(histogram: NDArray[np.int64], wanted: tuple[float, ...]) -> tuple[float, ...]:
    """Positions in the histogram, 0–1; the lower edge of the bin below the middle, the upper edge above it."""
    total = int(histogram.sum())
    if total == 0:
        return tuple(percent / 100 for percent in wanted)
    cumulated = np.cumsum(histogram)
    edges = (int(np.searchsorted(cumulated, total * percent / 100)) for percent in wanted)
    return tuple((edge + (percent > 50)) / _BINS for edge, percent in zip(edges, wanted, strict=True))


def _level(position: float) -> float:
    """Fraction of the nominal range of a position on the 8-bit limited scale."""
    return (position * 256 - 16) / 219


def _cast(casts: list[tuple[float, float, float]]) -> ColourCast:
    """Median over the samples. A cast of the light tints greys of all tones and all samples alike: as sure as that."""
    if not casts:
        return ColourCast(cb=0, cr=0, confidence=0)
    values = np.array(casts)
    blue, red = float(np.median(values[:, 0])), float(np.median(values[:, 1]))
    between_samples = float(np.median(np.abs(values[:, :2] - (blue, red)).max(axis=1)))
    between_tones = float(np.median(values[:, 2]))
    size = max(1.0, float(np.hypot(blue, red)))
    return ColourCast(cb=blue, cr=red, confidence=max(0.0, 1 - (between_samples + between_tones) / size))
