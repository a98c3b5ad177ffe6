"""One enhancement from source to verified file: the entry point of the media package for the enhancement worker.

Runs in a process of its own and blocks. It puts nothing under a final name: that is its caller's business.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

from workers.errors import TaskFailedError
from workers.media.accounting import Findings, account
from workers.media.audio import UncopyableSoundError
from workers.media.delivery import OUTPUT_NAME, identity, make_poster, prove
from workers.media.failures import failures_in_words
from workers.media.job_stages import JobStages, now
from workers.media.jobs import EnhancementJob, EnhancementOutcome, ProgressCallback
from workers.media.material import Material, material
from workers.media.notes import note
from workers.media.plan import without_picture_steps, without_remux
from workers.media.planning import Known, plan_run
from workers.media.probe import examine
from workers.media.production import Production, copy_file, encode_file
from workers.media.quick_analysis import quick_analysis
from workers.media.remux import UncopyableError
from workers.media.surroundings import Accompaniment, accompany
from workers.media.tables import FrameTables
from workers.media.verify import Verdict, sha256_of
from workers.protocol.plan import EnhancementPlan
from workers.protocol.report import Note, NoteCode
from workers.protocol.states import ErrorCode, Stage

_ANALYSED: Final = 0.04
_MEASURED: Final = 0.25
_MADE: Final = 0.92
"""Shares of the whole work that are done by then, for typical files."""


def enhance(job: EnhancementJob, on_progress: ProgressCallback) -> EnhancementOutcome:
    """Probe, analyse, plan, make, verify, report.

    Raises:
        TaskFailedError: with the code and the sentence for the user.
    """
    with failures_in_words(job.workspace):
        return _Enhancement(job, on_progress).run()


class _Enhancement:
    """The stages of one job, in order, each timed."""

    def __init__(self, job: EnhancementJob, on_progress: ProgressCallback) -> None:
        self._job = job
        self._stages = JobStages(on_progress)
        self._extra_notes: list[Note] = []
        self._tables: FrameTables | None = None

    def run(self) -> EnhancementOutcome:
        """All stages."""
        job, stages = self._job, self._stages
        stages.report(Stage.PROBING, 0.0)
        with stages.timed(Stage.PROBING):
            examination = examine(job.source)
            found = identity(job.source)
            video = examination.info.main_video
            assert video is not None, "examine() refuses files without a moving picture"
            source = material(job.source, examination.info, video, examination.main_scan)
        stages.report(Stage.ANALYSING, 0.01)
        with stages.timed(Stage.ANALYSING):
            analysis = quick_analysis(source, threads=job.threads)
            counter = stages.counter(Stage.ANALYSING, stages.fraction, _MEASURED, source.scan.count)
            known = Known(examination, source, analysis, job.settings)
            plan, self._tables = plan_run(known, threads=job.threads, on_frame=counter)
            accompaniment = accompany(job.source, examination, job.settings, source.clock.origin_s)
        plan, production, verdict = self._make(source, plan, accompaniment)
        with stages.timed(Stage.VERIFYING):
            poster = make_poster(self._output, production.poster)
            digest = sha256_of(self._output)
        report = account(
            Findings(
                job=job,
                identity=found,
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
                timings=stages.timings,
                started_at=stages.started_at,
                finished_at=now(),
            )
        )
        stages.report(Stage.VERIFYING, 1.0, len(production.times), len(production.times))
        return EnhancementOutcome(self._output, poster, report)

    @property
    def _output(self) -> Path:
        return self._job.workspace / OUTPUT_NAME

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
                with self._stages.timed(Stage.REMUXING):
                    production = self._copy(source, plan, accompaniment)
                with self._stages.timed(Stage.VERIFYING):
                    return plan, production, self._verify(plan, production, accompaniment)
            except (UncopyableError, TaskFailedError) as error:
                if isinstance(error, TaskFailedError) and error.code is not ErrorCode.VERIFICATION_FAILED:
                    raise
                self._output.unlink(missing_ok=True)
                plan = without_remux(
                    plan, f"Nothing would change the picture, but copying it failed: {error}"
                )
        with self._stages.timed(Stage.ENHANCING):
            plan, production = self._produce(source, plan, accompaniment)
        with self._stages.timed(Stage.VERIFYING):
            return plan, production, self._verify(plan, production, accompaniment)

    def _copy(self, source: Material, plan: EnhancementPlan, accompaniment: Accompaniment) -> Production:
        return copy_file(
            source,
            plan,
            self._output,
            accompaniment.tracks(),
            on_frame=self._stages.counter(Stage.REMUXING, _ANALYSED, _MADE, source.scan.count),
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
        start = max(_ANALYSED, self._stages.fraction)
        production = encode_file(
            source,
            plan,
            self._output,
            accompaniment.tracks(),
            threads=self._job.threads,
            on_frame=self._stages.counter(Stage.ENHANCING, start, _MADE, source.scan.count),
            tables=self._tables,
        )
        if not production.times:
            raise TaskFailedError(
                ErrorCode.NO_FRAMES, f"Not one picture of “{self._job.source.name}” could be decoded."
            )
        return production

    def _verify(self, plan: EnhancementPlan, production: Production, accompaniment: Accompaniment) -> Verdict:
        counter = self._stages.counter(Stage.VERIFYING, _MADE, 0.99, len(production.times))
        return prove(
            self._output, plan, production, accompaniment, threads=self._job.threads, on_frame=counter
        )
