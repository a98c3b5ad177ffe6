"""Encode beside decoding and filtering: threads with a few pictures between them."""

import queue
import threading
from collections.abc import Callable
from typing import Self

from av.video.frame import VideoFrame

from workers.media.encode import VideoEncoder
from workers.media.picture_stream import TimedPicture
from workers.media.ticks import MediaPacket
from workers.media.timestamps import FrameTime

type PacketSink = Callable[[list[MediaPacket]], None]


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
