"""The folder in which the parts of one enhancement meet: the segment plan, its side files, the finished segments.

`<output folder>/.vidproc/parts-<content key>/` is the same for every worker that shares the output folder, and another
one for other settings, another source or another version of the program. Everything appears in it by an atomic rename
from a workspace on the same disk, and what vouches for a file comes after it: the plan after its side files, a
segment's record after its video. Publications exclude each other by a lock on the folder, held for a moment only; so a
part that is made twice is found, and the second one discarded. Blocking file I/O: belongs on a thread.
"""

import contextlib
import errno
import hashlib
import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from workers.errors import TaskFailedError
from workers.protocol.segments import SegmentPlan, SegmentRecord, segment_part
from workers.protocol.states import ErrorCode
from workers.runtime import files, names
from workers.runtime.leftovers import PARTS_PREFIX, remove_folder
from workers.runtime.locks import LOCK_FILE_NAME, HeldLock, lock_folder
from workers.runtime.part_documents import (
    StoredPlan,
    StoredSegment,
    has_side_files,
    plan_bytes,
    read_plan,
    read_record,
    read_segment,
    side_files_bytes,
)
from workers.runtime.sources import os_error_text
from workers.runtime.workspace import HIDDEN_FOLDER

_MAX_TRIES: Final = 20
_MAX_NAMED: Final = 100
_SEGMENT_FILE: Final = re.compile(r"segment-[0-9]{5}[.-].*")
_log = logging.getLogger(__name__)


def parts_path(videos: Path, settings_key: str, source_name: bytes) -> Path:
    """Where the parts of an enhancement into the folder `videos` lie, whoever asks for it.

    The settings key holds the size and the time of the source, so its name is enough to tell it from others.
    """
    key = hashlib.sha256(settings_key.encode() + b"\n" + source_name).hexdigest()[:32]
    return videos / HIDDEN_FOLDER / (PARTS_PREFIX + key)


class PartsFolder:
    """The parts' folder of one enhancement; it need not be there yet. `settings_key` is the task's."""

    def __init__(self, path: Path, settings_key: str) -> None:
        self.path = path
        self._settings_key = settings_key

    # ------------------------------------------------------------ finding

    def find_analysis(self) -> StoredPlan | None:
        """The plan of a finished analysis with all its side files; noted as being worked with.

        Raises:
            TaskFailedError: FILE_UNREADABLE.
        """
        with _readable(self.path):
            stored = self._plan()
            if stored is None or not has_side_files(self.path):
                return None
            with contextlib.suppress(FileNotFoundError):  # removed just now; the segments will say so
                os.utime(self.path)
            return stored

    def open(self, plan_sha256: str) -> StoredPlan:
        """The plan that a part goes by; noted as being worked with.

        Raises:
            TaskFailedError: PARTS_MISSING when it is gone or another one, FILE_UNREADABLE.
        """
        with _readable(self.path), self._locked():
            stored = self._plan()
            if stored is None:
                raise self._missing("is not there any more")
            if stored.sha256 != plan_sha256:
                raise self._missing("has been replaced", f"by the segment plan {stored.sha256}")
            os.utime(self.path)
            return stored

    def later_round(self, plan_sha256: str) -> StoredPlan | None:
        """The plan of another round that has taken the place of this one; None without one.

        Raises:
            TaskFailedError: FILE_UNREADABLE.
        """
        with _readable(self.path):
            stored = self._plan()
        is_later = stored is not None and stored.sha256 != plan_sha256 and stored.plan.round > 0
        return stored if is_later else None

    def is_gone(self, plan_sha256: str) -> bool:
        """True when this plan surely lies here no more: whoever worked by it could not but fail."""
        try:
            stored = self._plan()
        except OSError:
            return False
        return stored is None or stored.sha256 != plan_sha256

    def find_segment(self, plan_sha256: str, number: int) -> StoredSegment | None:
        """A finished segment of this plan, size and SHA-256 of its video checked; None when there is none.

        Raises:
            TaskFailedError: FILE_UNREADABLE.
        """
        with _readable(self.path):
            return read_segment(self.path, plan_sha256, number)

    def records(self, stored: StoredPlan, *, check_videos: bool) -> tuple[SegmentRecord, ...]:
        """The records of all segments, in order; each with its whole video, when that is to be checked.

        Raises:
            TaskFailedError: PARTS_MISSING, with which ones; FILE_UNREADABLE.
        """
        records: list[SegmentRecord] = []
        missing: list[str] = []
        with _readable(self.path):
            for span in stored.plan.spans:
                if check_videos:
                    found = read_segment(self.path, stored.sha256, span.number)
                    record = None if found is None else found.record
                else:
                    record = read_record(self.path, stored.sha256, span.number)
                if record is None:
                    missing.append(segment_part(span.number))
                else:
                    records.append(record)
        if missing:
            named = ", ".join(missing[:_MAX_NAMED]) + (" …" if len(missing) > _MAX_NAMED else "")
            raise TaskFailedError(
                ErrorCode.PARTS_MISSING,
                f"{len(missing)} of the {len(stored.plan.spans)} segments of this file are missing or damaged.",
                named,
            )
        return tuple(records)

    # ------------------------------------------------------------ publishing

    def publish_analysis(self, plan: SegmentPlan, side_files: Sequence[Path], workspace: Path) -> StoredPlan:
        """Place the side files, then the plan. One that is there already, of this round or a later one, wins.

        Raises:
            OSError: the disk refused.
        """
        for side_file in side_files:
            files.sync_file(side_file)
        checksums = {side_file.name: files.sha256_of(side_file) for side_file in side_files}
        with self._make_locked():
            there = self._plan()
            if there is not None and there.plan.round >= plan.round and has_side_files(self.path):
                return there
            for side_file in side_files:
                side_file.replace(self.path / side_file.name)
            self._place(names.SIDE_FILES_NAME, side_files_bytes(checksums), workspace)
            return self._place_plan(plan, workspace)

    def publish_round(self, plan: SegmentPlan, workspace: Path) -> StoredPlan:
        """Replace the plan by that of another round. One of this round or a later one that is there already wins.

        Raises:
            TaskFailedError: PARTS_MISSING.
            OSError: the disk refused.
        """
        with self._locked():
            there = self._plan()
            if there is None:
                raise self._missing("is not there any more")
            return there if there.plan.round >= plan.round else self._place_plan(plan, workspace)

    def publish_segment(self, record: SegmentRecord, video: Path, workspace: Path) -> StoredSegment:
        """Place the video, then its record. A finished one that is there already wins.

        Raises:
            TaskFailedError: PARTS_MISSING when the plan is gone or another one.
            OSError: the disk refused.
        """
        files.sync_file(video)
        with self._locked():
            if self.is_gone(record.plan_sha256):
                raise self._missing("has been replaced")
            there = read_segment(self.path, record.plan_sha256, record.number)
            if there is not None:
                _log.info("another one finished %s first: this one is discarded", segment_part(record.number))
                return there
            placed = self.path / names.segment_video_name(record.number, record.sha256, video.suffix)
            video.replace(placed)
            files.sync_folder(self.path)
            record = record.model_copy(update={"file_name": placed.name})
            name = names.segment_record_name(record.number)
            self._place(name, record.model_dump_json().encode(), workspace)
            return StoredSegment(placed, record, was_found=False)

    def remove(self) -> None:
        """Remove the folder, if it is there: nobody needs the parts any more. Raises nothing: it could wait."""
        try:
            with lock_folder(self.path):
                remove_folder(self.path)
            (self.path / LOCK_FILE_NAME).unlink()  # Windows keeps a locked file until it is released
            self.path.rmdir()
        except FileNotFoundError:
            _log.debug("no parts' folder is left")
        except OSError as error:
            _log.warning("the parts' folder stays until it is old: %s", os_error_text(error))
        with contextlib.suppress(OSError):  # somebody works there
            self.path.parent.rmdir()

    # ------------------------------------------------------------ details

    def _plan(self) -> StoredPlan | None:
        return read_plan(self.path, self._settings_key)

    def _place_plan(self, plan: SegmentPlan, workspace: Path) -> StoredPlan:
        data = plan_bytes(plan)
        self._place(names.SEGMENT_PLAN_NAME, data, workspace)
        for old in [entry for entry in self.path.iterdir() if _SEGMENT_FILE.fullmatch(entry.name)]:
            with contextlib.suppress(
                OSError
            ):  # still open somewhere; it counts no more, and goes with the folder
                old.unlink()
        return StoredPlan(plan, hashlib.sha256(data).hexdigest(), was_found=False)

    def _place(self, name: str, data: bytes, workspace: Path) -> None:
        """Write beside, sync, rename: the name holds the old bytes or the new ones, whatever happens."""
        temporary = workspace / "document.json"
        files.write_durably(temporary, data)
        temporary.replace(self.path / name)
        files.sync_folder(self.path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            lock = lock_folder(self.path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self._missing("is not there any more") from error
        with lock:
            if not lock.holds(self.path):
                raise self._missing("is not there any more")
            yield

    def _make_locked(self) -> HeldLock:
        """The locked folder, made when absent. Retries when somebody removes it at the same moment."""
        for _ in range(_MAX_TRIES):
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                lock = lock_folder(self.path)
            except FileNotFoundError:
                continue
            if lock.holds(self.path):
                return lock
            lock.release()
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), str(self.path))

    def _missing(self, how: str, more: str = "") -> TaskFailedError:
        where = os.fsencode(self.path).decode("utf-8", "replace")
        return TaskFailedError(
            ErrorCode.PARTS_MISSING, f"What was prepared for this file {how}.", f"{where} {more}".rstrip()
        )


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """What cannot be read now may be readable at the next attempt: it is not taken for missing."""
    try:
        yield
    except OSError as error:
        where = os.fsencode(folder).decode("utf-8", "replace")
        raise TaskFailedError(
            ErrorCode.FILE_UNREADABLE,
            "What was prepared for this file cannot be read.",
            f"{where}: {os_error_text(error)}",
        ) from error
