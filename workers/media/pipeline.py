"""Decode, filter and encode at the same time: three threads with a few pictures between them."""

import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Final, Self

from av.video.frame import VideoFrame

from workers.media.encode import OUTPUT_PIXEL_FORMAT, VideoEncoder
from workers.media.frames import FrameWindow
from workers.media.ticks import MediaPacket
from workers.media.timestamps import FrameTime

_MOST_WAITING: Final = 6
_FEWEST_WAITING: Final = 2
_WAITING_PX: Final = 4 * 1920 * 1080
"""Pixels that wait between two threads: small pictures come in bursts, of large ones two bridge any gap."""

type PacketSink = Callable[[list[MediaPacket]], None]
type TimedPicture = tuple[VideoFrame, FrameTime]


def waiting_pictures(width_px: int, height_px: int) -> int:
    """How many pictures of a size may wait between two threads."""
    return max(_FEWEST_WAITING, min(_MOST_WAITING, _WAITING_PX // max(1, width_px * height_px)))


def beside_search(threads: int) -> int:
    """Threads for what decodes or encodes while a search for motion keeps all of them busy: half of them.

    Every further thread holds pictures, and would only wait.
    """
    return max(1, (threads or os.cpu_count() or 1) // 2)


class EncoderThread:
    """Encodes and writes in a thread of its own; use as a context manager.

    Args:
        encoder: used by this thread only, from now on.
        write: called with finished packets, in this thread.
        on_picture: called after every picture with the number of pictures taken so far.
        waiting: pictures that may wait for the encoder.
    """

    def __init__(
        self, encoder: VideoEncoder, write: PacketSink, on_picture: Callable[[int], None], *, waiting: int
    ) -> None:
        self._encoder = encoder
        self._write = write
        self._on_picture = on_picture
        self._pictures: queue.Queue[TimedPicture | None] = queue.Queue(waiting)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="encode")
        self._is_finished = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def put(self, picture: VideoFrame, time: FrameTime) -> None:
        """Hand over one picture; waits while the encoder is busy.

        Raises:
            Exception: whatever encoding or writing raised.
        """
        self._raise()
        self._pictures.put((picture, time))

    def finish(self) -> None:
        """Encode what is left and wait for it.

        Raises:
            Exception: whatever encoding or writing raised.
        """
        self._is_finished = True
        self._stop()
        self._raise()

    def _stop(self) -> None:
        if self._thread.is_alive():
            self._pictures.put(None)
        self._thread.join()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            count = 0
            while (entry := self._pictures.get()) is not None:
                self._write(self._encoder.encode(*entry))
                count += 1
                self._on_picture(count)
            if self._is_finished:
                self._write(list(self._encoder.finish()))
        except BaseException as error:  # noqa: BLE001  # carried to the thread that hands pictures over
            self._error = error
            while self._pictures.get() is not None:
                pass


def unfiltered_pictures(window: FrameWindow, width: int, height: int) -> Iterator[TimedPicture]:
    """Decoded pictures as they are; only one that differs from the first in size or format is converted."""
    number = 0
    while (frame := window.frame(number)) is not None:
        picture = frame.picture
        if (picture.width, picture.height, picture.format.name) != (width, height, OUTPUT_PIXEL_FORMAT):
            picture = picture.reformat(
                width=width, height=height, format=OUTPUT_PIXEL_FORMAT, interpolation="BICUBIC"
            )
        yield picture, frame.time
        number += 1
        window.release(number)
