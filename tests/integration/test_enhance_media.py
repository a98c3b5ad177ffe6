"""Every file of the shared media through the enhancement itself, compared with the table."""

import csv
from pathlib import Path

import pytest

from tests.integration.expectations import Expectation, differences, load
from workers.errors import TaskFailedError
from workers.media.enhance import enhance
from workers.media.jobs import EnhancementJob, Progress
from workers.protocol.settings import EncoderSpeed, EnhancementSettings

TABLE = load()


def test_the_table_knows_every_file_and_no_other(shared_media: Path) -> None:
    with (shared_media / "CATALOGUE.tsv").open(encoding="utf-8") as stream:
        files = {row["file"] for row in csv.DictReader(stream, delimiter="\t")}
    assert set(TABLE) == files


@pytest.mark.parametrize("expected", TABLE.values(), ids=TABLE.keys())
def test_every_file_becomes_what_the_table_says(
    expected: Expectation, shared_media: Path, tmp_path: Path
) -> None:
    job = EnhancementJob(
        file_id="file",
        attempt=1,
        worker_id="worker",
        source=shared_media / expected.file,
        workspace=tmp_path,
        output_name="result.mp4",
        settings=EnhancementSettings(encoder_speed=EncoderSpeed.ULTRAFAST),
        settings_key="key",
        threads=2,
    )
    seen: list[Progress] = []
    if expected.is_refused:
        with pytest.raises(TaskFailedError) as refusal:
            enhance(job, seen.append)
        assert refusal.value.code == expected.code
        return
    outcome = enhance(job, seen.append)
    assert differences(expected, outcome.report.model_dump_json(), outcome.output) == []
    assert outcome.poster is not None
    assert outcome.poster.stat().st_size > 0
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
