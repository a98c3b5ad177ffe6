"""Proof that a finished file is what was promised: it is opened afresh, and decoded to its end.

It takes nothing from the code that wrote the file but the promise itself, and digests of the packets that were already
decoded.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream

from workers.media.audio_audit import AudioAudit, audit
from workers.media.mp4_boxes import is_fast_start
from workers.media.mp4_edits import movie_duration_s, shown_until_s
from workers.media.proof import Proof
from workers.media.readback import PicturesRead, read_pictures
from workers.media.ticks import fraction
from workers.media.timestamps import FrameTime
from workers.media.verify_form import BROWSER_FORM, CodedForm, form_checks
from workers.protocol.plan import OutputColour
from workers.protocol.report import Check

_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class AudioPromise:
    """Where a track's sound starts and ends on the output's clock; None: it is empty or not known."""

    first_s: Fraction | None
    end_s: Fraction | None


@dataclass(frozen=True, slots=True)
class Promise:
    """What the file must be."""

    times: tuple[FrameTime, ...]
    time_base: Fraction
    width_px: int
    height_px: int
    colour: OutputColour
    audio: tuple[AudioPromise, ...]
    subtitles: int
    chapters: int
    form: CodedForm = BROWSER_FORM
    is_copied: bool = False
    """Copied pictures: how long the last one stays follows from the order of coding, which is kept as it is."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found."""

    checks: tuple[Check, ...]
    duration_s: Fraction | None
    drift_start_s: Fraction | None
    drift_end_s: Fraction | None

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if not check.passed)


def verify(
    path: Path,
    promise: Promise,
    *,
    threads: int,
    on_frame: Callable[[int], None],
    proof: Proof | None = None,
) -> Verdict:
    """Check a finished file.

    Args:
        path: of the file.
        promise: what it must be.
        proof: of coded pictures that were decoded while they were made; those found in the file, byte for byte, are
            not decoded again.
        threads: upper bound for decoding; 0: one for each core.
        on_frame: called with the number of pictures decoded so far.
    """
    with av.open(str(path)) as container:
        video = container.streams.video[0] if container.streams.video else None
        if video is None:
            missing = Check(name="opens", passed=False, detail="the file has no video stream")
            return Verdict((missing,), None, None, None)
        checks = [_counts(container, promise), _geometry(video, promise)]
        decoded = read_pictures(container, video, proof, threads=threads, on_frame=on_frame)
        _look_up_the_last(path, video, decoded, promise)
        checks += [
            Check(
                name="decodes_to_the_end",
                passed=decoded.errors == 0,
                detail=f"{len(decoded.pts)} pictures, {decoded.errors} errors",
            ),
            _frame_map(video, decoded, promise),
            *form_checks(video, decoded.first, promise.form, promise.colour),
        ]
        time_base = fraction(video.time_base)
    # Not libav's own figure: it adds up the coded pictures, and stops short where some near the end are missing.
    duration_s = movie_duration_s(path)
    spans = [_audit(path, number) for number in range(len(promise.audio))]
    tolerance_s = _half_a_frame(promise)
    checks += [_audio(promise.audio, spans, tolerance_s), _fast_start(path)]
    checks.append(_duration(duration_s, promise, decoded, time_base))
    drifts = _drifts(promise.audio, spans)
    return Verdict(tuple(checks), duration_s, *drifts)


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _counts(container: InputContainer, promise: Promise) -> Check:
    streams = container.streams
    texts = sum(isinstance(stream, SubtitleStream) for stream in streams)
    found = (len(streams.video), len(streams.audio), texts, len(container.chapters()))
    wanted = (1, len(promise.audio), promise.subtitles, promise.chapters)
    detail = "video {}, audio {}, subtitles {}, chapters {}".format(*found)
    return Check(name="streams", passed=found == wanted, detail=detail)


def _geometry(video: VideoStream, promise: Promise) -> Check:
    context = video.codec_context
    size = (context.width, context.height)
    ratio = fraction(video.sample_aspect_ratio) if video.sample_aspect_ratio else Fraction(0)
    upright = "display_matrix" not in context.coded_side_data
    even = context.width % 2 == 0 and context.height % 2 == 0
    passed = size == (promise.width_px, promise.height_px) and ratio in {0, 1} and even and upright
    shape = "square pixels" if ratio in {0, 1} else f"pixels {ratio} as wide as high"
    detail = f"{size[0]} × {size[1]}, {shape}, {'upright' if upright else 'turned'}"
    return Check(name="geometry", passed=passed, detail=detail)


def _look_up_the_last(path: Path, video: VideoStream, decoded: PicturesRead, promise: Promise) -> None:
    """Take the edit list's word for how long the last picture stays, where its own sample was coded before others."""
    time_base = fraction(video.time_base)
    if promise.is_copied or not decoded.pts or not promise.times:
        return
    if decoded.last_duration * time_base == promise.times[-1].duration * promise.time_base:
        return
    until_s = shown_until_s(path, video.index)
    if until_s is not None:
        decoded.last_duration = until_s / time_base - decoded.pts[-1]


def _frame_map(video: VideoStream, decoded: PicturesRead, promise: Promise) -> Check:
    scale = promise.time_base / fraction(video.time_base)
    wanted = [time.ticks * scale for time in promise.times]
    differing = sum(found != expected for found, expected in zip(decoded.pts, wanted, strict=False))
    last = promise.times[-1].duration * scale if promise.times else Fraction(0)
    kept_last = decoded.last_duration == last or (promise.is_copied and decoded.last_duration > 0)
    passed = len(decoded.pts) == len(wanted) and differing == 0 and kept_last
    detail = f"{len(decoded.pts)} of {len(wanted)} pictures, {differing} at another time"
    if not kept_last:
        detail += f", the last one lasts {decoded.last_duration} instead of {last} ticks"
    return Check(name="frame_map", passed=passed, detail=detail)


def _audit(path: Path, number: int) -> AudioAudit:
    with av.open(str(path)) as container:
        tracks = container.streams.audio
        return audit(container, tracks[number]) if number < len(tracks) else AudioAudit(0, None, None)


def _audio(promised: tuple[AudioPromise, ...], found: list[AudioAudit], tolerance_s: Fraction) -> Check:
    faults = []
    for number, (wanted, span) in enumerate(zip(promised, found, strict=True)):
        if span.broken_packets:
            faults.append(f"track {number}: {span.broken_packets} packets do not decode")
        for name, want, have in (
            ("starts", wanted.first_s, span.first_s),
            ("ends", wanted.end_s, span.end_s),
        ):
            if want is not None and (have is None or abs(have - want) > tolerance_s):
                late = "nowhere" if have is None else f"{float(have - want) * 1000:+.1f} ms off"
                faults.append(f"track {number} {name} {late}")
    detail = "; ".join(faults) or f"{len(found)} tracks decode to the end and are in step"
    return Check(name="audio", passed=not faults, detail=detail)


def _fast_start(path: Path) -> Check:
    passed = is_fast_start(path)
    return Check(name="fast_start", passed=passed, detail="index " + ("first" if passed else "last"))


def _duration(
    duration_s: Fraction | None, promise: Promise, decoded: PicturesRead, time_base: Fraction
) -> Check:
    if not decoded.pts or not promise.times:
        return Check(name="duration", passed=False, detail="no pictures")
    end_s = (decoded.pts[-1] + decoded.last_duration) * time_base
    wanted_s = promise.times[-1].end * promise.time_base
    ends = [wanted_s, *(entry.end_s for entry in promise.audio if entry.end_s is not None)]
    slack = _half_a_frame(promise) + Fraction(1, 20)
    passed = (
        (promise.is_copied or end_s == wanted_s) and duration_s is not None and duration_s >= wanted_s - slack
    )
    found = f"pictures end at {float(end_s):.3f} s, the file at {float(duration_s or 0):.3f} s"
    detail = f"{found}, promised {float(max(ends)):.3f} s"
    return Check(name="duration", passed=passed, detail=detail)


def _drifts(
    promised: tuple[AudioPromise, ...], found: list[AudioAudit]
) -> tuple[Fraction | None, Fraction | None]:
    if not promised:
        return None, None
    wanted, span = promised[0], found[0]

    def difference(have: Fraction | None, want: Fraction | None) -> Fraction | None:
        return None if have is None or want is None else have - want

    return difference(span.first_s, wanted.first_s), difference(span.end_s, wanted.end_s)


def _half_a_frame(promise: Promise) -> Fraction:
    """Half the mean time between two pictures, at least a millisecond."""
    times = promise.times
    if len(times) < 2:
        return Fraction(1, 50)
    mean = Fraction(times[-1].ticks - times[0].ticks, len(times) - 1) * promise.time_base
    return max(Fraction(1, 1000), mean / 2)
