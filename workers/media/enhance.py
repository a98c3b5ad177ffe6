"""One enhancement from source to verified file: the entry point of the media package for the enhancement worker.

Runs in a process of its own and blocks. It puts nothing under a final name: that is its caller's business.
"""

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import av

from workers.errors import TaskFailedError
from workers.media.accounting import Findings, SourceIdentity, account
from workers.media.audio import AudioTrack, UncopyableSoundError
from workers.media.decisions.encoding import wanted_encoders
from workers.media.encoder_probe import probe_encoders
from workers.media.encoders.catalogue import SOFTWARE_ONLY, Availability
from workers.media.filters.network import is_installed
from workers.media.full_analysis import full_analysis
from workers.media.jobs import EnhancementJob, EnhancementOutcome, Progress, ProgressCallback
from workers.media.material import Material, material
from workers.media.notes import note
from workers.media.plan import plan_enhancement, without_picture_steps, without_remux
from workers.media.poster import picture_for_poster, write_poster
from workers.media.probe import Examination, examine
from workers.media.production import Production, can_be_copied, copy_file, encode_file
from workers.media.quick_analysis import quick_analysis
from workers.media.remux import UncopyableError
from workers.media.surroundings import Accompaniment, accompany
from workers.media.tabled_steps import needs
from workers.media.tables import FrameTables
from workers.media.verify import AudioPromise, Promise, Verdict, sha256_of, verify
from workers.protocol.analysis import Analysis
from workers.protocol.plan import EnhancementPlan
from workers.protocol.report import Note, NoteCode, StageSeconds
from workers.protocol.settings import EncoderChoice
from workers.protocol.states import ErrorCode, Stage

_OUTPUT_NAME: Final = "output.mp4"
_POSTER_NAME: Final = "poster.jpg"

_ANALYSED: Final = 0.04
_MEASURED: Final = 0.25
_MADE: Final = 0.92
"""Shares of the whole work that are done by then, for typical files."""


def enhance(job: EnhancementJob, on_progress: ProgressCallback) -> EnhancementOutcome:
    """Probe, analyse, plan, make, verify, report.

    Raises:
        TaskFailedError: with the code and the sentence for the user.
    """
    with _failures_in_words(job):
        return _Enhancement(job, on_progress).run()


class _Enhancement:
    """The stages of one job, in order, each timed."""

    def __init__(self, job: EnhancementJob, on_progress: ProgressCallback) -> None:
        self._job = job
        self._on_progress = on_progress
        self._fraction = 0.0
        self._timings: list[StageSeconds] = []
        self._extra_notes: list[Note] = []
        self._tables: FrameTables | None = None
        self._started_at = _now()

    def run(self) -> EnhancementOutcome:
        """All stages."""
        job = self._job
        self._report(Stage.PROBING, 0.0)
        with self._timed(Stage.PROBING):
            examination = examine(job.source)
            identity = _identity(job.source)
            video = examination.info.main_video
            assert video is not None, "examine() refuses files without a moving picture"
            source = material(job.source, examination.info, video, examination.main_scan)
        self._report(Stage.ANALYSING, 0.01)
        with self._timed(Stage.ANALYSING):
            analysis = quick_analysis(source, threads=job.threads)
            plan = self._plan(examination, source, analysis)
            accompaniment = accompany(job.source, examination, job.settings, source.clock.origin_s)
        plan, production, verdict = self._make(source, plan, accompaniment)
        with self._timed(Stage.VERIFYING):
            poster = self._job.workspace / _POSTER_NAME
            picture = production.poster or picture_for_poster(self._output)
            has_poster = picture is not None and write_poster(picture, poster)
            digest = sha256_of(self._output)
        report = account(
            Findings(
                job=job,
                identity=identity,
                info=examination.info,
                source=source,
                analysis=analysis,
                plan=plan,
                accompaniment=accompaniment,
                production=production,
                verdict=verdict,
                extra_notes=tuple(self._extra_notes),
                output_size_bytes=self._output.stat().st_size,
                output_sha256=digest,
                timings=tuple(self._timings),
                started_at=self._started_at,
                finished_at=_now(),
            )
        )
        self._report(Stage.VERIFYING, 1.0, len(production.times), len(production.times))
        return EnhancementOutcome(self._output, poster if has_poster else None, report)

    @property
    def _output(self) -> Path:
        return self._job.workspace / _OUTPUT_NAME

    def _plan(self, examination: Examination, source: Material, analysis: Analysis) -> EnhancementPlan:
        """The plan; where its steps ask for it, after every picture was looked at."""
        planned = self._planned(examination, analysis)
        if needs(planned) and not planned.remux:
            counter = self._counter(Stage.ANALYSING, self._fraction, _MEASURED, source.scan.count)
            self._tables = full_analysis(source, planned, threads=self._job.threads, on_frame=counter)
            planned = self._planned(examination, analysis)
        if planned.remux and not can_be_copied(examination.main_scan):
            return without_remux(
                planned, "Nothing would change the picture, but its packets cannot be copied as they are."
            )
        return planned

    def _planned(self, examination: Examination, analysis: Analysis) -> EnhancementPlan:
        """With the encoders that work here; they are only tried where one was asked for."""
        settings = self._job.settings

        def planned(available: Availability) -> EnhancementPlan:
            return plan_enhancement(
                examination.info,
                analysis,
                settings,
                available,
                has_network=is_installed(),
                tables=self._tables,
            )

        plan = planned(SOFTWARE_ONLY)
        if settings.encoder is not EncoderChoice.HARDWARE or plan.remux:
            return plan
        size_px = (plan.width_px, plan.height_px)
        return planned(
            probe_encoders(
                wanted_encoders(settings), size_px=size_px, pixel_format=plan.encoding.pixel_format
            )
        )

    def _make(
        self, source: Material, plan: EnhancementPlan, accompaniment: Accompaniment
    ) -> tuple[EnhancementPlan, Production, Verdict]:
        """Sound that could not be copied exactly is encoded: no file fails for it."""
        try:
            return self._make_once(source, plan, accompaniment)
        except UncopyableSoundError as error:
            self._output.unlink(missing_ok=True)
            text = f"Copying the sound would not have been exact ({error}); it was encoded instead."
            self._extra_notes = [note(NoteCode.AUDIO_ENCODED, text)]
            return self._make_once(source, plan, replace(accompaniment, may_copy_sound=False))

    def _make_once(
        self, source: Material, plan: EnhancementPlan, accompaniment: Accompaniment
    ) -> tuple[EnhancementPlan, Production, Verdict]:
        """Copy where the plan says so; what cannot be copied, or not proven afterwards, is encoded."""
        if plan.remux:
            try:
                with self._timed(Stage.REMUXING):
                    production = self._copy(source, plan, accompaniment)
                with self._timed(Stage.VERIFYING):
                    return plan, production, self._verify(plan, production, accompaniment)
            except (UncopyableError, TaskFailedError) as error:
                if isinstance(error, TaskFailedError) and error.code is not ErrorCode.VERIFICATION_FAILED:
                    raise
                self._output.unlink(missing_ok=True)
                plan = without_remux(
                    plan, f"Nothing would change the picture, but copying it failed: {error}"
                )
        with self._timed(Stage.ENHANCING):
            plan, production = self._produce(source, plan, accompaniment)
        with self._timed(Stage.VERIFYING):
            return plan, production, self._verify(plan, production, accompaniment)

    def _copy(self, source: Material, plan: EnhancementPlan, accompaniment: Accompaniment) -> Production:
        return copy_file(
            source,
            plan,
            self._output,
            accompaniment.tracks(),
            on_frame=self._counter(Stage.REMUXING, _ANALYSED, _MADE, source.scan.count),
        )

    def _produce(
        self, source: Material, plan: EnhancementPlan, accompaniment: Accompaniment
    ) -> tuple[EnhancementPlan, Production]:
        production = self._encode(source, plan, accompaniment)
        gate = production.gate
        if gate is None or gate.passed:
            return plan, production
        reason = f"The do-no-harm gate found: {gate.detail}."
        self._extra_notes.append(note(NoteCode.HARM_GATE_FELL_BACK, reason, source.video))
        self._output.unlink()
        gentle = without_picture_steps(plan, reason)
        again = self._encode(source, gentle, accompaniment)
        return gentle, replace(again, gate=gate)

    def _encode(self, source: Material, plan: EnhancementPlan, accompaniment: Accompaniment) -> Production:
        start = max(_ANALYSED, self._fraction)
        production = encode_file(
            source,
            plan,
            self._output,
            accompaniment.tracks(),
            threads=self._job.threads,
            on_frame=self._counter(Stage.ENHANCING, start, _MADE, source.scan.count),
            tables=self._tables,
        )
        if not production.times:
            raise TaskFailedError(
                ErrorCode.NO_FRAMES, f"Not one picture of “{self._job.source.name}” could be decoded."
            )
        return production

    def _verify(self, plan: EnhancementPlan, production: Production, accompaniment: Accompaniment) -> Verdict:
        promise = Promise(
            times=production.times,
            time_base=production.clock.time_base,
            width_px=plan.width_px,
            height_px=plan.height_px,
            colour=plan.colour,
            audio=tuple(_audio_promise(track, accompaniment) for track in production.audio),
            subtitles=len(accompaniment.subtitles),
            chapters=len(accompaniment.chapters),
            form=production.form,
            is_copied=plan.remux,
        )
        counter = self._counter(Stage.VERIFYING, _MADE, 0.99, len(production.times))
        verdict = verify(
            self._output, promise, threads=self._job.threads, on_frame=counter, proof=production.proof
        )
        inexact = next((check for check in verdict.failures if check.name == "audio"), None)
        if inexact is not None and any(track.plan.is_copied for track in production.audio):
            raise UncopyableSoundError(inexact.detail)
        if verdict.failures:
            detail = "; ".join(f"{check.name}: {check.detail}" for check in verdict.failures)
            raise TaskFailedError(
                ErrorCode.VERIFICATION_FAILED,
                "The finished file did not pass its checks and was thrown away.",
                detail=detail,
            )
        return verdict

    def _counter(self, stage: Stage, start: float, end: float, total: int) -> "_Counter":
        return _Counter(self, stage, start, end, total)

    def _report(self, stage: Stage, fraction: float, done: int = 0, total: int | None = None) -> None:
        self._fraction = max(self._fraction, min(1.0, fraction))
        self._on_progress(Progress(stage, self._fraction, done, total))

    @contextmanager
    def _timed(self, stage: Stage) -> Iterator[None]:
        started = time.monotonic()
        yield
        self._timings.append(StageSeconds(stage=stage.value, seconds=round(time.monotonic() - started, 3)))


class _Counter:
    """Turns a count of pictures into progress of one stage."""

    def __init__(self, owner: _Enhancement, stage: Stage, start: float, end: float, total: int) -> None:
        self._owner = owner
        self._stage = stage
        self._start = start
        self._span = end - start
        self._total = max(1, total)

    def __call__(self, done: int) -> None:
        """`done` pictures of the stage's total are through."""
        share = min(1.0, done / self._total)
        self._owner._report(
            self._stage, self._start + self._span * share, done, self._total
        )  # one class in two parts


def _audio_promise(track: AudioTrack, accompaniment: Accompaniment) -> AudioPromise:
    if track.plan.is_copied:
        return AudioPromise(*accompaniment.copied_span(track.plan.info))
    return AudioPromise(track.statistics.first_s, track.statistics.end_s)


def _identity(path: Path) -> SourceIdentity:
    status = path.stat()
    # A name's bytes need not be text; the report does.
    name = path.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return SourceIdentity(name, status.st_size, status.st_mtime_ns)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@contextmanager
def _failures_in_words(job: EnhancementJob) -> Iterator[None]:
    """Turn what the system refuses into codes; everything else stays the bug it is."""
    try:
        yield
    except TaskFailedError:
        raise
    except MemoryError as error:
        raise TaskFailedError(
            ErrorCode.OUT_OF_MEMORY, "There is not enough memory for this video.", detail=str(error)
        ) from error
    except (OSError, av.FFmpegError) as error:
        failure = _system_failure(error, job)
        if failure is None:
            raise
        raise failure from error


def _system_failure(error: OSError | av.FFmpegError, job: EnhancementJob) -> TaskFailedError | None:
    detail = f"{type(error).__name__}: {error}"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return TaskFailedError(ErrorCode.DISK_FULL, "The disk is full.", detail=detail)
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        folder = job.workspace.parent
        return TaskFailedError(
            ErrorCode.OUTPUT_NOT_WRITABLE, f"The result cannot be written to “{folder}”.", detail=detail
        )
    if error.errno == errno.ENOMEM:
        return TaskFailedError(
            ErrorCode.OUT_OF_MEMORY, "There is not enough memory for this video.", detail=detail
        )
    return None
