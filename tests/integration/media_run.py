"""The shared media through the real command line, once for many tests, and each file compared with the table."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.e2e.command_line import Ended, running
from tests.integration.expectations import Expectation, differences

LIMIT_S: Final = 480.0


@dataclass(frozen=True, slots=True)
class MediaRun:
    """A run over many files that has ended."""

    ended: Ended
    media: Path
    output: Path
    refused: dict[str, str]
    """File to code."""
    finished: dict[str, dict[str, Any]]
    """File to its `finished` event."""

    def check(self, expected: Expectation) -> None:
        """One file became exactly what the table says."""
        name = expected.file
        if expected.code is not None:
            assert self._refusal(name) == expected.code
            return
        assert name not in self.refused, self.refused[name]
        event = self.finished[name]
        states = {process: task["status"] for process, task in event["tasks"].items()}
        assert states == {"video_enhancement": "completed", "metadata_extraction": "completed"}, event[
            "tasks"
        ]
        output = Path(event["output"])
        assert differences(expected, Path(event["report"]).read_text(encoding="utf-8"), output) == []
        document = json.loads(Path(event["metadata"]).read_text(encoding="utf-8"))
        assert document["file_name"] == Path(name).name
        for what in ("poster", "contact_sheet"):
            assert Path(event[what]).stat().st_size > 0
        assert {Path(event[what]).parent for what in ("output", "report", "metadata", "poster")} == {
            self.output
        }

    def check_whole(self, table: dict[str, Expectation]) -> None:
        """Every file came to one end, and nothing else lies there."""
        assert set(self.refused) | set(self.finished) == set(table)
        assert not set(self.refused) & set(self.finished)
        done = sum(not expected.is_refused for expected in table.values())
        (summary,) = self.ended.of("summary")
        assert (summary["asked"], summary["done"]) == (len(table), done)
        assert summary["exit_code"] == self.ended.code == (0 if done == len(table) else 1)
        assert len(list(self.output.glob("*.mp4"))) == done
        assert not list(self.output.rglob("output.mp4")), "a workspace is left"
        assert "Traceback" not in self.ended.err

    def _refusal(self, name: str) -> str:
        if name in self.refused:
            return self.refused[name]
        error = self.finished[name]["tasks"]["video_enhancement"]["error"]
        assert not self.finished[name].get("output")
        return str(error["code"])


def run_media(media: Path, files: list[str], folder: Path, *more: str) -> MediaRun:
    """All files in one run; the encoder is set to its fastest, which changes no count and no timestamp."""
    output = folder / "out"
    paths = [media / name for name in files]
    places: list[str | Path] = ["-o", output, "--data-dir", folder / "data"]
    with running("enhance", *paths, *places, "--json", "--speed", "ultrafast", *more) as command:
        ended = command.end(LIMIT_S)
    return MediaRun(
        ended,
        media,
        output,
        {_name(media, event): event["code"] for event in ended.of("refused")},
        {_name(media, event): event for event in ended.of("finished")},
    )


def _name(media: Path, event: dict[str, Any]) -> str:
    return Path(event["source"]).relative_to(media.resolve()).as_posix()
