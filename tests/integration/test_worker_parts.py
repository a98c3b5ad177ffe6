"""An enhancement in parts through the task loop, with real children: every part, every way in which it can end."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.consumer_bench import Bench, consumer_bench
from tests.fixtures.part_tasks import analysis_task, assembly_task, segment_task
from tests.fixtures.worker_part_jobs import PICTURES
from tests.fixtures.worker_peers import TestDelivery, make_config, make_source, make_task, until
from workers.errors import TaskFailedError
from workers.protocol.messages import AnyWorkTask, ControlMessage, FileTask, StatusMessage
from workers.protocol.results import AnalysisResult, EnhancementResult, SegmentResult
from workers.protocol.states import ControlAction, ErrorCode, ProcessType, Stage, Status, WorkerState
from workers.runtime import attempts, part_work
from workers.runtime.attempts import settings_key
from workers.runtime.journal import AttemptKey
from workers.runtime.parts import PartsFolder
from workers.runtime.sources import path_from_uri
from workers.runtime.workspace import DiskFullError

ENHANCEMENT = ProcessType.VIDEO_ENHANCEMENT


def a_file(tmp_path: Path, **orders: Any) -> FileTask:
    return make_task(make_source(tmp_path, **orders), tmp_path / "out")


def folder_of(task: FileTask) -> PartsFolder:
    return part_work.parts_folder(task, attempts.locate(task, ()), settings_key(task))


def code_of(final: StatusMessage) -> ErrorCode:
    assert final.status is Status.FAILED
    assert final.error is not None
    return final.error.code


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def shared_out(bench: Bench, task: FileTask, **changes: Any) -> AnalysisResult:
    """The answer of the analysis."""
    result = (await bench.final(analysis_task(task, **changes))).result
    assert isinstance(result, AnalysisResult)
    return result


async def all_segments(bench: Bench, task: FileTask, parts: AnalysisResult) -> list[SegmentResult]:
    results = []
    for number in range(len(parts.spans)):
        result = (await bench.final(segment_task(task, parts, number))).result
        assert isinstance(result, SegmentResult)
        results.append(result)
    return results


# ---------------------------------------------------------------- the way through


async def test_analysis_segments_and_assembly_make_the_whole(tmp_path: Path) -> None:
    task = a_file(tmp_path, segments=3)
    async with consumer_bench(tmp_path) as bench:
        parts = await shared_out(bench, task)
        segments = await all_segments(bench, task, parts)
        assert [segment.pictures for segment in segments] == [PICTURES] * 3
        videos = [path_from_uri(segment.video_uri) for segment in segments]
        joined = b"".join(video.read_bytes() for video in videos)
        final = await bench.final(assembly_task(task, parts))
    assert isinstance(final.result, EnhancementResult)
    assert path_from_uri(final.result.output_uri).read_bytes() == joined
    assert not parts.was_found_finished
    assert not any(segment.was_found_finished for segment in segments)
    assert not final.result.was_found_finished
    assert names_in(tmp_path / "out") == ["clip.mp4", "clip.poster.jpg", "clip.report.json"]


async def test_every_status_names_its_part_and_counts_its_own_pictures(tmp_path: Path) -> None:
    task = a_file(tmp_path, segments=2, steps=4, step_s=0.25)
    async with consumer_bench(tmp_path) as bench:
        parts = await shared_out(bench, task)
        await all_segments(bench, task, parts)
        await bench.final(assembly_task(task, parts))
    by_part: dict[str | None, list[StatusMessage]] = {}
    for status in bench.sink.statuses:
        by_part.setdefault(status.part, []).append(status)
    assert list(by_part) == ["analysis", "segment-00000", "segment-00001", "assembly"]
    middle = {"analysis": Stage.ANALYSING, "assembly": Stage.ASSEMBLING}
    for part, statuses in by_part.items():
        stages = list(dict.fromkeys(status.stage for status in statuses))
        assert stages == [
            Stage.PROBING,
            middle.get(part or "", Stage.ENHANCING),
            Stage.VERIFYING,
            Stage.PUBLISHING,
        ]
        assert statuses[-1].progress == 100
    for status in by_part["segment-00001"]:
        assert status.frames_total in (None, PICTURES)
    assert by_part["segment-00001"][-1].frames_done == PICTURES
    beats = {current.part for beat in bench.sink.heartbeats for current in beat.current}
    assert {"analysis", "segment-00000", "assembly"} <= beats


async def test_a_file_that_is_better_done_whole_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    task = a_file(tmp_path, whole="It is short.")
    async with consumer_bench(tmp_path) as bench:
        parts = await shared_out(bench, task)
    assert parts == AnalysisResult(reason="It is short.")
    assert names_in(tmp_path / "out") == []


async def test_another_round_makes_all_segments_again(tmp_path: Path) -> None:
    task = a_file(tmp_path, segments=2, rounds=1)
    async with consumer_bench(tmp_path) as bench:
        first = await shared_out(bench, task)
        await all_segments(bench, task, first)
        again = (await bench.final(assembly_task(task, first))).result
        assert isinstance(again, AnalysisResult)
        assert (again.round, again.was_found_finished, again.spans) == (1, False, first.spans)
        # Whoever did not hear of it, is told; what goes by the old plan is turned away.
        redelivered = (await bench.final(assembly_task(task, first, attempt=2))).result
        assert redelivered == again.model_copy(update={"was_found_finished": True})
        assert await shared_out(bench, task, attempt=2) == redelivered
        old = await bench.final(segment_task(task, first, 0, attempt=2))
        assert code_of(old) is ErrorCode.PARTS_MISSING
        segments = await all_segments(bench, task, again)
        assert not any(segment.was_found_finished for segment in segments)
        final = await bench.final(assembly_task(task, again, attempt=3))
    assert isinstance(final.result, EnhancementResult)
    assert b"in round 1" in path_from_uri(final.result.output_uri).read_bytes()
    assert b"in round 0" not in path_from_uri(final.result.output_uri).read_bytes()
    assert not (tmp_path / "out" / ".vidproc").exists()


async def test_the_whole_in_one_task_clears_away_parts_that_were_given_up(tmp_path: Path) -> None:
    task = a_file(tmp_path, segments=2, parts={"assembly": {"raise": "not_in_parts"}})
    async with consumer_bench(tmp_path) as bench:
        parts = await shared_out(bench, task)
        await all_segments(bench, task, parts)
        assert code_of(await bench.final(assembly_task(task, parts))) is ErrorCode.NOT_IN_PARTS
        whole = await bench.final(task)
    assert whole.status is Status.COMPLETED
    assert names_in(tmp_path / "out") == ["clip.mp4", "clip.poster.jpg", "clip.report.json"]


# ---------------------------------------------------------------- delivered again


async def test_every_part_that_is_delivered_again_finds_what_is_finished(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    task = a_file(tmp_path, segments=2, marker=str(marker))
    results: list[list[Any]] = [[], []]
    for place, folder in enumerate((tmp_path / "a", tmp_path / "b")):  # another worker, without any memory
        async with consumer_bench(folder) as bench:
            parts = await shared_out(bench, task)
            results[place] += [parts, *await all_segments(bench, task, parts)]
    async with consumer_bench(tmp_path / "c") as bench:
        for place in range(2):
            delivered = await bench.final(assembly_task(task, results[0][0]), redelivered=place == 1)
            results[place].append(delivered.result)
    assert [result.was_found_finished for result in results[0]] == [False] * 4
    assert results[1] == [result.model_copy(update={"was_found_finished": True}) for result in results[0]]
    begun = [line.split()[1] for line in marker.read_text().splitlines()]
    assert begun == ["analysis", "segment-00000", "segment-00001", "assembly"]


async def test_a_worker_that_died_after_publishing_leaves_the_parts_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = a_file(tmp_path, segments=2)
    async with consumer_bench(tmp_path) as bench:
        parts = await shared_out(bench, task)
        await all_segments(bench, task, parts)
        with monkeypatch.context() as dies_before:
            dies_before.setattr(PartsFolder, "remove", lambda self: None)
            await bench.final(assembly_task(task, parts))
        assert folder_of(task).path.is_dir()
        late = await shared_out(bench, task, attempt=2)  # does not begin it all again
        assert late.spans == ()
        assert late.was_found_finished
        assert not (tmp_path / "out" / ".vidproc").exists()
        again = (await bench.final(assembly_task(task, parts, attempt=2))).result
        assert isinstance(again, EnhancementResult)
        assert again.was_found_finished
        assert (await bench.final(task)).status is Status.COMPLETED


async def test_the_same_segment_delivered_twice_is_worked_on_once(tmp_path: Path) -> None:
    marker, gate = tmp_path / "marker", tmp_path / "gate"
    one = {"gate": str(gate), "marker": str(marker)}
    task = a_file(tmp_path, parts={"segment-00000": one, "segment-00001": {"marker": str(marker)}})
    async with consumer_bench(tmp_path, slots=2) as bench:
        parts = await shared_out(bench, task)
        twice = [
            asyncio.create_task(bench.run(segment_task(task, parts, 0), redelivered=bool(n)))
            for n in range(2)
        ]
        await until(marker.exists)
        # Another part of the same file and attempt is not the same task.
        assert (await bench.final(segment_task(task, parts, 1))).status is Status.COMPLETED
        gate.touch()
        assert [delivery.endings for delivery in await asyncio.gather(*twice)] == [["ack"], ["ack"]]
    finals = [final.part for final in bench.sink.finals]
    assert sorted(part or "" for part in finals) == ["analysis", "segment-00000", "segment-00001"]
    assert len(marker.read_text().splitlines()) == 2


async def test_a_redelivered_failure_of_one_part_is_not_anothers(tmp_path: Path) -> None:
    task = a_file(tmp_path, parts={"segment-00000": {"raise": "encoder_failed"}})
    async with consumer_bench(tmp_path) as bench:
        parts = await shared_out(bench, task)
        for _ in range(2):
            failed = await bench.final(segment_task(task, parts, 0), redelivered=True)
            assert code_of(failed) is ErrorCode.ENCODER_FAILED
        other = await bench.final(segment_task(task, parts, 1), redelivered=True)
    assert other.status is Status.COMPLETED


async def test_an_attempt_that_ended_the_worker_too_often_is_given_up_for_its_part_alone(
    tmp_path: Path,
) -> None:
    task = a_file(tmp_path)
    async with consumer_bench(tmp_path, max_processing_attempts=2) as bench:
        parts = await shared_out(bench, task)
        poison = segment_task(task, parts, 0)
        for _ in range(2):
            bench.journal.begin(AttemptKey.of(poison, ENHANCEMENT))
        assert code_of(await bench.final(poison, redelivered=True)) is ErrorCode.WORKER_CRASHED
        assert (await bench.final(segment_task(task, parts, 1))).status is Status.COMPLETED


# ---------------------------------------------------------------- killed, cancelled, changed


async def test_a_child_killed_in_the_middle_costs_one_attempt_and_nothing_else(tmp_path: Path) -> None:
    source = make_source(tmp_path, parts={"segment-00001": {"die": "SIGKILL"}})
    task = make_task(source, tmp_path / "out")
    async with consumer_bench(tmp_path) as bench:
        parts = await shared_out(bench, task)
        assert (await bench.final(segment_task(task, parts, 0))).status is Status.COMPLETED
        failed = await bench.final(segment_task(task, parts, 1))
        assert code_of(failed) is ErrorCode.WORKER_CRASHED
        assert names_in(tmp_path / "out" / ".vidproc") == [folder_of(task).path.name]
        assert folder_of(task).find_segment(parts.plan_sha256 or "", 0) is not None
        assert folder_of(task).find_segment(parts.plan_sha256 or "", 1) is None


async def test_a_cancel_of_one_part_leaves_the_others(tmp_path: Path) -> None:
    marker, gate = tmp_path / "marker", tmp_path / "gate"
    one = {"gate": str(gate), "marker": str(marker)}
    task = a_file(tmp_path, parts={f"segment-0000{n}": one for n in range(2)})

    def cancel(part: str | None) -> ControlMessage:
        return ControlMessage(
            action=ControlAction.CANCEL, client_id="client-1", file_id="file-1", part=part, attempt=1
        )

    async with consumer_bench(tmp_path, slots=2) as bench:
        parts = await shared_out(bench, task)
        running = [asyncio.create_task(bench.run(segment_task(task, parts, n))) for n in range(2)]
        await until(lambda: marker.exists() and len(marker.read_text().splitlines()) == 2)
        waiting = asyncio.create_task(bench.run(segment_task(task, parts, 2)))
        bench.consumer.handle_control(cancel("segment-00002"))
        await waiting
        bench.consumer.handle_control(cancel(None))  # the whole file's own task, which is none of these
        bench.consumer.handle_control(cancel("segment-00000"))
        await running[0]
        gate.touch()
        await running[1]
        ended = {final.part: final.status for final in bench.sink.finals}
        whole = await bench.final(task)
        retried = await bench.final(segment_task(task, parts, 0, attempt=2))
    assert ended == {
        "analysis": Status.COMPLETED,
        "segment-00002": Status.CANCELLED,
        "segment-00000": Status.CANCELLED,
        "segment-00001": Status.COMPLETED,
    }
    assert whole.status is Status.CANCELLED
    assert retried.status is Status.COMPLETED
    assert [name for name in names_in(tmp_path / "out" / ".vidproc") if "segment" in name] == []


@pytest.mark.parametrize("part", ["analysis", "segment-00000", "assembly"])
async def test_a_source_that_changes_meanwhile_yields_nothing(tmp_path: Path, part: str) -> None:
    task = a_file(tmp_path, segments=1, parts={part: {"change_source": True}})
    async with consumer_bench(tmp_path) as bench:
        final = await bench.final(analysis_task(task))
        if part != "analysis":
            assert isinstance(final.result, AnalysisResult)
            parts = final.result
            final = await bench.final(segment_task(task, parts, 0))
            if part == "assembly":
                final = await bench.final(assembly_task(task, parts))
    assert code_of(final) is ErrorCode.FILE_CHANGED
    assert [name for name in names_in(tmp_path / "out") if name != ".vidproc"] == []
    assert list((tmp_path / "out").rglob("segment-00000*")) == [] or part == "assembly"


@pytest.mark.parametrize("lie", ["sha256", "pictures", "number"])
async def test_a_segment_that_is_not_what_its_record_says_is_never_published(
    tmp_path: Path, lie: str
) -> None:
    task = a_file(tmp_path, parts={"segment-00000": {"lie": lie}})
    async with consumer_bench(tmp_path) as bench:
        parts = await shared_out(bench, task)
        final = await bench.final(segment_task(task, parts, 0))
        assert code_of(final) is ErrorCode.VERIFICATION_FAILED
        assert list(folder_of(task).path.glob("segment-0*")) == []


# ---------------------------------------------------------------- parts that are gone


async def test_without_the_plan_of_the_task_the_analysis_has_to_begin_again(tmp_path: Path) -> None:
    task = a_file(tmp_path)
    async with consumer_bench(tmp_path) as bench:
        parts = await shared_out(bench, task)
        wrong_plan = parts.model_copy(update={"plan_sha256": "0" * 64})
        spans = parts.spans[:1] + tuple(span.model_copy(update={"count": 7}) for span in parts.spans[1:])
        wrong_span = parts.model_copy(update={"spans": spans})
        for wrong in (
            segment_task(task, wrong_plan, 0),
            segment_task(task, wrong_span, 1),
            assembly_task(task, wrong_plan),
            assembly_task(task, parts),
        ):
            assert code_of(await bench.final(wrong)) is ErrorCode.PARTS_MISSING
        folder_of(task).remove()
        for gone in (segment_task(task, parts, 0, attempt=2), assembly_task(task, parts, attempt=2)):
            assert code_of(await bench.final(gone)) is ErrorCode.PARTS_MISSING
        assert bench.consumer.state is WorkerState.IDLE


async def test_what_is_missing_is_told_before_anything_is_joined(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    task = a_file(tmp_path, parts={"assembly": {"marker": str(marker)}})
    async with consumer_bench(tmp_path) as bench:
        parts = await shared_out(bench, task)
        segments = await all_segments(bench, task, parts)
        path_from_uri(segments[1].video_uri).write_bytes(b"damaged")
        final = await bench.final(assembly_task(task, parts))
        assert code_of(final) is ErrorCode.PARTS_MISSING
        assert final.error is not None
        assert final.error.detail == "segment-00001"
        assert not marker.exists()
        again = await bench.final(segment_task(task, parts, 1, attempt=2))
        assert isinstance(again.result, SegmentResult)
        assert not again.result.was_found_finished
        assert (await bench.final(assembly_task(task, parts, attempt=2))).status is Status.COMPLETED


@pytest.mark.expects_errors
async def test_a_job_whose_parts_were_taken_away_does_not_speak_against_the_worker(tmp_path: Path) -> None:
    marker, gate = tmp_path / "marker", tmp_path / "gate"
    orders = {"marker": str(marker), "gate": str(gate)}
    task = a_file(tmp_path, parts={"segment-00000": orders})
    async with consumer_bench(tmp_path) as bench:
        parts = await shared_out(bench, task)
        running = asyncio.create_task(bench.final(segment_task(task, parts, 0)))
        await until(marker.exists)
        folder_of(task).remove()
        gate.touch()
        assert code_of(await running) is ErrorCode.PARTS_MISSING


async def test_an_assembly_that_comes_second_tells_the_first_ones_result(tmp_path: Path) -> None:
    marker, gate = tmp_path / "marker", tmp_path / "gate"
    orders = {"marker": str(marker), "gate": str(gate)}
    task = a_file(tmp_path, parts={"assembly": orders})
    async with consumer_bench(tmp_path / "a") as first, consumer_bench(tmp_path / "b") as second:
        parts = await shared_out(first, task)
        await all_segments(first, task, parts)
        both = [asyncio.create_task(bench.final(assembly_task(task, parts))) for bench in (first, second)]
        await until(lambda: marker.exists() and len(marker.read_text().splitlines()) == 2)
        gate.touch()
        results = [final.result for final in await asyncio.gather(*both)]
    enhanced = [result for result in results if isinstance(result, EnhancementResult)]
    assert sorted(result.was_found_finished for result in enhanced) == [False, True]
    assert names_in(tmp_path / "out") == ["clip.mp4", "clip.poster.jpg", "clip.report.json"]


async def test_two_workers_making_the_same_segment_leave_one(tmp_path: Path) -> None:
    marker, gate = tmp_path / "marker", tmp_path / "gate"
    orders = {"marker": str(marker), "gate": str(gate)}
    task = a_file(tmp_path, parts={"segment-00000": orders})
    async with consumer_bench(tmp_path / "a") as first, consumer_bench(tmp_path / "b") as second:
        parts = await shared_out(first, task)
        both = [asyncio.create_task(bench.final(segment_task(task, parts, 0))) for bench in (first, second)]
        await until(lambda: marker.exists() and len(marker.read_text().splitlines()) == 2)
        gate.touch()
        results = [final.result for final in await asyncio.gather(*both)]
    made = [result for result in results if isinstance(result, SegmentResult)]
    assert sorted(result.was_found_finished for result in made) == [False, True]
    assert len({result.video_uri for result in made}) == 1
    found = folder_of(task).find_segment(parts.plan_sha256 or "", 0)
    assert found is not None
    assert [path.name for path in folder_of(task).path.glob("*.mp4")] == [found.video.name]


# ---------------------------------------------------------------- room, standing, whose work it is


async def test_a_part_needs_room_for_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs: list[int] = []
    monkeypatch.setattr(attempts, "check_room", lambda folder, needed: needs.append(needed))
    task = a_file(tmp_path, segments=4, padding="x" * 4000)
    async with consumer_bench(tmp_path, min_free_disk_bytes=1000) as bench:
        parts = await shared_out(bench, task)
        await all_segments(bench, task, parts)
        await bench.final(assembly_task(task, parts))
    size = task.source.size_bytes
    assert needs == [part_work.ANALYSIS_NEED_BYTES + 1000, *[size // 4 + 1000] * 4, size + 1000]


async def test_a_full_disk_is_told_for_a_part_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path, needed: int) -> None:
        raise DiskFullError("Not enough room.", folder)

    monkeypatch.setattr(attempts, "check_room", refuse)
    async with consumer_bench(tmp_path) as bench:
        final = await bench.final(analysis_task(a_file(tmp_path)))
    assert code_of(final) is ErrorCode.DISK_FULL


async def test_parts_of_one_file_count_as_one_file_against_the_worker(tmp_path: Path) -> None:
    def broken(number: int) -> FileTask:
        bad = {f"segment-0000{n}": {"raise": "encoder_failed"} for n in range(4)}
        source = make_source(tmp_path, f"{number}.mov", segments=4, parts=bad)
        return make_task(source, tmp_path / "out", file_id=f"bad-{number}")

    async with consumer_bench(tmp_path) as bench:
        files = [broken(number) for number in range(3)]
        shared = [(file, await shared_out(bench, file)) for file in files]
        task, parts = shared[0]
        for number in range(4):
            await bench.final(segment_task(task, parts, number))
        assert bench.consumer.state is WorkerState.IDLE
        for task, parts in shared[1:]:
            await bench.final(segment_task(task, parts, 0))
        await bench.wait_state(WorkerState.SET_ASIDE)


async def test_a_worker_without_the_shared_folder_does_not_send_everybody_back_to_the_analysis(
    tmp_path: Path,
) -> None:
    async with consumer_bench(tmp_path) as bench:
        for number in range(3):
            source = make_source(tmp_path, f"{number}.mov")
            task = make_task(source, tmp_path / "no such share", file_id=f"file-{number}")
            parts = AnalysisResult(plan_sha256="0" * 64, spans=())
            final = await bench.final(assembly_task(task, parts))
            assert code_of(final) is ErrorCode.PARTS_MISSING
        await bench.wait_state(WorkerState.SET_ASIDE)
    assert not (tmp_path / "no such share").exists()


async def test_metadata_is_never_extracted_in_parts(tmp_path: Path) -> None:
    task = a_file(tmp_path)
    parts = AnalysisResult(plan_sha256="0" * 64)
    wrong: list[AnyWorkTask] = [analysis_task(task), assembly_task(task, parts)]
    async with consumer_bench(tmp_path, ProcessType.METADATA_EXTRACTION) as bench:
        for message in wrong:
            delivery = TestDelivery(message, bench.sink)
            await bench.consumer.process_message(delivery)
            assert delivery.endings == ["reject False"]
        assert (await bench.run(task)).endings == ["ack"]  # the other process's: passed over
    assert bench.sink.finals == []


async def test_a_links_name_is_the_same_for_every_worker(tmp_path: Path) -> None:
    """With roots a link is resolved, without them it is not; the parts lie in the same folder all the same."""
    task = a_file(tmp_path)
    link = tmp_path / "link.mov"
    link.symlink_to(tmp_path / "clip.mov")
    linked = make_task(link, tmp_path / "out")
    config = make_config(tmp_path, roots=(tmp_path,))
    folders = [
        part_work.parts_folder(linked, attempts.locate(linked, roots), settings_key(linked)).path
        for roots in ((), config.roots)
    ]
    assert folders[0] == folders[1]
    assert folders[0] != folder_of(task).path


async def test_an_unknown_place_is_refused_before_anything_is_looked_at(tmp_path: Path) -> None:
    task = a_file(tmp_path)
    with pytest.raises(TaskFailedError) as failure:
        attempts.locate(analysis_task(task), (tmp_path / "elsewhere",))
    assert failure.value.code is ErrorCode.PATH_NOT_ALLOWED
