from dataclasses import replace

import pytest

from tests.unit.desktop.values import ENHANCEMENT, METADATA, file_record, long_file, shares, worker
from vidproc_desktop.domain.aggregate import with_record
from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.domain.order import bundles, likely_next, outbox_key, publish_limit
from vidproc_desktop.domain.parts import after_end
from vidproc_desktop.domain.presets import PresetError, parse_preset
from workers.protocol.model import WorkerId
from workers.protocol.settings import EncoderSpeed
from workers.protocol.states import Status


def test_files_go_in_the_order_of_arrival_and_retries_before_them() -> None:
    first, second = file_record("a", position=1), file_record("b", position=2)
    again = replace(second, enhancement=replace(second.enhancement, attempt=2))
    assert sorted([second, first], key=outbox_key) == [first, second]
    assert sorted([first, again], key=outbox_key) == [again, first]


def test_twice_the_slots_of_whoever_works_may_be_published() -> None:
    workers = [
        worker("a", slots=2),
        worker("b"),
        worker("c", is_lost=True),
        worker("d", process_types=(METADATA,)),
    ]
    assert publish_limit(workers, ENHANCEMENT) == 6
    assert publish_limit([], ENHANCEMENT) == 2


def test_a_worker_is_likely_to_be_given_the_segment_as_many_places_on_as_there_are_slots() -> None:
    file = shared_out_file(30.0, 10.0, 30.0, 20.0, 30.0)  # published in the order 0, 2, 4, 3, 1
    assert likely(file, 0, slots=1) == 2
    assert likely(file, 0, slots=2) == 4
    assert likely(file, 2, slots=2) == 3
    assert likely(file, 4, slots=2) == 1
    assert likely(file, 3, slots=2) is None
    assert likely(file, 1, slots=1) is None
    assert likely(file, 0, slots=5) is None


def test_what_is_published_or_done_already_is_given_to_nobody_any_more() -> None:
    file = shared_out_file(30.0, 30.0, 30.0, 30.0)
    done = replace(file.parts[2], status=Status.COMPLETED)
    published = replace(file.parts[3], is_published=True)
    file = with_record(with_record(file, done), published)
    assert likely(file, 0, slots=1) == 3
    assert likely(file, 0, slots=2) is None
    assert likely_next(file, file.parts[0], 1) is None, "an analysis comes alone"
    assert likely_next(file, file.metadata, 1) is None


def shared_out_file(*durations_s: float) -> FileRecord:
    """A film of segments of these durations that wait."""
    file = long_file()
    record = replace(file.parts[0], status=Status.COMPLETED, result=shares(*durations_s))
    return after_end(with_record(file, record), record, 3).file


def likely(file: FileRecord, number: int, *, slots: int) -> int | None:
    span = likely_next(file, file.parts[1 + number], slots)
    return None if span is None else span.number


def test_both_processes_travel_in_one_message() -> None:
    file = file_record()
    assert bundles(file) == (file.tasks,)


def test_a_retry_travels_alone() -> None:
    file = file_record()
    again = replace(file.enhancement, attempt=2, target_worker_id=WorkerId("b"))
    assert bundles(file.with_task(again)) == ((again,), (file.metadata,))
    published = replace(file.enhancement, is_published=True)
    assert bundles(file.with_task(published)) == ((file.metadata,),)


def test_what_nobody_wants_is_neither_published_nor_waited_for() -> None:
    file = file_record()
    file = file.with_task(replace(file.enhancement, is_wanted=False))
    assert bundles(file) == ((file.metadata,),)
    assert file.with_task(replace(file.metadata, status=Status.COMPLETED)).is_finished


def test_a_preset_is_read_with_its_types() -> None:
    preset = parse_preset("strong", 'strength = 1.5\nencoder_speed = "slow"\ncrf = 17')
    assert preset.name == preset.settings.preset == "strong"
    assert preset.settings.encoder_speed is EncoderSpeed.SLOW
    assert preset.settings.crf == 17


@pytest.mark.parametrize("text", ["strength = ", "strength = 9", 'sharpness = "x"'])
def test_a_damaged_preset_is_named(text: str) -> None:
    with pytest.raises(PresetError, match="preset mine"):
        parse_preset("mine", text)
