"""What people and disks hand to the program: every bad file gets a sentence, and the good ones beside it get done."""

import hashlib
import json
import os
import shutil
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import pytest

from tests.e2e.command_line import SMALL, Ended, running, sample, vidproc

pytestmark = pytest.mark.e2e

_Y4M: Final = b"YUV4MPEG2 W%d H%d F25:1 C420jpeg\n"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample(tmp_path_factory.mktemp("clip"), SMALL, "good.mp4")


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


def _arguments(folder: Path, *paths: Path | str) -> list[Path | str]:
    return ["enhance", *paths, "-o", folder / "out", "--data-dir", folder / "data", "--json"]


def _enhance(folder: Path, *paths: Path | str, settings: dict[str, str] | None = None) -> Ended:
    return vidproc(*_arguments(folder, *paths), cwd=None, **settings or {})


def _hashes(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _by_name(ended: Ended) -> dict[str, dict[str, Any]]:
    return {event["name"]: event for event in ended.of("finished")}


def _refusals(ended: Ended) -> dict[str, str]:
    return {Path(event["source"]).name: event["code"] for event in ended.of("refused")}


def _assert_clean(folder: Path) -> None:
    assert not list((folder / "out").rglob(".*")), "no leftovers"


def _audio_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000)
        for number in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48_000, number * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _absurd_sample_entry(data: bytes) -> bytes:
    """The same film, its sample entry claiming 65535 × 65535 pixels (ISO/IEC 14496-12, VisualSampleEntry)."""
    place = data.index(b"avc1", data.index(b"stsd"))
    return data[: place + 28] + struct.pack(">HH", 65535, 65535) + data[place + 32 :]


def test_what_is_no_video_is_refused_in_words_and_the_rest_is_done(
    clip: Path, inbox: Path, tmp_path: Path
) -> None:
    data = clip.read_bytes()
    contents: dict[str, tuple[bytes, str]] = {
        "empty.mp4": (b"", "file_empty"),
        "text.mp4": (b"this is a text\n" * 50, "not_a_video"),
        "cut in the index.mp4": (data[: len(data) // 100], "not_a_video"),
        "absurd size.y4m": (_Y4M % (100_000, 100_000) + b"FRAME\n" + bytes(1000), "not_a_video"),
        "no picture.y4m": (_Y4M % (160, 90), "no_frames"),
        "playlist.mp4": (b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/x.ts\n", "not_a_video"),
        "list.mp4": (f"ffconcat version 1.0\nfile {clip}\n".encode(), "not_a_video"),
        "control \x1b[31m\n.mp4": (b"text", "not_a_video"),
    }
    for name, (content, _) in contents.items():
        (inbox / name).write_bytes(content)
    _audio_only(inbox / "sound.mp4")
    (inbox / "claims.mp4").write_bytes(_absurd_sample_entry(data))
    shutil.copy(clip, inbox / "good.mp4")
    before = _hashes(inbox)
    ended = _enhance(tmp_path, *sorted(inbox.iterdir()))

    assert ended.code == 1
    wanted = {name: code for name, (_, code) in contents.items() if "control" not in name}
    found = _refusals(ended)
    assert found == wanted | {"sound.mp4": "no_video_stream", "control \ufffd[31m\ufffd.mp4": "not_a_video"}
    assert set(_by_name(ended)) == {"good.mp4", "claims.mp4"}
    assert ended.events[-1]["done"] == 2
    assert "\x1b" not in ended.err
    assert "Traceback" not in ended.err
    for event in ended.of("refused"):
        assert event["reason"].endswith(".")
    assert _hashes(inbox) == before
    _assert_clean(tmp_path)


def test_what_is_no_plain_file_is_refused_without_being_opened(
    clip: Path, inbox: Path, tmp_path: Path
) -> None:
    os.mkfifo(inbox / "fifo.mp4")
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind(os.path.relpath(inbox / "socket.mp4"))  # such addresses hold 107 bytes
    (inbox / "loop.mp4").symlink_to("pool.mp4")
    (inbox / "pool.mp4").symlink_to("loop.mp4")
    (inbox / "broken.mp4").symlink_to("nowhere")
    (inbox / "device.mp4").symlink_to("/dev/zero")
    (inbox / "folder.mp4").mkdir()
    (inbox / "link.mp4").symlink_to(clip)
    ended = _enhance(tmp_path, *sorted(inbox.iterdir()), "gone.mp4", clip)

    assert _refusals(ended) == {
        "fifo.mp4": "not_a_video",
        "socket.mp4": "not_a_video",
        "device.mp4": "not_a_video",
        "loop.mp4": "file_unreadable",
        "pool.mp4": "file_unreadable",
        "broken.mp4": "file_missing",
        "gone.mp4": "file_missing",
    }
    assert list(_by_name(ended)) == ["good.mp4"], "the link and its target are one file"
    assert ended.code == 1
    assert ended.events[-1]["done"] == 1


def test_truncated_films_give_what_they_hold_and_their_report_says_so(
    clip: Path, inbox: Path, tmp_path: Path
) -> None:
    data = clip.read_bytes()
    for percent in (10, 30, 60, 85):
        (inbox / f"{percent}.mp4").write_bytes(data[: len(data) * percent // 100])
    ended = _enhance(tmp_path, inbox)

    assert ended.code == 0, ended.err
    for one in ended.of("finished"):
        assert any("pictures" in warning for warning in one["warnings"]), one["warnings"]
    frames = []
    for percent in (10, 30, 60, 85):
        report = json.loads((tmp_path / "out" / f"{percent}.report.json").read_text())
        assert {"source_truncated"} <= {note["code"] for note in report["notes"]}
        assert all(check["passed"] for check in report["checks"])
        with av.open(str(tmp_path / "out" / f"{percent}.mp4")) as result:
            frames.append(sum(1 for _ in result.decode(video=0)))
        assert frames[-1] == report["frames_out"]
    assert frames == sorted(frames)
    assert 0 < frames[0] < frames[-1] < 25
    _assert_clean(tmp_path)


def test_every_name_is_a_name(clip: Path, inbox: Path, tmp_path: Path) -> None:
    names = [
        b"-dash.mp4", b"with space.mp4", b"quo'te\".mp4", b"new\nline.mp4", b"a" * 251 + b".mp4", b"bad\xff.mp4",
        "🎬 שלום.mp4".encode(), "evil\u202egpj.mp4".encode(), b"CON.mp4", b"%s.mp4", b"noext",
    ]  # fmt: skip
    for name in names:
        os.link(clip, os.fsencode(inbox) + b"/" + name)
    # The same stem again, from another folder, with another suffix and in another case.
    (inbox / "other").mkdir()
    for twin in ("with space.mp4", "WITH SPACE.mov"):
        os.link(clip, inbox / "other" / twin)
    ended = _enhance(tmp_path, inbox)

    assert ended.code == 0, ended.err
    assert ended.events[-1]["done"] == len(names) + 2
    results = [name.name for name in (tmp_path / "out").glob("*.mp4")]
    assert len({name.casefold() for name in results}) == len(names) + 2
    assert not any(ord(letter) < 32 or letter == "\u202e" for name in results for letter in name)
    for path in (tmp_path / "out").glob("*.report.json"):
        report = json.loads(path.read_text())
        result = path.parent / report["output_name"]
        assert hashlib.sha256(result.read_bytes()).hexdigest() == report["output_sha256"]
    assert len(set(_hashes(inbox).values())) == 1
    _assert_clean(tmp_path)


def test_a_source_in_the_output_folder_stays_and_results_are_not_enhanced_again(
    clip: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    source = Path(shutil.copy(clip, out / "good.mp4"))
    assert _enhance(tmp_path, source).code == 0
    ended = _enhance(tmp_path, out)
    assert [event["name"] for event in ended.of("added")] == ["good.mp4"]
    assert source.read_bytes() == clip.read_bytes()
    assert sorted(path.name for path in out.glob("*.mp4")) == ["good (2).mp4", "good (3).mp4", "good.mp4"]


def test_an_empty_path_is_wrong_usage_and_not_the_current_folder(clip: Path, tmp_path: Path) -> None:
    ended = vidproc("enhance", "", "-o", tmp_path / "out", "--data-dir", tmp_path / "data", cwd=clip.parent)
    assert ended.code == 2
    assert "an empty path was given" in ended.err
    assert not (tmp_path / "out").exists()


def _grow(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"more")


@pytest.mark.parametrize(
    "change, code",
    [
        pytest.param(_grow, "file_changed", id="grows"),
        pytest.param(Path.unlink, "file_missing", id="vanishes"),
        pytest.param(lambda path: path.write_bytes(b""), "file_empty", id="is emptied"),
    ],
)
def test_a_file_that_changes_after_it_was_added_fails_alone(
    clip: Path, inbox: Path, tmp_path: Path, change: Callable[[Path], None], code: str
) -> None:
    first, second = (Path(shutil.copy(clip, inbox / name)) for name in ("1 first.mp4", "2 second.mp4"))
    with running(*_arguments(tmp_path, first, second)) as command:
        command.until_line(lambda line: '"added"' in line and second.name in line)
        change(second)
        ended = command.end()
    found = _by_name(ended)
    assert found[first.name]["tasks"]["video_enhancement"]["status"] == "completed"
    error = found[second.name]["tasks"]["video_enhancement"]["error"]
    assert error["code"] == code
    assert error["message"].startswith("“2 second.mp4” ")
    assert ended.code == 1
    assert [path.name for path in (tmp_path / "out").glob("*.mp4")] == ["1 first.mp4"]
    _assert_clean(tmp_path)


def test_limits_are_told_in_words(clip: Path, inbox: Path, tmp_path: Path) -> None:
    big = inbox / "big.mp4"
    big.write_bytes(clip.read_bytes() + bytes(1 << 20))
    ended = _enhance(tmp_path, big, settings={"MAX_FILE_SIZE_MB": "1"})
    assert ended.code == 1
    assert "the limit is 1 MB" in ended.err
    ended = _enhance(tmp_path, clip, settings={"PROCESSING_TIMEOUT": "0.01", "MAX_PROCESSING_ATTEMPTS": "2"})
    assert ended.code == 1
    task = _by_name(ended)["good.mp4"]["tasks"]["video_enhancement"]
    assert (task["error"]["code"], task["attempts"]) == ("timeout", 2)
    assert not list((tmp_path / "out").glob("*.mp4"))
    _assert_clean(tmp_path)
