"""METADATA_DIR and THUMBNAILS_DIR on the command line: where documents and pictures lie, and what the program says."""

import json
from pathlib import Path

import pytest

from tests.e2e.command_line import SMALL, sample, vidproc

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample(tmp_path_factory.mktemp("clip"), SMALL, "clip.mp4")


def folders(root: Path) -> dict[str, str]:
    return {name: str(root / name.lower()) for name in ("PROCESSED_DIR", "METADATA_DIR", "THUMBNAILS_DIR")}


def names(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir()) if Path(folder).exists() else []


def test_each_kind_of_result_lies_in_its_folder(clip: Path, tmp_path: Path) -> None:
    places = folders(tmp_path)
    arguments: list[str | Path] = ["--data-dir", tmp_path / "data", "--speed", "ultrafast", "--json"]
    ended = vidproc("enhance", clip, *arguments, cwd=tmp_path, **places)
    assert ended.code == 0, ended.err
    assert names(places["PROCESSED_DIR"]) == ["clip.mp4"]
    assert names(places["METADATA_DIR"]) == ["clip.metadata.json", "clip.report.json"]
    assert names(places["THUMBNAILS_DIR"]) == ["clip.contact.jpg", "clip.poster.jpg", "clip.thumb.jpg"]
    (finished,) = ended.of("finished")
    for what, folder in {
        "output": "PROCESSED_DIR",
        "report": "METADATA_DIR",
        "metadata": "METADATA_DIR",
        "poster": "THUMBNAILS_DIR",
        "contact_sheet": "THUMBNAILS_DIR",
    }.items():
        assert Path(finished[what]).parent == Path(places[folder]), what
        assert Path(finished[what]).is_file(), what
    document = json.loads(Path(finished["metadata"]).read_text(encoding="utf-8"))
    assert document["contact_sheet"]["file_name"] == Path(finished["contact_sheet"]).name


def test_a_folder_named_on_the_command_line_wins(clip: Path, tmp_path: Path) -> None:
    places, output = folders(tmp_path), tmp_path / "out"
    ended = vidproc("metadata", clip, "-o", output, "--data-dir", tmp_path / "data", cwd=tmp_path, **places)
    assert ended.code == 0, ended.err
    assert names(str(output)) == ["clip.contact.jpg", "clip.metadata.json", "clip.thumb.jpg"]
    assert [names(folder) for folder in places.values()] == [[], [], []]


def test_metadata_without_a_folder_is_printed_and_leaves_nothing_behind(clip: Path, tmp_path: Path) -> None:
    places = folders(tmp_path)
    ended = vidproc("metadata", clip, "--data-dir", tmp_path / "data", cwd=tmp_path, **places)
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["file_name"] == "clip.mp4"
    assert [names(folder) for folder in places.values()] == [[], [], []]
