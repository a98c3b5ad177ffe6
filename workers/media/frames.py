"""Frames on their way from the decoder to whoever needs them, in any order, a few at a time.

A producer thread decodes; consumers ask by frame number. How far it decodes ahead follows what was asked for, so
that no request can wait for a frame that the producer will not make: there is nothing to deadlock on.
"""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Self

from av.video.frame import VideoFrame

from workers.media.decode import VideoDecoder
from workers.media.timestamps import FrameTime, SourceTime, TimestampRepair


class Stopped(Exception):
    """The window was closed while a frame was asked for."""


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """One decoded picture and when the output shows it."""

    number: int
    picture: VideoFrame
    time: FrameTime


@dataclass(slots=True)
class _State:
    frames: dict[int, TimedFrame] = field(default_factory=dict)
    last: TimedFrame | None = None
    wanted: int = -1
    released: int = 0
    ended: bool = False
    stopped: bool = False
    error: BaseException | None = None


class FrameWindow:
    """A window of decoded frames that moves over the file; use as a context manager.

    Args:
        frames: in ascending order without a gap; entered and left by the producer thread.
        read_ahead: frames that may be decoded beyond the highest number asked for, at least 1.
        first: number of the first of them; none before it may be asked for.
    """

    def __init__(
        self, frames: AbstractContextManager[Iterator[TimedFrame]], *, read_ahead: int, first: int = 0
    ) -> None:
        self._frames = frames
        self._read_ahead = read_ahead
        self._state = _State(wanted=first - 1, released=first)
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._produce, name="decode")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._state.stopped = True
            self._changed.notify_all()
        self._thread.join()

    def each_time(self) -> Iterator[FrameTime]:
        """The time of every frame in order; waits for it. Frames must not be released before they were asked for."""
        number = 0
        while (frame := self.frame(number)) is not None:
            yield frame.time
            number += 1

    def frame(self, number: int) -> TimedFrame | None:
        """Wait for a frame; None when the file ends before it.

        Raises:
            Stopped: the window was closed.
            Exception: whatever the decoder raised.
        """
        state = self._state
        with self._changed:
            if number < state.released:
                raise RuntimeError(f"frame {number} was already released")
            if number > state.wanted:
                state.wanted = number
                self._changed.notify_all()
            self._changed.wait_for(
                lambda: number in state.frames or state.ended or state.stopped or state.error is not None
            )
            if state.error is not None:
                raise state.error
            if state.stopped:
                raise Stopped
            return state.frames.get(number)

    def frame_or_last(self, number: int) -> TimedFrame:
        """Wait for a frame; past the end the last one stands in for it."""
        found = self.frame(number) or self._state.last
        if found is None:
            raise Stopped
        return found

    def release(self, below: int) -> None:
        """Promise that no frame with a smaller number will be asked for."""
        state = self._state
        with self._changed:
            for number in range(state.released, below):
                state.frames.pop(number, None)
            state.released = max(state.released, below)

    def _produce(self) -> None:
        state = self._state
        try:
            with self._frames as frames:
                for frame in frames:
                    with self._changed:
                        self._changed.wait_for(
                            lambda: frame.number <= state.wanted + self._read_ahead or state.stopped  # noqa: B023  # called within this turn only
                        )
                        if state.stopped:
                            return
                        state.frames[frame.number] = state.last = frame
                        self._changed.notify_all()
        except BaseException as error:  # noqa: BLE001  # carried to the consumer, who raises it
            with self._changed:
                state.error = error
        finally:
            with self._changed:
                state.ended = True
                self._changed.notify_all()


@contextmanager
def repaired(decoder: VideoDecoder, repair: TimestampRepair) -> Iterator[Iterator[TimedFrame]]:
    """Every frame of a stream, with times that follow each other; the decoder is closed at the end."""
    with decoder:
        yield timed_frames(decoder.frames(), repair)


def timed_frames(pictures: Iterator[VideoFrame], repair: TimestampRepair) -> Iterator[TimedFrame]:
    """Join pictures with their repaired times; runs two pictures behind the decoder."""
    waiting: list[VideoFrame] = []

    def source_times() -> Iterator[SourceTime]:
        for picture in pictures:
            waiting.append(picture)
            yield SourceTime(picture.pts, picture.duration)

    for number, time in enumerate(repair.times(source_times())):
        yield TimedFrame(number, waiting.pop(0), time)
