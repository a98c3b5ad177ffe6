from dataclasses import replace

import pytest

from tests.unit.desktop.values import ENHANCEMENT, METADATA, file_record, worker
from vidproc_desktop.domain.order import bundles, outbox_key, publish_limit
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
