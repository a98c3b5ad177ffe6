"""Every file of the shared media through `vidproc enhance` in local mode, compared exactly with the table."""

import csv
from pathlib import Path

import pytest

from tests.integration.expectations import Expectation, load
from tests.integration.media_run import LIMIT_S, MediaRun, run_media

pytestmark = pytest.mark.timeout(LIMIT_S)
TABLE = load()


@pytest.fixture(scope="module")
def media_run(shared_media: Path, tmp_path_factory: pytest.TempPathFactory) -> MediaRun:
    return run_media(shared_media, list(TABLE), tmp_path_factory.mktemp("local"))


def test_the_table_knows_every_file_and_no_other(shared_media: Path) -> None:
    with (shared_media / "CATALOGUE.tsv").open(encoding="utf-8") as stream:
        files = {row["file"] for row in csv.DictReader(stream, delimiter="\t")}
    assert set(TABLE) == files


def test_every_file_comes_to_one_end(media_run: MediaRun) -> None:
    media_run.check_whole(TABLE)


@pytest.mark.parametrize("expected", TABLE.values(), ids=TABLE.keys())
def test_a_file_becomes_what_the_table_says(expected: Expectation, media_run: MediaRun) -> None:
    media_run.check(expected)
