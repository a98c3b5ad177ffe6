"""Closed vocabularies of the wire: process types, statuses, stages and error codes."""

from enum import StrEnum


class ProcessType(StrEnum):
    """The two things that are done to every file."""

    VIDEO_ENHANCEMENT = "video_enhancement"
    METADATA_EXTRACTION = "metadata_extraction"


class Status(StrEnum):
    """State of one process of one file."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """True when a worker will send nothing more for this attempt."""
        return self in (Status.COMPLETED, Status.FAILED, Status.CANCELLED)


class Stage(StrEnum):
    """What a worker is doing to the file right now, in the order in which it happens."""

    WAITING = "waiting"
    FETCHING = "fetching"
    """Bytes come from another computer."""
    PROBING = "probing"
    ANALYSING = "analysing"
    ENHANCING = "enhancing"
    REMUXING = "remuxing"
    READING_PICTURES = "reading_pictures"
    VERIFYING = "verifying"
    ASSEMBLING = "assembling"
    PUBLISHING = "publishing"
    SENDING = "sending"
    """The result goes to another computer."""


class ErrorCode(StrEnum):
    """Why a process failed or a file was refused. `is_retryable` decides what the dispatcher does."""

    FILE_MISSING = "file_missing"
    FILE_UNREADABLE = "file_unreadable"
    FILE_EMPTY = "file_empty"
    FILE_CHANGED = "file_changed"
    FILE_TOO_LARGE = "file_too_large"
    NOT_A_VIDEO = "not_a_video"
    NO_VIDEO_STREAM = "no_video_stream"
    NO_FRAMES = "no_frames"
    DIMENSIONS_OUT_OF_RANGE = "dimensions_out_of_range"
    PATH_NOT_ALLOWED = "path_not_allowed"
    OUTPUT_NOT_WRITABLE = "output_not_writable"
    DISK_FULL = "disk_full"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    WORKER_CRASHED = "worker_crashed"
    VERIFICATION_FAILED = "verification_failed"
    ENCODER_FAILED = "encoder_failed"
    PARTS_MISSING = "parts_missing"
    """The folder of the parts, or something in it, is gone or of another program: the analysis has to begin again."""
    NOT_IN_PARTS = "not_in_parts"
    """This file turned out not to be one that can be enhanced in parts: it has to be done in one task."""
    TRANSFER_FAILED = "transfer_failed"
    """Bytes could not be fetched or handed over: the network, or whoever answers the addresses."""
    LINK_REFUSED = "link_refused"
    """An address was forged or has expired; another attempt gets fresh ones."""
    RESULT_REJECTED = "result_rejected"
    """What a worker handed over is not what it said."""
    INTERNAL = "internal"

    @property
    def is_retryable(self) -> bool:
        """False when another attempt on the same bytes and the same disk would end the same way."""
        return self not in _FINAL_CODES


_FINAL_CODES = frozenset(
    {
        ErrorCode.FILE_MISSING,
        ErrorCode.FILE_EMPTY,
        ErrorCode.FILE_CHANGED,
        ErrorCode.FILE_TOO_LARGE,
        ErrorCode.NOT_A_VIDEO,
        ErrorCode.NO_VIDEO_STREAM,
        ErrorCode.NO_FRAMES,
        ErrorCode.DIMENSIONS_OUT_OF_RANGE,
        ErrorCode.PATH_NOT_ALLOWED,
        ErrorCode.OUTPUT_NOT_WRITABLE,
        ErrorCode.DISK_FULL,
        ErrorCode.PARTS_MISSING,
        ErrorCode.NOT_IN_PARTS,
    }
)


class WorkerState(StrEnum):
    """What a worker says of itself in its heartbeat."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    PAUSED = "paused"
    DISK_FULL = "disk_full"
    SET_ASIDE = "set_aside"
    STOPPING = "stopping"


class ControlAction(StrEnum):
    """What the desktop may tell running workers."""

    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    DRAIN = "drain"
    RELEASE = "release"
    """Take back a worker that was set aside after three failures in a row."""
