import contextlib
import threading
from collections.abc import Iterator
from fractions import Fraction
from typing import Self

import pytest
from av.video.frame import VideoFrame

from workers.media.decode import DecodeStatistics
from workers.media.frames import FrameWindow, Stopped, TimedFrame, repaired
from workers.media.timestamps import FrameTime, TimestampRepair, track_clock


class CountingDecoder:
    """Makes pictures and remembers how many; fails where told to."""

    def __init__(self, count: int, *, fails_at: int | None = None) -> None:
        self._count = count
        self._fails_at = fails_at
        self.made = 0
        self.is_closed = False
        self.statistics = DecodeStatistics()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.is_closed = True

    def frames(self) -> Iterator[VideoFrame]:
        for number in range(self._count):
            if number == self._fails_at:
                raise OSError("the disk is gone")
            self.made += 1
            picture = VideoFrame(2, 2, "yuv420p")
            picture.pts = number * 40
            yield picture


def window_over(decoder: CountingDecoder, read_ahead: int = 3) -> FrameWindow:
    repair = TimestampRepair(track_clock(Fraction(1, 1000), Fraction(0), Fraction(1)), Fraction(1, 25))
    frames = repaired(decoder, repair)  # type: ignore[arg-type]  # what is used of a decoder
    return FrameWindow(frames, read_ahead=read_ahead)


def test_every_frame_comes_once_and_then_the_end() -> None:
    decoder = CountingDecoder(20)
    with window_over(decoder) as window:
        found: list[int] = []
        while (frame := window.frame(len(found))) is not None:
            found.append(frame.time.ticks)
            window.release(len(found))
    assert found == [number * 40 for number in range(20)]
    assert decoder.is_closed


def test_decoding_does_not_run_away() -> None:
    decoder = CountingDecoder(1000)
    with window_over(decoder, read_ahead=3) as window:
        window.frame(10)
    # Wanted, read ahead, and two that wait for their successors' times.
    assert decoder.made <= 10 + 1 + 3 + 1 + 2


def test_requests_from_many_threads_in_any_order_are_all_answered() -> None:
    with window_over(CountingDecoder(60), read_ahead=1) as window:
        found: dict[int, int] = {}

        def ask(number: int) -> None:
            found[number] = window.frame_or_last(number).number

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(69, -1, -1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {number: min(number, 59) for number in range(70)}


def test_what_the_decoder_raises_reaches_the_consumer() -> None:
    with window_over(CountingDecoder(10, fails_at=6)) as window, pytest.raises(OSError, match="disk"):
        for number in range(10):
            window.frame(number)


def test_closing_wakes_a_waiting_request() -> None:
    release = threading.Event()

    class Stuck(CountingDecoder):
        def frames(self) -> Iterator[VideoFrame]:
            release.wait(30)
            yield from super().frames()

    seen: list[type[BaseException]] = []

    def ask() -> None:
        try:
            window.frame(5)
        except Stopped as stopped:
            seen.append(type(stopped))

    window = window_over(Stuck(3))
    asking = threading.Thread(target=ask)
    with window:
        asking.start()
        threading.Thread(target=release.set).start()
    asking.join(30)
    assert not asking.is_alive()


def test_a_released_frame_is_refused() -> None:
    with window_over(CountingDecoder(10)) as window:
        window.frame(5)
        window.release(4)
        with pytest.raises(RuntimeError, match="released"):
            window.frame(3)


def test_a_window_may_begin_in_the_middle_and_reads_ahead_from_there() -> None:
    made: list[int] = []

    def frames() -> Iterator[TimedFrame]:
        for number in range(40, 60):
            made.append(number)
            yield TimedFrame(number, VideoFrame(2, 2, "yuv420p"), FrameTime(number * 40, 40))

    with FrameWindow(contextlib.nullcontext(frames()), read_ahead=3, first=40) as window:
        assert window.frame_or_last(41).time.ticks == 1640
        with pytest.raises(RuntimeError, match="released"):
            window.frame(39)
        window.release(41)
        assert window.frame_or_last(45).number == 45
        assert max(made) <= 45 + 3 + 1
        assert window.frame_or_last(70).number == 59
