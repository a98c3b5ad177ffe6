"""`vidproc enhance` and `vidproc metadata` on files good and bad, in local mode."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.command_line import SMALL, environment, sample, vidproc

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample(tmp_path_factory.mktemp("clip"), SMALL, "clip.mp4")


def _fast(output: Path, data_dir: Path) -> list[str | Path]:
    return ["-o", output, "--data-dir", data_dir, "--speed", "ultrafast"]


def test_a_file_is_enhanced_and_everything_lies_beside_it(clip: Path, tmp_path: Path) -> None:
    before = (clip.read_bytes(), clip.stat().st_mtime_ns)
    output, data = tmp_path / "out", tmp_path / "data"
    ended = vidproc("enhance", clip, *_fast(output, data), "--json")
    assert ended.code == 0, ended.err
    (finished,) = ended.of("finished")
    assert Path(finished["output"]) == output / "clip.mp4"
    report = json.loads(Path(finished["report"]).read_text())
    assert report["frames_out"] == report["frames_in"] == 25
    metadata = json.loads(Path(finished["metadata"]).read_text())
    assert metadata["media"]["video"][0]["width_px"] == SMALL.width_px
    for what in ("output", "report", "metadata", "poster", "contact_sheet"):
        assert Path(finished[what]).parent == output
        assert Path(finished[what]).stat().st_size > 0
    assert ended.events[-1]["event"] == "summary"
    assert ended.events[-1]["exit_code"] == 0
    percents = [event["percent"] for event in ended.of("progress")]
    assert percents == sorted(percents)
    assert (clip.read_bytes(), clip.stat().st_mtime_ns) == before
    assert sorted(path.name for path in output.iterdir() if path.name.startswith(".")) == []
    assert list((data / "cli").iterdir()) == []


def test_plain_lines_say_where_everything_is(clip: Path, tmp_path: Path) -> None:
    ended = vidproc("enhance", clip, *_fast(tmp_path / "out", tmp_path / "data"))
    assert ended.code == 0, ended.err
    assert ended.err == ""
    for name in ("clip.mp4", "clip.report.json", "clip.metadata.json"):
        assert str(tmp_path / "out" / name) in ended.out
    assert ended.out.splitlines()[-1].startswith("1 of 1 done")


def test_folders_are_searched_names_never_collide_and_a_file_given_twice_is_done_once(
    clip: Path, tmp_path: Path
) -> None:
    videos = tmp_path / "videos"
    for place in ("a/same name.mp4", "b/same name.mp4", "b/deeper/ünïcode 🎬.mp4"):
        (videos / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, videos / place)
    (videos / "notes.txt").write_text("not a video")
    output = tmp_path / "out"
    twice = videos / "a" / "same name.mp4"
    ended = vidproc("enhance", videos, twice, twice, *_fast(output, tmp_path / "data"), "--json")
    assert ended.code == 0, ended.err
    assert ended.events[-1]["done"] == ended.events[-1]["asked"] == 3
    names = sorted(path.name for path in output.glob("*.mp4"))
    assert len(names) == 3
    assert names[-1] == "ünïcode 🎬.mp4"


def test_bad_files_get_a_sentence_and_the_rest_goes_on(clip: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "empty.mp4").touch()
    (bad / "text.mp4").write_text("this is no video\n" * 1000)
    whole = clip.read_bytes()
    (bad / "headless.mp4").write_bytes(whole[len(whole) // 2 :])
    (bad / "unreadable.mp4").write_bytes(whole)
    (bad / "unreadable.mp4").chmod(0)
    files = [bad / "empty.mp4", bad / "text.mp4", bad / "headless.mp4", bad / "gone.mp4", clip]
    if os.geteuid() != 0:  # root reads everything
        files.append(bad / "unreadable.mp4")
    output = tmp_path / "out"
    ended = vidproc("enhance", *files, *_fast(output, tmp_path / "data"), "--json")
    assert ended.code == 1
    refused = {Path(event["source"]).name: event["code"] for event in ended.of("refused")}
    assert set(refused) == {path.name for path in files} - {"clip.mp4"}
    assert refused["empty.mp4"] == "file_empty"
    assert refused["gone.mp4"] == "file_missing"
    assert len(ended.err.splitlines()) == len(refused), ended.err
    assert "Traceback" not in ended.err
    assert ended.events[-1]["done"] == 1
    assert [path.name for path in output.glob("*.mp4")] == ["clip.mp4"]


def test_a_folder_without_videos_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ended = vidproc("enhance", tmp_path / "empty", *_fast(tmp_path / "out", tmp_path / "data"))
    assert ended.code == 1
    assert "no video" in ended.err


def test_an_output_folder_that_cannot_be_written(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    ended = vidproc("enhance", clip, *_fast(tmp_path / "file" / "out", tmp_path / "data"))
    assert ended.code == 1
    assert "cannot be written" in ended.err
    assert "Traceback" not in ended.err


def test_a_data_folder_that_cannot_be_written(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    behind_a_file = vidproc("enhance", clip, *_fast(tmp_path / "out", tmp_path / "file"))
    in_the_kernel = vidproc("enhance", clip, *_fast(tmp_path / "out", Path("/proc/nowhere")))
    assert behind_a_file.code == 2
    assert in_the_kernel.code == 1
    assert "--data-dir" in in_the_kernel.err
    assert "Traceback" not in behind_a_file.err + in_the_kernel.err


def test_metadata_goes_to_standard_output_and_nothing_else_does(clip: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.mp4"
    shutil.copy(clip, other)
    ended = vidproc("metadata", clip, other, "--data-dir", tmp_path / "data", cwd=tmp_path)
    assert ended.code == 0, ended.err
    decoder, rest, names = json.JSONDecoder(), ended.out.strip(), []
    while rest:
        document, end = decoder.raw_decode(rest)
        names.append(document["file_name"])
        rest = rest[end:].strip()
    assert names == ["clip.mp4", "other.mp4"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "other.mp4"]
    assert list((tmp_path / "data" / "cli").iterdir()) == []


def test_metadata_beside_each_other_with_o(clip: Path, tmp_path: Path) -> None:
    ended = vidproc(
        "metadata", clip, "/nowhere/at all.mp4", "-o", tmp_path / "out", "--data-dir", tmp_path / "data"
    )
    assert ended.code == 1
    assert "/nowhere/at all.mp4" in ended.err
    assert json.loads((tmp_path / "out" / "clip.metadata.json").read_text())["file_name"] == "clip.mp4"
    assert not list((tmp_path / "out").glob("*.mp4"))


def test_whoever_reads_our_lines_may_leave(clip: Path, tmp_path: Path) -> None:
    command = f'"{sys.executable}" -m vidproc_desktop metadata "{clip}" --data-dir "{tmp_path}" | head -n 1'
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=environment(), timeout=100, check=False
    )
    assert done.stdout == "{\n"
    assert done.stderr == ""


def test_doctor_says_that_everything_needed_works(tmp_path: Path) -> None:
    ended = vidproc("doctor", "--json", "--data-dir", tmp_path)
    report = json.loads(ended.out)
    findings = {(one["topic"], one["name"]): one for one in report["findings"]}
    assert ended.code == 0, [one for one in report["findings"] if one["is_needed"] and not one["is_ok"]]
    assert findings["encoder", "libx264"]["detail"].startswith("8 frames")
    assert findings["filter", "mvu"]["is_ok"]
    assert findings["folder", "state"]["is_ok"]
    assert ("keyring", "password store") in findings
    table = vidproc("doctor", "--data-dir", tmp_path, "--broker", "amqp://guest:s3cret@127.0.0.1:1/")
    assert table.code == 1
    assert "Nothing listens on port 1" in table.out
    assert "s3cret" not in table.out + table.err
