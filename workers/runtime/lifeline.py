"""No process outlives the one that needs it, whichever of them is killed with -9.

Who dies with whom:

* **the child with its worker**: on Linux the kernel kills it (`PR_SET_PDEATHSIG`); everywhere a thread of the child
  ends it when its standard input closes, which happens the moment the worker is gone.
* **what the child started (ffmpeg) with the child**: the child leads its own process group, and a *sentinel*, a few
  pages forked off before anything else is loaded, waits for the end of a pipe that only the child holds open. When the
  child is gone, for whatever reason, the sentinel kills the group. The worker does the same when it sees its child end.
* **on Windows** the child puts itself into a job object that ends every process in it when its last handle closes.
  A process that leaves the group or the job on purpose is beyond reach.

Knows nothing of jobs and messages.
"""

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

OOM_SCORE_ADJUSTMENT: Final = 700
"""Of at most 1000: the child, not the worker, is what the kernel ends when memory is short."""
_PR_SET_PDEATHSIG: Final = 1
"""From Linux' prctl.h."""
_sentinel_pipe: int | None = None


def arm(parent_pid: int) -> None:
    """Tie this process to its parent, and what it will start to itself. Call once, before threads and imports."""
    if sys.platform == "win32":
        _join_job_object()
        return
    if os.getpgrp() == os.getpid():
        _fork_sentinel()
    if sys.platform == "linux":
        _die_with_parent(parent_pid)
        with suppress(OSError):  # a container may forbid it; then the kernel chooses by size alone
            Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE_ADJUSTMENT), encoding="ascii")


def end_now(exit_code: int = 1) -> None:
    """End this process and everything in its group at once, without cleaning up."""
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(exit_code)


def kill_group(pid: int) -> None:
    """Kill the process group that `pid` leads (on Windows the process; its job object takes the rest along)."""
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            os.kill(pid, signal.SIGTERM)
        else:
            os.killpg(pid, signal.SIGKILL)


def _die_with_parent(parent_pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    if os.getppid() != parent_pid:  # it died before the kernel was told
        os._exit(1)


def _fork_sentinel() -> None:
    """Leave a process behind that outlives this one just long enough to kill its group."""
    global _sentinel_pipe  # noqa: PLW0603 - the descriptor has to stay open as long as the process lives
    reading, writing = os.pipe()
    group = os.getpid()
    if os.fork() != 0:
        os.close(reading)
        _sentinel_pipe = writing
        return
    try:
        os.setsid()
        os.close(writing)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        while os.read(reading, 1):
            pass
        kill_group(group)
    finally:
        os._exit(0)


def _join_job_object() -> None:
    """Windows: a job whose processes end with its last handle, which this process alone holds."""
    if sys.platform == "win32":
        limit_kill_on_close = 0x2000
        extended_limit_information = 9
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.CreateJobObjectW.restype = ctypes.c_void_p
        kernel.GetCurrentProcess.restype = ctypes.c_void_p
        job = kernel.CreateJobObjectW(None, None)
        # JOBOBJECT_EXTENDED_LIMIT_INFORMATION is 144 bytes on 64-bit Windows; LimitFlags is the DWORD at offset 16.
        limits = (ctypes.c_ubyte * 144)()
        ctypes.c_uint32.from_buffer(limits, 16).value = limit_kill_on_close
        if not job or not kernel.SetInformationJobObject(
            ctypes.c_void_p(job), extended_limit_information, ctypes.byref(limits), ctypes.sizeof(limits)
        ):
            raise ctypes.WinError(ctypes.get_last_error())
        if not kernel.AssignProcessToJobObject(
            ctypes.c_void_p(job), ctypes.c_void_p(kernel.GetCurrentProcess())
        ):
            raise ctypes.WinError(ctypes.get_last_error())
