import json
import subprocess
import sys
from pathlib import Path

import pytest

from vidproc_desktop.errors import UserErrorCode, UserFacingError
from vidproc_desktop.store.state import ProcessingState

PROCESSES, UPDATES = 8, 500
_WRITER = """
import sys
from vidproc_desktop.store.state import ProcessingState
path, number, updates = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
state = ProcessingState(path)
sys.stdin.readline()
for step in range(updates):
    # The shared row is updated by everybody; each process has a row of its own beside it.
    state.update_state("shared", "processing", step * 100 // updates, process_type="video_enhancement")
    state.update_state(f"own-{number}", "processing", step * 100 // updates)
state.close()
"""
_READER = """
import json, sys
from vidproc_desktop.store.state import ProcessingState
state = ProcessingState(sys.argv[1])
print("ready", flush=True)
seen = []
while True:
    now = state.get_state("shared", "video_enhancement")
    seen.append(now.get("progress", 0))
    if now.get("updates") == int(sys.argv[2]):
        break
print(json.dumps(seen))
state.close()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "states.sqlite3"


def start(program: str, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        text=True,
    )


def test_eight_processes_lose_nothing_and_progress_never_falls(path: Path) -> None:
    writers = [start(_WRITER, path, number, UPDATES) for number in range(PROCESSES)]
    reader = start(_READER, path, PROCESSES * UPDATES)
    assert reader.stdout is not None
    assert reader.stdout.readline() == "ready\n"
    for writer in writers:
        writer.communicate("go\n", timeout=240)
        assert writer.returncode == 0
    seen = json.loads(reader.communicate(timeout=240)[0])
    assert seen == sorted(seen)
    with_everything = ProcessingState(path)
    assert with_everything.get_state("shared", "video_enhancement")["updates"] == PROCESSES * UPDATES
    for number in range(PROCESSES):
        assert with_everything.get_state(f"own-{number}")["updates"] == UPDATES
    with_everything.close()


def test_the_documented_names_and_their_defaults(path: Path) -> None:
    state = ProcessingState(state_file_path=str(path))
    assert not path.exists()
    assert state.get_state("f") == {}
    state.update_state("f", "pending")
    state.update_state("f", "processing", progress=40, process_type="video_enhancement")
    state.update_state("f", "failed", error="It broke.", process_type="metadata_extraction")
    whole = state.get_state("f")
    assert (whole["status"], whole["progress"], whole["error"]) == ("pending", 0, None)
    assert whole["video_enhancement"]["progress"] == 40
    assert whole["metadata_extraction"]["error"] == "It broke."
    assert state.get_state("f", "video_enhancement")["status"] == "processing"
    state.save_state()
    state.close()


def test_progress_never_falls_within_a_run_and_begins_anew_with_the_next(path: Path) -> None:
    state = ProcessingState(path)

    def progress() -> int:
        return state.get_state("f", "video_enhancement")["progress"]

    for percent in (10, 60, 30):
        state.update_state("f", "processing", percent, process_type="video_enhancement")
    assert progress() == 60
    state.update_state("f", "failed", 0, process_type="video_enhancement")
    assert progress() == 60
    state.update_state("f", "pending", 0, process_type="video_enhancement")
    assert progress() == 0
    state.close()


def test_what_others_wrote_is_read_again(path: Path) -> None:
    mine, theirs = ProcessingState(path), ProcessingState(path)
    theirs.update_state("f", "completed", 100)
    mine.load_state()
    assert mine.get_state("f")["status"] == "completed"
    again = ProcessingState(path)
    assert again.get_state("f")["progress"] == 100
    for state in (mine, theirs, again):
        state.close()


@pytest.mark.parametrize(
    "status, progress, process_type",
    [("done", 0, None), ("pending", 101, None), ("pending", -1, None), ("pending", 0, "subtitles")],
)
def test_what_does_not_exist_is_refused(
    path: Path, status: str, progress: int, process_type: str | None
) -> None:
    state = ProcessingState(path)
    with pytest.raises(ValueError):
        state.update_state("f", status, progress, process_type=process_type)
    assert not path.exists()


def test_a_damaged_file_is_named(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(UserFacingError) as caught:
        ProcessingState(path)
    assert caught.value.code is UserErrorCode.STATE_UNUSABLE
