"""What a worker elsewhere hands over is published as if it had been made here, or rejected in plain words.

The objects are real media work of a small film; the lies are made of them.
"""

import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.fixtures.far_worker import FarWorker, HandedOver, sent_object
from tests.fixtures.part_tasks import analysis_task, assembly_task, segment_task
from tests.fixtures.small_films import make_film, noisy_pictures
from tests.fixtures.worker_peers import make_config, make_task
from workers.protocol import transfers
from workers.protocol.messages import (
    AcceptReply,
    AcceptTask,
    AnyWorkTask,
)
from workers.protocol.report import GateResult
from workers.protocol.results import AnalysisResult, EnhancementResult, MetadataResult, SegmentResult
from workers.protocol.segments import SegmentPlan
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ErrorCode, ProcessType
from workers.protocol.transfers import SentObject
from workers.runtime.accepting import Accepter
from workers.runtime.executor import Executor, ExecutorOptions
from workers.runtime.part_documents import plan_bytes
from workers.runtime.sources import path_from_uri

ENHANCEMENT, METADATA = ProcessType.VIDEO_ENHANCEMENT, ProcessType.METADATA_EXTRACTION
PICTURES = 60
DOCUMENTS = {transfers.REPORT, transfers.METADATA, transfers.SEGMENT_PLAN, transfers.SEGMENT_RECORD}

type Spoil = Callable[[Path], None]


@dataclass(frozen=True)
class Job:
    """A task, what a far worker made of it, and the folder in which parts meet."""

    task: AnyWorkTask
    process_type: ProcessType
    made: HandedOver


@dataclass(frozen=True)
class Made:
    """Everything that is made of one film, once for all tests here."""

    film: Path
    whole: Job
    metadata: Job
    analysis: Job
    segments: tuple[Job, ...]
    assembly: Job


class Bench:
    """An accepter with its child; every object is handed over in a copy."""

    def __init__(self, folder: Path, executor: Executor) -> None:
        async def child() -> Executor:
            return executor

        self.folder = folder
        self.out = folder / "out"
        self._accepter = Accepter(child, make_config(folder))
        self._count = 0

    def stage(self, made: HandedOver, spoil: Spoil | None = None) -> tuple[Path, tuple[SentObject, ...]]:
        """A folder with the objects, and what is said of them after they were spoilt."""
        self._count += 1
        folder = self.out / ".vidproc" / f"staged-{self._count}"
        folder.mkdir(parents=True)
        for name, path in made.objects.items():
            shutil.copy(path, folder / name)
        if spoil is not None:
            spoil(folder)
        return folder, tuple(sent_object(path.name, path) for path in sorted(folder.iterdir()))

    async def accept(self, job: Job, spoil: Spoil | None = None, **changes: Any) -> AcceptReply:
        folder, sent = self.stage(job.made, spoil)
        fields: dict[str, Any] = {
            "file_id": job.task.file_id,
            "client_id": job.task.client_id,
            "task": job.task,
            "process_type": job.process_type,
            "directory_uri": folder.as_uri(),
            "sent": sent,
            "result": job.made.result,
        }
        request = AcceptTask(**{**fields, **changes})
        reply = await self._accepter.accept(request)
        assert not {path.name for path in folder.iterdir()} & {one.name for one in request.sent}
        return reply

    async def result(self, job: Job, **changes: Any) -> Any:
        reply = await self.accept(job, **changes)
        assert reply.error is None, reply.error
        return reply.result

    async def refusal(self, job: Job, spoil: Spoil | None = None, **changes: Any) -> str:
        """In words; nothing is published."""
        before = self.published
        reply = await self.accept(job, spoil, **changes)
        assert reply.error is not None, f"taken although {spoil or changes}"
        assert reply.error.code is ErrorCode.RESULT_REJECTED, reply.error
        assert self.published == before
        return reply.error.message

    @property
    def published(self) -> list[str]:
        return sorted(
            str(path.relative_to(self.out))
            for path in self.out.rglob("*")
            if path.is_file() and "staged-" not in str(path) and path.name != ".lock"
        )


@asynccontextmanager
async def accepting(folder: Path, **changes: Any) -> AsyncIterator[Bench]:
    executor = Executor(ExecutorOptions("test#probe", ("probe",), **changes))
    await executor.start()
    try:
        yield Bench(folder, executor)
    finally:
        await executor.aclose()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with accepting(tmp_path) as made:
        yield made


def film_of(folder: Path) -> Path:
    return make_film(
        folder / "film.mp4",
        noisy_pictures(PICTURES, 6),
        [3003 * number for number in range(PICTURES)],
        sounds=[[(0, 2)]],
        texts=[(100, 500, "a text")],
        chapters=[(0, 1000, "one"), (1000, 2000, "two")],
        group=15,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    task = make_task(film_of(folder), folder / "out", process_types=(ENHANCEMENT, METADATA))
    far = FarWorker(folder / "far")
    analysis = far.work(analysis_task(task, segment_s=0.5), ENHANCEMENT, None)
    assert isinstance(analysis.result, AnalysisResult)
    parts = folder / "parts"
    parts.mkdir()
    for name, path in analysis.objects.items():
        shutil.copy(path, parts / name)
    segments = []
    for span in analysis.result.spans:
        segment = segment_task(task, analysis.result, span.number)
        segments.append(Job(segment, ENHANCEMENT, far.work(segment, ENHANCEMENT, parts)))
        record = segments[-1].made.objects[transfers.SEGMENT_RECORD]
        shutil.copy(record, parts / f"segment-{span.number:05}.json")
        video = segments[-1].made.objects[transfers.SEGMENT_VIDEO]
        shutil.copy(video, parts / json.loads(record.read_text())["file_name"])
    assembly = assembly_task(task, analysis.result)
    return Made(
        path_from_uri(task.source.uri),
        Job(task, ENHANCEMENT, far.work(task, ENHANCEMENT, None)),
        Job(task, METADATA, far.work(task, METADATA, None)),
        Job(analysis_task(task, segment_s=0.5), ENHANCEMENT, analysis),
        tuple(segments),
        Job(assembly, ENHANCEMENT, far.work(assembly, ENHANCEMENT, parts)),
    )


def here(job: Job, bench: Bench) -> Job:
    """The same task with its results on this bench's disk."""
    output = job.task.output.model_copy(update={"directory_uri": bench.out.as_uri()})
    return replace(job, task=job.task.model_copy(update={"output": output}))


async def with_analysis(bench: Bench, made: Made) -> AnalysisResult:
    result = await bench.result(here(made.analysis, bench))
    assert isinstance(result, AnalysisResult)
    return result


def said(name: str, **changes: Any) -> Spoil:
    """A document that says something else."""

    def spoil(folder: Path) -> None:
        document = json.loads((folder / name).read_text(encoding="utf-8"))
        (folder / name).write_text(json.dumps({**document, **changes}), encoding="utf-8")

    return spoil


def written(name: str, data: bytes) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / name).write_bytes(data)

    return spoil


def without(name: str) -> Spoil:
    return lambda folder: (folder / name).unlink()


def vouched(name: str, document: str, size: str, checksum: str, source: Path) -> Spoil:
    """Other bytes in an object, and a document that says that they are right."""

    def spoil(folder: Path) -> None:
        shutil.copy(source, folder / name)
        found = sent_object(name, folder / name)
        said(document, **{size: found.size_bytes, checksum: found.sha256})(folder)

    return spoil


def report_of(video: Path) -> Spoil:
    return vouched(transfers.VIDEO, transfers.REPORT, "output_size_bytes", "output_sha256", video)


def record_of(video: Path) -> Spoil:
    return vouched(transfers.SEGMENT_VIDEO, transfers.SEGMENT_RECORD, "size_bytes", "sha256", video)


# ---------------------------------------------------------------- what is true is published


async def test_a_whole_file_and_its_metadata_get_their_final_names(bench: Bench, made: Made) -> None:
    whole, metadata = here(made.whole, bench), here(made.metadata, bench)
    result = await bench.result(whole)
    assert isinstance(result, EnhancementResult)
    assert path_from_uri(result.output_uri).read_bytes() == made.whole.made.objects["video.mp4"].read_bytes()
    assert result.frames == PICTURES
    facts = await bench.result(metadata)
    assert isinstance(facts, MetadataResult)
    assert isinstance(made.metadata.made.result, MetadataResult)
    assert facts.summary == made.metadata.made.result.summary
    assert bench.published == [
        "clip.contact.jpg",
        "clip.metadata.json",
        "clip.mp4",
        "clip.poster.jpg",
        "clip.report.json",
        "clip.thumb.jpg",
    ]


async def test_all_parts_in_turn_make_the_film(bench: Bench, made: Made) -> None:
    analysis = await with_analysis(bench, made)
    assert isinstance(made.analysis.made.result, AnalysisResult)
    assert analysis.plan_sha256 == made.analysis.made.result.plan_sha256
    assert analysis.spans == made.analysis.made.result.spans
    assert analysis.folder_uri is not None
    parts = path_from_uri(analysis.folder_uri)
    assert {path.name for path in parts.iterdir()} >= {"segment-plan.json", "side-files.json", "scan.bin"}
    for number, job in enumerate(made.segments):
        result = await bench.result(here(job, bench))
        assert isinstance(result, SegmentResult)
        assert path_from_uri(result.video_uri).parent == parts
        assert (parts / f"segment-{number:05}.json").is_file()
    result = await bench.result(here(made.assembly, bench))
    assert isinstance(result, EnhancementResult)
    assert bench.published == ["clip.mp4", "clip.poster.jpg", "clip.report.json"]


async def test_a_film_of_one_picture_is_taken(bench: Bench, tmp_path: Path) -> None:
    """Its decoder gives the picture only when there is nothing more to come."""
    film = make_film(tmp_path / "one.mp4", noisy_pictures(1, 0), [0], last_duration=3003)
    task = make_task(film, bench.out)
    job = Job(task, ENHANCEMENT, FarWorker(tmp_path / "far").work(task, ENHANCEMENT, None))
    assert (await bench.result(job)).frames == 1


async def test_asked_again_it_finds_what_was_published(bench: Bench, made: Made) -> None:
    """As after a crash of the desktop between the reply and its store: the objects are gone by then."""
    nothing: dict[str, Any] = {"sent": (), "directory_uri": bench.out.as_uri()}
    for job in (made.analysis, made.segments[0], made.metadata, made.whole):
        first = await bench.result(here(job, bench))
        before = bench.published
        again = await bench.result(here(job, bench), **nothing)
        assert again.was_found_finished
        assert again.model_copy(update={"was_found_finished": False}) == first
        assert bench.published == before


async def test_of_two_results_for_one_part_the_first_valid_one_counts(
    bench: Bench, made: Made, tmp_path: Path
) -> None:
    await with_analysis(bench, made)
    job = here(made.segments[1], bench)
    await bench.refusal(job, written(transfers.SEGMENT_VIDEO, b"nothing"))
    first = await bench.result(job)
    assert not first.was_found_finished
    second = await bench.result(replace(job, task=job.task.model_copy(update={"attempt": 2})))
    assert second.was_found_finished
    assert second.video_uri == first.video_uri


async def test_another_round_takes_the_place_of_the_plan(bench: Bench, made: Made) -> None:
    await with_analysis(bench, made)
    await bench.result(here(made.segments[0], bench))
    plan = SegmentPlan.model_validate_json(made.analysis.made.objects[transfers.SEGMENT_PLAN].read_bytes())
    gate = GateResult(
        sampled_frames=1,
        sigma_before=1,
        sigma_after=2,
        newly_clipped_share=0,
        flat_psnr_db=None,
        passed=False,
        detail="It did harm.",
    )
    again = plan.model_copy(update={"round": 1, "failed_gate": gate})
    document = bench.folder / "again.json"
    job = replace(
        here(made.assembly, bench),
        made=HandedOver({transfers.SEGMENT_PLAN: document}, AnalysisResult(round=1)),
    )
    for lie, words in (
        (again.model_copy(update={"round": 3}), "it is not the plan of the next round"),
        (again.model_copy(update={"output_pictures": 61}), "it is not about the same film and segments"),
        (again.model_copy(update={"failed_gate": None}), "it does not say why there is another round"),
    ):
        document.write_bytes(plan_bytes(lie))
        assert words in await bench.refusal(job)
    document.write_bytes(plan_bytes(again))
    result = await bench.result(job)
    assert (result.round, result.spans) == (1, plan.spans)
    assert not [name for name in bench.published if "segment-0" in name], (
        "segments of the round before count no more"
    )
    assert (await bench.result(job)).was_found_finished


# ---------------------------------------------------------------- lies


async def test_a_whole_file_that_is_not_what_was_said_is_rejected(
    bench: Bench, made: Made, tmp_path: Path
) -> None:
    job = here(made.whole, bench)
    shorter = make_film(tmp_path / "short.mp4", noisy_pictures(20, 6), [3003 * n for n in range(20)])
    other = tmp_path / "other.mkv"
    make_film(other, noisy_pictures(PICTURES, 6), [3003 * n for n in range(PICTURES)])
    text = tmp_path / "text.mp4"
    text.write_bytes(b"This is no film at all.")
    lies: list[tuple[Spoil, str]] = [
        (without(transfers.VIDEO), "“video.mp4” was not handed over."),
        (written("scan.bin", b"x"), "“scan.bin” was handed over, and does not belong to this."),
        (said(transfers.REPORT, file_id="file-2"), "it is about another file"),
        (said(transfers.REPORT, settings_key="0" * 64), "it was made with other settings"),
        (said(transfers.REPORT, source_size_bytes=1), "it is about a source of another size"),
        (said(transfers.REPORT, source_mtime_ns=1), "it is about an older or newer source"),
        (said(transfers.REPORT, output_sha256="0" * 64), "the checksum of the video is another one"),
        (said(transfers.REPORT, output_size_bytes=1), "the size of the video is another one"),
        (
            said(transfers.REPORT, checks=[{"name": "opens", "passed": False, "detail": ""}]),
            "one of its checks failed",
        ),
        (said(transfers.REPORT, frames_out=61), "The video has 60 pictures instead of 61."),
        (said(transfers.REPORT, audio_tracks=2), "The video has 1 audio tracks instead of 2."),
        (said(transfers.REPORT, chapters=0), "The video has 2 chapters instead of 0."),
        (written(transfers.REPORT, b"{}"), "“report.json” is not a document of its kind."),
        (written(transfers.REPORT, b"\xff" * 100), "“report.json” is not a document of its kind."),
        (report_of(shorter), "The video has 20 pictures instead of 60."),
        (report_of(other), "“video.mp4” is no MP4 file."),
        (report_of(text), "“video.mp4” is not a video that can be opened"),
        (written(transfers.POSTER, b"no picture"), "“poster.jpg” is no picture."),
    ]
    for spoil, words in lies:
        assert words in await bench.refusal(job, spoil)
    assert await bench.result(job), "all the same, what is true is taken"


async def test_a_file_of_another_size_or_codec_is_rejected(bench: Bench, made: Made, tmp_path: Path) -> None:
    job = here(made.whole, bench)
    plan = json.loads(made.whole.made.objects[transfers.REPORT].read_text())["plan"]
    wide = said(transfers.REPORT, plan={**plan, "width_px": 256})
    assert "The video has 128 × 96 pixels instead of 256 × 96." in await bench.refusal(job, wide)
    hevc = said(transfers.REPORT, plan={**plan, "encoding": {**plan["encoding"], "codec": "hevc"}})
    assert "The video is coded in h264 instead of hevc." in await bench.refusal(job, hevc)


async def test_objects_that_are_not_as_announced_are_rejected(
    bench: Bench, made: Made, tmp_path: Path
) -> None:
    job = here(made.whole, bench)
    sent = made.whole.made.sent
    longer = tuple(one.model_copy(update={"size_bytes": one.size_bytes + 1}) for one in sent)
    assert "has another size than was announced" in await bench.refusal(job, sent=longer)
    other = tuple(one.model_copy(update={"sha256": "0" * 64}) for one in sent)
    assert "has another checksum than was announced" in await bench.refusal(job, sent=other)
    assert "One thing was handed over twice." in await bench.refusal(job, sent=(*sent, sent[0]))
    secret = tmp_path / "secret"
    secret.write_bytes(made.whole.made.objects[transfers.VIDEO].read_bytes())

    def link(folder: Path) -> None:
        (folder / transfers.VIDEO).unlink()
        (folder / transfers.VIDEO).symlink_to(secret)

    assert "“video.mp4” is no plain file." in await bench.refusal(job, link)
    assert secret.is_file()
    for name in ("../secret", "/etc/passwd", "..", "a/b", ".hidden", "a\\b"):
        with pytest.raises(ValidationError):
            SentObject(name=name, size_bytes=1, sha256="0" * 64)


async def test_metadata_that_does_not_belong_to_the_file_is_rejected(bench: Bench, made: Made) -> None:
    job = here(made.metadata, bench)
    media = json.loads(made.metadata.made.objects[transfers.METADATA].read_text())["media"]
    lies: list[tuple[Spoil, str]] = [
        (said(transfers.METADATA, file_id="file-2"), "it is about another file"),
        (said(transfers.METADATA, media={**media, "size_bytes": 1}), "it is about a file of another size"),
        (said(transfers.METADATA, contact_sheet=None), "do not fit together"),
        (without(transfers.CONTACT_SHEET), "do not fit together"),
        (written(transfers.THUMBNAIL, b"GIF89a"), "“thumbnail.jpg” is no picture."),
    ]
    for spoil, words in lies:
        assert words in await bench.refusal(job, spoil)
    assert "was not handed over" in await bench.refusal(job, sent=(), directory_uri=bench.out.as_uri())


async def test_an_analysis_that_does_not_fit_is_rejected(bench: Bench, made: Made) -> None:
    job = here(made.analysis, bench)
    scan = made.analysis.made.objects["scan.bin"].read_bytes()
    spans = [span.model_dump() for span in job.made.result.spans]  # type: ignore[union-attr]  # of an analysis
    lies: list[tuple[Spoil, str]] = [
        (said(transfers.SEGMENT_PLAN, settings_key="0" * 64), "it was made with other settings"),
        (said(transfers.SEGMENT_PLAN, round=1), "it is the plan of a later round"),
        (said(transfers.SEGMENT_PLAN, spans=spans[1:]), "its segments do not cover the film"),
        (said(transfers.SEGMENT_PLAN, output_pictures=61), "its segments do not cover the film"),
        (said(transfers.SEGMENT_PLAN, times_sha256="0" * 64), "The analysis does not fit this video."),
        (written("scan.bin", scan + b"x"), "its side files are other ones"),
        (written("tables.bin", b"x"), "its side files are other ones"),
        (without("scan.bin"), "“scan.bin” was not handed over."),
    ]
    for spoil, words in lies:
        assert words in await bench.refusal(job, spoil)


async def test_a_segment_that_is_not_the_one_asked_for_is_rejected(
    bench: Bench, made: Made, tmp_path: Path
) -> None:
    await with_analysis(bench, made)
    job = here(made.segments[1], bench)
    neighbour = made.segments[2].made.objects
    shorter = make_film(tmp_path / "short.mp4", noisy_pictures(3, 6), [3003 * n for n in range(3)])

    def neighbours(folder: Path) -> None:
        for name, path in neighbour.items():
            shutil.copy(path, folder / name)

    record = json.loads(job.made.objects[transfers.SEGMENT_RECORD].read_text())
    lies: list[tuple[Spoil, str]] = [
        (neighbours, "it is about another segment"),
        (said(transfers.SEGMENT_RECORD, plan_sha256="0" * 64), "it was made by another plan"),
        (said(transfers.SEGMENT_RECORD, pictures=14), "it counts other pictures than were asked for"),
        (said(transfers.SEGMENT_RECORD, sha256="0" * 64), "the checksum of the video is another one"),
        (said(transfers.SEGMENT_RECORD, decode_errors=1), "some of its pictures did not decode"),
        (said(transfers.SEGMENT_RECORD, file_name="../../etc"), "is not a document of its kind"),
        (
            said(transfers.SEGMENT_RECORD, packet_digests=["00" * 16] * 15),
            "The pictures of the segment are other ones",
        ),
        (
            said(transfers.SEGMENT_RECORD, end_tick=record["first_tick"] + 1),
            "The pictures of the segment lie at other times",
        ),
        (record_of(shorter), "The video has 3 pictures instead of 15."),
        (record_of(neighbour[transfers.SEGMENT_VIDEO]), "The pictures of the segment are other ones"),
        (record_of(made.film), "The video has 60 pictures instead of 15."),
        (without(transfers.SEGMENT_RECORD), "“segment.json” was not handed over."),
    ]
    for spoil, words in lies:
        assert words in await bench.refusal(job, spoil)
    assert "The answer is not the one to this task." in await bench.refusal(
        job, result=made.whole.made.result
    )


async def test_a_source_that_was_changed_meanwhile_is_nobodys_lie(
    bench: Bench, made: Made, tmp_path: Path
) -> None:
    task = make_task(film_of(tmp_path), bench.out, settings=EnhancementSettings())
    job = Job(task, ENHANCEMENT, FarWorker(tmp_path / "far").work(task, ENHANCEMENT, None))
    with path_from_uri(task.source.uri).open("ab") as film:
        film.write(b"more")
    reply = await bench.accept(job)
    assert reply.error is not None
    assert reply.error.code is ErrorCode.FILE_CHANGED
    assert bench.published == []


async def test_a_segment_of_a_plan_that_is_gone_lets_the_analysis_begin_again(
    bench: Bench, made: Made
) -> None:
    bench.out.mkdir()
    reply = await bench.accept(here(made.segments[0], bench))
    assert reply.error is not None
    assert reply.error.code is ErrorCode.PARTS_MISSING


async def test_a_child_that_dies_of_what_it_looks_at_rejects_it(tmp_path: Path, made: Made) -> None:
    async with accepting(tmp_path, jobs="tests.fixtures.dying_jobs") as bench:
        words = await bench.refusal(here(made.whole, bench))
    assert words == "What was handed over cannot be looked at."
