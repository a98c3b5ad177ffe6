"""Checks that are asked for by name: what is installed, and whether a file is a video that can be worked on."""

import shutil
from pathlib import Path

from workers.errors import TaskFailedError


def check_ffprobe_availability() -> bool:
    """Whether an `ffprobe` is on the PATH. Nothing here needs one: probing uses the libav inside PyAV."""
    return shutil.which("ffprobe") is not None


def validate_video_file(file_path: str | Path) -> tuple[bool, str | None]:
    """Whether the file is a video that can be worked on, and if not, why, in a sentence for a person."""
    from workers.media.probe import probe  # late: a worker's own process stays free of the media libraries

    try:
        probe(Path(file_path))
    except TaskFailedError as refusal:
        return False, refusal.message
    return True, None
