"""The one way in which a file of the user is opened.

It knows the file system and libav's open options, and nothing about what is in the file. Only plain files are
opened: no network, no playlist, no script that names other files, no device.
"""

import errno
import os
import stat
from pathlib import Path
from typing import Final

import av
import av.container

from workers.errors import TaskFailedError
from workers.exchange.stand_ins import STAND_INS, open_bytes
from workers.media.limits import MAX_PIXELS, OPEN_TIMEOUT_S, READ_TIMEOUT_S
from workers.protocol.states import ErrorCode

_VIDEO_FORMATS: Final = (
    "mov", "matroska", "webm", "avi", "flv", "live_flv", "asf", "mpeg", "mpegts", "mpegvideo", "m4v", "h261", "h263",
    "h264", "hevc", "vvc", "evc", "av1", "obu", "ivf", "vc1", "vc1test", "dirac", "cavsvideo", "avs2", "avs3", "mxf",
    "gxf", "lxf", "ogg", "nut", "nsv", "nuv", "rm", "wtv", "dv", "swf", "yuv4mpegpipe", "mjpeg",
    "mjpeg_2000", "dnxhd", "gif", "apng", "webp_anim", "r3d", "dhav", "pva", "ty", "xmv", "thp", "4xm", "amv",
    "film_cpk", "roq", "smk", "bink", "bethsoftvid", "vivo", "cine", "idcin", "ipmovie", "wc3movie", "mtv",
    "mvi", "mv", "flic", "ea", "wsvqa", "rl2", "paf", "c93", "dxa", "hnm", "kux", "rpl", "nc", "mgsts",
)  # fmt: skip
"""Demuxers that read pictures from one self-contained file. Absent on purpose: everything that opens further
files or addresses (hls, dash, concat, sdp, rtsp, imf, vobsub, image2, avisynth, vapoursynth, lavfi, devices)
and `tty`, which takes any text for a film."""

_AUDIO_FORMATS: Final = (
    "mp3", "wav", "w64", "flac", "aac", "ac3", "eac3", "ac4", "dts", "dtshd", "truehd", "mlp", "aiff", "ape",
    "wv", "tta", "tak", "caf", "au", "amr", "amrnb", "amrwb", "mpc", "mpc8", "ogg", "voc", "loas", "shn", "dsf", "iff",
)  # fmt: skip
"""Opened only in order to say that there is no picture in them."""

_FORMAT_WHITELIST: Final = ",".join(dict.fromkeys(_VIDEO_FORMATS + _AUDIO_FORMATS))

_OF_THE_DISK: Final = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EACCES,
        errno.EPERM,
        errno.EIO,
        errno.ESTALE,
        errno.ENOMEM,
        errno.EMFILE,
        errno.ENFILE,
        errno.ETIMEDOUT,
    }
)
"""What the system, and no demuxer, says when a file cannot be read."""

CODEC_OPTIONS: Final = {"max_pixels": str(MAX_PIXELS)}
"""For every decoder: a bitstream that asks for a larger picture is refused before memory is taken for it."""


def require_readable(path: Path) -> os.stat_result:
    """Check that `path` is a plain file with something in it that this process may read.

    Raises:
        TaskFailedError: missing, not a plain file, not readable, or empty.
    """
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode) and status.st_size:
            with open_bytes(path) as stream:
                stream.read(1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if stat.S_ISDIR(status.st_mode):
        raise TaskFailedError(ErrorCode.FILE_UNREADABLE, f"“{path.name}” is a folder, not a video file.")
    if not stat.S_ISREG(status.st_mode):
        raise TaskFailedError(ErrorCode.FILE_UNREADABLE, f"“{path.name}” is not a plain file.")
    if status.st_size == 0:
        raise TaskFailedError(ErrorCode.FILE_EMPTY, f"“{path.name}” is empty (0 bytes).")
    return status


def open_source(path: Path) -> av.container.InputContainer:
    """Open a video file for reading, with every limit in place. The caller closes it.

    Raises:
        TaskFailedError: the file cannot be read, or is not one that libav can open.
    """
    require_readable(path)
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": _FORMAT_WHITELIST,
    }
    try:
        return av.open(
            STAND_INS.open(path) if STAND_INS.holds(path) else f"file:{path.absolute()}",
            mode="r",
            options=dict(CODEC_OPTIONS),
            container_options=options,
            timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S),
        )
    except (av.error.ExitError, TimeoutError) as error:
        raise TaskFailedError(
            ErrorCode.FILE_UNREADABLE, f"“{path.name}” could not be read in time.", detail=str(error)
        ) from error
    except OSError as error:
        if isinstance(error, av.FFmpegError) and error.errno not in _OF_THE_DISK:
            raise _not_a_video(
                path, error
            ) from error  # demuxers borrow numbers: EBUSY for an absurd picture size
        raise _unreadable(path, error) from error
    except av.error.EOFError as error:
        raise TaskFailedError(
            ErrorCode.NO_FRAMES, f"“{path.name}” ends before its first picture.", detail=str(error)
        ) from error
    except av.FFmpegError as error:
        raise _not_a_video(path, error) from error


def _not_a_video(path: Path, error: av.FFmpegError) -> TaskFailedError:
    return TaskFailedError(
        ErrorCode.NOT_A_VIDEO,
        f"“{path.name}” is not a video that can be opened: it is another kind of file, or its beginning or end "
        "is damaged or missing.",
        detail=str(error),
    )


def _unreadable(path: Path, error: OSError) -> TaskFailedError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return TaskFailedError(
            ErrorCode.FILE_MISSING, f"“{path.name}” is no longer there.", detail=str(error)
        )
    if isinstance(error, PermissionError):
        reason = "you have no permission to read it"
    else:
        reason = error.strerror or "the disk reported an error"
    return TaskFailedError(
        ErrorCode.FILE_UNREADABLE, f"“{path.name}” cannot be read: {reason}.", detail=str(error)
    )
