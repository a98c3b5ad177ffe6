"""The last part of an enhancement in parts: the segments joined with everything else, checked as any other result.

Or, when the harm gate finds over all segments together that the picture steps do harm, the plan of another round.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import av

from workers.media.accounting import Findings, account
from workers.media.assemble import Mp4Writer
from workers.media.audio import UncopyableSoundError
from workers.media.decode import DecodeStatistics
from workers.media.delivery import OUTPUT_NAME, identity, make_poster, prove
from workers.media.failures import failures_in_words
from workers.media.frame_map import output_rate
from workers.media.job_stages import JobStages, now
from workers.media.jobs import (
    AnalysisOutcome,
    AssemblyJob,
    AssemblyOutcome,
    EnhancementOutcome,
    ProgressCallback,
)
from workers.media.joined_video import JoinedSegment, JoinedVideo, UnjoinableError
from workers.media.notes import note
from workers.media.production import Production, coded_form
from workers.media.segment_records import another_round, check_records, judged, merged_proof
from workers.media.side_files import TakenUp, parts_missing, take_up
from workers.media.surroundings import Accompaniment, accompany
from workers.media.timestamps import FrameTime
from workers.media.verify import Verdict, sha256_of
from workers.protocol.report import Note, NoteCode, StageSeconds
from workers.protocol.segments import SegmentRecord
from workers.protocol.states import Stage

_CHECKED: Final = 0.2
_ACCOMPANIED: Final = 0.4
_JOINED: Final = 0.7
"""Shares of the whole work that are done by then, for typical files."""


def assemble_segments(job: AssemblyJob, on_progress: ProgressCallback) -> AssemblyOutcome:
    """Judge, join, verify, report.

    Raises:
        TaskFailedError: PARTS_MISSING when a segment is not what its record says; NOT_IN_PARTS when the segments do
            not fit together; others as for a whole file.
    """
    with failures_in_words(job.workspace):
        return _Assembly(job, on_progress).run()


class _Assembly:
    """The stages of one job, in order, each timed."""

    def __init__(self, job: AssemblyJob, on_progress: ProgressCallback) -> None:
        self._job = job
        self._plan = job.segment_plan.plan
        self._stages = JobStages(on_progress)
        self._extra_notes: list[Note] = []

    def run(self) -> AssemblyOutcome:
        """All stages."""
        job, stages = self._job, self._stages
        stages.report(Stage.ASSEMBLING, 0.0)
        with stages.timed(Stage.ASSEMBLING):
            taken = take_up(job.source, job.parts, job.segment_plan)
            times = tuple(picture.time for picture in taken.schedule.pictures())
            check_records(job.records, job.segment_plan, times)
            gate = judged(job.segment_plan, job.records)
            if gate is not None and not gate.passed:
                return AnalysisOutcome(*another_round(job.segment_plan, gate, taken.source.video))
            self._check_files()
            accompaniment = accompany(
                job.source, taken.examination, job.settings, taken.source.clock.origin_s
            )
        stages.report(Stage.ASSEMBLING, _ACCOMPANIED)
        production, verdict = self._make(taken, times, accompaniment)
        production = replace(production, gate=job.segment_plan.failed_gate or gate)
        return self._delivered(taken, accompaniment, production, verdict)

    def _delivered(
        self, taken: TakenUp, accompaniment: Accompaniment, production: Production, verdict: Verdict
    ) -> EnhancementOutcome:
        """The poster, and the report over all parts."""
        job, stages = self._job, self._stages
        with stages.timed(Stage.VERIFYING):
            poster = make_poster(self._output, None)
            digest = sha256_of(self._output)
        report = account(
            Findings(
                job=job,
                identity=identity(job.source),
                info=taken.examination.info,
                source=taken.source,
                analysis=job.segment_plan.analysis,
                plan=self._plan,
                accompaniment=accompaniment,
                production=production,
                verdict=verdict,
                extra_notes=(*job.segment_plan.notes, *self._extra_notes),
                output_size_bytes=self._output.stat().st_size,
                output_sha256=digest,
                timings=(*job.segment_plan.timings, _enhancing(job.records), *stages.timings),
                started_at=stages.started_at,
                finished_at=now(),
                records=job.records,
            )
        )
        count = len(production.times)
        stages.report(Stage.VERIFYING, 1.0, count, count)
        return EnhancementOutcome(self._output, poster, report)

    @property
    def _output(self) -> Path:
        return self._job.workspace / OUTPUT_NAME

    def _check_files(self) -> None:
        """Every segment's file is there, byte for byte."""
        done = 0
        for record in self._job.records:
            path = self._job.parts / record.file_name
            try:
                is_same = path.stat().st_size == record.size_bytes and sha256_of(path) == record.sha256
            except OSError as error:
                raise parts_missing(str(error)) from error
            if not is_same:
                raise parts_missing(f"{record.file_name} is not the file that its record describes")
            done += record.pictures
            total = self._job.segment_plan.output_pictures
            self._stages.report(Stage.ASSEMBLING, _CHECKED * done / total, done, total)

    def _make(
        self, taken: TakenUp, times: tuple[FrameTime, ...], accompaniment: Accompaniment
    ) -> tuple[Production, Verdict]:
        """Sound that could not be copied exactly is encoded: no file fails for it."""
        try:
            return self._make_once(taken, times, accompaniment)
        except UncopyableSoundError as error:
            self._output.unlink(missing_ok=True)
            text = f"Copying the sound would not have been exact ({error}); it was encoded instead."
            self._extra_notes = [note(NoteCode.AUDIO_ENCODED, text)]
            return self._make_once(taken, times, replace(accompaniment, may_copy_sound=False))

    def _make_once(
        self, taken: TakenUp, times: tuple[FrameTime, ...], accompaniment: Accompaniment
    ) -> tuple[Production, Verdict]:
        with self._stages.timed(Stage.ASSEMBLING):
            production = self._join(taken, times, accompaniment)
        counter = self._stages.counter(Stage.VERIFYING, _JOINED, 0.99, len(times))
        with self._stages.timed(Stage.VERIFYING):
            verdict = prove(
                self._output,
                self._plan,
                production,
                accompaniment,
                threads=self._job.threads,
                on_frame=counter,
            )
        return production, verdict

    def _join(self, taken: TakenUp, times: tuple[FrameTime, ...], accompaniment: Accompaniment) -> Production:
        job, clock = self._job, taken.schedule.clock
        segments = [
            JoinedSegment(job.parts / record.file_name, times[span.first : span.first + span.count])
            for record, span in zip(job.records, job.segment_plan.spans, strict=True)
        ]
        step = max(1, round(clock.timescale / output_rate(self._plan, taken.source.average_rate)))
        counter = self._stages.counter(Stage.ASSEMBLING, _ACCOMPANIED, _JOINED, len(times))
        surroundings = accompaniment.tracks()
        video = JoinedVideo(segments, clock, step)
        try:
            video.plan_times()
            with Mp4Writer(self._output, clock.timescale, surroundings) as writer:
                writer.add_surroundings(video.open(writer.container), taken.source.video)
                for packet in video.packets(counter):
                    writer.write([packet])
                writer.finish()
        except (UnjoinableError, av.InvalidDataError) as error:
            raise parts_missing(str(error)) from error
        return Production(
            clock=clock,
            times=times,
            decoded=_decoded(taken, job.records),
            repairs=taken.schedule.repairs,
            gate=None,
            audio=surroundings.audio,
            proof=merged_proof(job.records),
            form=coded_form(taken.source, self._plan),
        )


def _decoded(taken: TakenUp, records: Sequence[SegmentRecord]) -> DecodeStatistics:
    """A segment that lacked a picture, or had a damaged one, would not be there."""
    count = taken.source.scan.count
    changed = sum(record.changed_pictures for record in records)
    return DecodeStatistics(packets=count, frames=count, changed_frames=changed)


def _enhancing(records: Sequence[SegmentRecord]) -> StageSeconds:
    """Of all segments together, whoever made them and at the same time or not."""
    return StageSeconds(
        stage=Stage.ENHANCING.value, seconds=round(sum(record.seconds for record in records), 3)
    )
