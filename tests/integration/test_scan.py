"""What of a drop is looked at: folders to their last level, and nothing that is plainly no film."""

from pathlib import Path

from vidproc_desktop.services.scan import FoundFile, walk


def found(*paths: Path) -> list[str]:
    """Names of the files that are worth a probe, in their order."""
    return [entry.path.name for entry in walk(paths, 10**9) if isinstance(entry, FoundFile)]


def test_folders_are_opened_to_their_last_level_in_reading_order(tmp_path: Path) -> None:
    for name in (
        "clip 10.mp4",
        "clip 2.mp4",
        "b/deep/deeper/z.mkv",
        "a/x.mov",
        ".hidden/no.mp4",
        "a/notes.txt",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    assert found(tmp_path) == ["clip 2.mp4", "clip 10.mp4", "x.mov", "z.mkv"]


def test_a_file_dropped_by_itself_is_looked_at_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "film.txt").write_bytes(b"x")
    assert found(tmp_path / "film.txt") == ["film.txt"]


def test_a_link_that_leads_back_up_is_followed_once(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "a.mp4").write_bytes(b"x")
    (tmp_path / "inside" / "up").symlink_to(tmp_path)
    assert found(tmp_path) == ["a.mp4"]
