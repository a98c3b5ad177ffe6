"""Ctrl-C and its like: the first one asks for an orderly stop, the second for an immediate one."""

import asyncio
import signal
import sys
from contextlib import suppress
from typing import Self

import psutil


class Interrupt:
    """Listens to signals while it is entered, on the running loop."""

    def __init__(self) -> None:
        self._first = asyncio.Event()
        self._second = asyncio.Event()

    @property
    def is_set(self) -> bool:
        """The user wants to stop."""
        return self._first.is_set()

    @property
    def is_urgent(self) -> bool:
        """The user does not want to wait."""
        return self._second.is_set()

    def __call__(self) -> None:
        """A signal came. With the second one nothing that we started is waited for any more."""
        if self._first.is_set():
            self._second.set()
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        self._first.set()

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            if sys.platform == "win32":
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(self))
            else:
                loop.add_signal_handler(number, self)
        return self

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            if sys.platform == "win32":
                signal.signal(number, signal.SIG_DFL)
            else:
                asyncio.get_running_loop().remove_signal_handler(number)

    async def or_event(self, event: asyncio.Event, *, is_urgent: bool = False) -> None:
        """Wait until the event or a signal comes, whichever is first."""
        signalled = self._second if is_urgent else self._first
        waits = [asyncio.create_task(one.wait(), name="wait for news") for one in (event, signalled)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.wait(waits)
