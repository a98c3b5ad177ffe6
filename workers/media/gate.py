"""The do-no-harm gate: before and after the picture steps, on a few frames of the run itself. Pure measurements.

References come from the same graph: the source in the output's format (`plain`), and that with the intended change
of colour only (`expected`). All are 8-bit limited-range luma of the output's size.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.media.noise import estimate_noise
from workers.media.noise_blocks import BLOCK_PX
from workers.protocol.plan import EnhancementPlan
from workers.protocol.report import GateResult
from workers.protocol.segments import GateMeasures
from workers.protocol.steps import DenoiseStep, GrainStep, StabiliseStep

type Luma = NDArray[np.uint8]

SAMPLES: Final = 12
_MAX_NEWLY_CLIPPED: Final = 0.001
_MIN_FLAT_PSNR_DB: Final = 42.0
_BLACK: Final = 16
_WHITE: Final = 235
_FLAT_DEVIATION: Final = 0.75
"""Standard deviation (8-bit code values) up to which a block of the source counts as flat and free of noise."""

_LEAST_REMOVED: Final = 0.3
"""Share of the noise that removal has to take away, times its strength, to have done what was planned."""

_MOST_ADDED: Final = 2.0
"""Noise may grow by this factor where none is removed: correcting levels and sharpening bring out what was there."""

_LITTLE_SIGMA: Final = 1.5
_MEASURED_PX: Final = 1280 * 720
_BAND_PX: Final = 8 * BLOCK_PX
"""Rows of pixels that are looked at together: deviations are calculated in eight bytes a pixel."""


@dataclass(frozen=True, slots=True)
class GateSample:
    """Two consecutive output frames and their references, each of shape (height, width)."""

    filtered: tuple[Luma, Luma]
    plain: tuple[Luma, Luma]
    expected: Luma
    """Of the first frame."""


@dataclass(slots=True)
class Gate:
    """Collects samples as they come and judges at the end; keeps numbers, not pictures."""

    plan: EnhancementPlan
    _before: list[float] = field(default_factory=list)
    _after: list[float] = field(default_factory=list)
    _newly_clipped: int = 0
    _pixels: int = 0
    _flat_error: float = 0.0
    _flat_pixels: int = 0
    _samples: int = 0

    def add(self, sample: GateSample) -> None:
        """Measure one sample."""
        self._samples += 1
        for pair, into in ((sample.plain, self._before), (sample.filtered, self._after)):
            estimate = estimate_noise(_middle(pair[0]), _middle(pair[1]))
            if estimate is not None:
                into.append(estimate.sigma)
        filtered, plain = sample.filtered[0], sample.plain[0]
        low, high = _clipping_points(plain)
        clipped = (filtered <= low) | (filtered >= high)
        clipped_before = (plain <= low) | (plain >= high)
        if any(isinstance(step, StabiliseStep) for step in self.plan.steps):
            # The pictures do not lie on each other: only how much is clipped can be compared.
            self._newly_clipped += max(0, int(clipped.sum()) - int(clipped_before.sum()))
        else:
            self._newly_clipped += int((clipped & ~clipped_before).sum())
        self._pixels += int(filtered.size)
        self._add_flat(plain, sample.expected, filtered)

    def merge(self, measures: GateMeasures) -> None:
        """Add what another gate of the same plan has measured on other samples."""
        self._before += measures.sigmas_before
        self._after += measures.sigmas_after
        self._newly_clipped += measures.newly_clipped
        self._pixels += measures.pixels
        self._flat_error += measures.flat_error
        self._flat_pixels += measures.flat_pixels
        self._samples += measures.samples

    def measures(self) -> GateMeasures:
        """What was measured so far."""
        return GateMeasures(
            sigmas_before=tuple(self._before),
            sigmas_after=tuple(self._after),
            newly_clipped=self._newly_clipped,
            pixels=self._pixels,
            flat_error=self._flat_error,
            flat_pixels=self._flat_pixels,
            samples=self._samples,
        )

    def result(self) -> GateResult:
        """The judgement over all samples."""
        before, after = _median(self._before), _median(self._after)
        clipped = self._newly_clipped / max(1, self._pixels)
        psnr = None
        if self._flat_pixels:
            error = max(self._flat_error / self._flat_pixels - self._grain() ** 2, 1e-6)
            psnr = float(10 * np.log10(255**2 / error))
        faults = self._faults(before, after, clipped, psnr)
        return GateResult(
            sampled_frames=self._samples,
            sigma_before=before,
            sigma_after=after,
            newly_clipped_share=clipped,
            flat_psnr_db=psnr,
            passed=not faults,
            detail="; ".join(faults) or "the picture steps did what was planned and nothing else",
        )

    def _faults(self, before: float, after: float, clipped: float, psnr: float | None) -> list[str]:
        faults = []
        allowed = float(np.hypot(max(_LITTLE_SIGMA, self._kept() * before), self._grain()))
        if after > allowed:
            how = "only fell" if after <= before else "rose"
            faults.append(f"noise {how} from σ {before:.1f} to {after:.1f}")
        if clipped > _MAX_NEWLY_CLIPPED:
            faults.append(f"{clipped:.2%} of the pixels were newly clipped")
        if psnr is not None and psnr < _MIN_FLAT_PSNR_DB:
            faults.append(f"flat clean areas changed (PSNR {psnr:.1f} dB)")
        return faults

    def _kept(self) -> float:
        """How much of the noise may be left, as a factor."""
        step = next((step for step in self.plan.steps if isinstance(step, DenoiseStep)), None)
        if step is None:
            return _MOST_ADDED
        return 1 - _LEAST_REMOVED * min(1.0, step.effective_sigma / step.sigma)

    def _grain(self) -> float:
        """σ of the grain that was put on because it was asked for."""
        return next((step.sigma for step in self.plan.steps if isinstance(step, GrainStep)), 0.0)

    def _add_flat(self, plain: Luma, expected: Luma, filtered: Luma) -> None:
        height, width = (size // BLOCK_PX * BLOCK_PX for size in plain.shape)
        for top in range(0, height if width else 0, _BAND_PX):
            rows = slice(top, min(top + _BAND_PX, height))
            self._add_flat_blocks(plain[rows, :width], expected[rows, :width], filtered[rows, :width])

    def _add_flat_blocks(self, plain: Luma, expected: Luma, filtered: Luma) -> None:
        height, width = plain.shape
        shape = (height // BLOCK_PX, BLOCK_PX, width // BLOCK_PX, BLOCK_PX)
        flat = plain.reshape(shape).std(axis=(1, 3)) <= _FLAT_DEVIATION
        if not flat.any():
            return
        difference = expected.astype(np.float32) - filtered
        errors = (difference**2).reshape(shape).sum(axis=(1, 3))
        self._flat_error += float(errors[flat].sum())
        self._flat_pixels += int(flat.sum()) * BLOCK_PX * BLOCK_PX


def _middle(picture: Luma) -> Luma:
    """What the noise is measured in of large pictures, with their proportions: measuring takes 12 bytes a pixel."""
    height, width = picture.shape
    share = min(1.0, (_MEASURED_PX / (height * width)) ** 0.5)
    rows, columns = int(height * share), int(width * share)
    top, left = (height - rows) // 2, (width - columns) // 2
    return picture[top : top + rows, left : left + columns]


def _clipping_points(plain: Luma) -> tuple[int, int]:
    """Where detail ends: at the nominal black and white, or at the ends of the code where the source goes beyond."""
    below, above = float((plain < _BLACK).mean()), float((plain > _WHITE).mean())
    return (
        _BLACK if below < _MAX_NEWLY_CLIPPED else 0,
        _WHITE if above < _MAX_NEWLY_CLIPPED else 255,
    )


def sample_numbers(frame_count: int) -> frozenset[int]:
    """Which frames are judged: evenly spread, each with a successor."""
    usable = max(1, frame_count - 1)
    count = min(SAMPLES, usable)
    return frozenset((2 * number + 1) * usable // (2 * count) for number in range(count))


def _median(values: list[float]) -> float:
    return float(np.median(values)) if values else 0.0
