"""Writing the output file: streams, tags, chapters, and packets interleaved by time.

Video is pushed, everything else is pulled up to the time the video has reached, so that nothing piles up.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, Self

import av
from av.container import OutputContainer
from av.stream import Disposition, Stream

from workers.media.audio import AudioTrack, UncopyableSoundError
from workers.media.mp4_edits import Edit, read_edit_lists, write_edits
from workers.media.subtitles import SubtitleTrack
from workers.media.tags import need_free_keys
from workers.media.ticks import MediaPacket, fraction
from workers.protocol.media import Chapter, StreamInfo

_MAX_MOVIE_TIMESCALE: Final = 2**31 - 1
_FINE_MOVIE_TIMESCALE: Final = 48_000
"""Edit lists are written in ticks of the movie: fine enough for a sample of sound, and whole video ticks."""

_KEPT_DISPOSITIONS: Final = {
    "default": Disposition.default,
    "dub": Disposition.dub,
    "original": Disposition.original,
    "comment": Disposition.comment,
    "lyrics": Disposition.lyrics,
    "karaoke": Disposition.karaoke,
    "forced": Disposition.forced,
    "hearing_impaired": Disposition.hearing_impaired,
    "visual_impaired": Disposition.visual_impaired,
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything in the file that is not video."""

    audio: tuple[AudioTrack, ...]
    subtitles: tuple[SubtitleTrack, ...]
    chapters: tuple[Chapter, ...]
    """On the output's clock."""
    tags: dict[str, str]


class _Pulled:
    """One track with its next packet in sight."""

    def __init__(self, packets: Iterator[MediaPacket]) -> None:
        self._packets = packets
        self._head: MediaPacket | None = None
        self._has_ended = False

    def until(self, time_s: Fraction | None) -> Iterator[MediaPacket]:
        """Packets that start no later than this; all that are left for None."""
        while True:
            if self._head is None and not self._has_ended:
                self._head = next(self._packets, None)
                self._has_ended = self._head is None
            head = self._head
            if head is None or (time_s is not None and _time_s(head) > time_s):
                return
            self._head = None
            yield head


class Mp4Writer:
    """One MP4 file in the making; use as a context manager and `finish()` it at the end.

    Args:
        path: does not exist yet.
        timescale: of the video track, ticks per second.
        surroundings: everything else that goes in.
    """

    def __init__(self, path: Path, timescale: int, surroundings: Surroundings) -> None:
        flags = "+faststart" + ("+use_metadata_tags" if need_free_keys(surroundings.tags) else "")
        self._path = path
        self._movie_timescale = min(_MAX_MOVIE_TIMESCALE, timescale * -(-_FINE_MOVIE_TIMESCALE // timescale))
        self._surroundings = surroundings
        self._pulled: list[_Pulled] = []
        self._options = {
            "movflags": flags,
            "video_track_timescale": str(timescale),
            "movie_timescale": str(self._movie_timescale),
            "brand": "mp42",
        }
        self._container: OutputContainer | None = None

    def __enter__(self) -> Self:
        self._container = av.open(str(self._path), "w", format="mp4", options=self._options)
        return self

    def __exit__(self, *_: object) -> None:
        for track in self._surroundings.audio:
            track.close()
        if self._container is not None:
            container, self._container = self._container, None
            container.close()

    @property
    def container(self) -> OutputContainer:
        """The open output; the video stream is added to it first."""
        assert self._container is not None, "the writer is not open"
        return self._container

    def add_surroundings(self, video: Stream, video_info: StreamInfo) -> None:
        """Add all other streams, tags and chapters; the video stream must be there, no packet may have been."""
        container = self.container
        _describe(video, video_info)
        for audio in self._surroundings.audio:
            _describe(audio.open(container), audio.plan.info)
            self._pulled.append(_Pulled(audio.packets()))
        for subtitles in self._surroundings.subtitles:
            _describe(subtitles.open(container), subtitles.info)
            self._pulled.append(_Pulled(subtitles.packets()))
        container.metadata.update(self._surroundings.tags)
        if self._surroundings.chapters:
            container.set_chapters(
                [_chapter(number, entry) for number, entry in enumerate(self._surroundings.chapters)]
            )

    def write(self, packets: Iterable[MediaPacket]) -> None:
        """Write video packets, each after everything that starts before it."""
        for packet in packets:
            self._pull(_time_s(packet))
            self.container.mux(packet)

    def finish(self) -> None:
        """Write what is left of the other tracks and the file's index; the index is then moved to the front."""
        self._pull(None)
        container, self._container = self.container, None
        container.close()
        self._pass_over_run_in()

    def _pass_over_run_in(self) -> None:
        """Tracks that start late and have a run-in: a pause up to their start, then the run-in passed over."""
        late = [
            (number, track.statistics)
            for number, track in enumerate(self._surroundings.audio, start=1)
            if track.statistics.priming_samples
        ]
        lists = read_edit_lists(self._path) if late else ()
        for number, found in late:
            current = lists[number]
            if current is None or len(current.edits) != 2 or found.first_s is None or found.end_s is None:
                raise UncopyableSoundError("its run-in cannot be passed over")
            pause = Edit(round(found.first_s * self._movie_timescale), -1)
            sound = Edit(round((found.end_s - found.first_s) * self._movie_timescale), found.priming_samples)
            write_edits(self._path, current, (pause, sound))

    def _pull(self, time_s: Fraction | None) -> None:
        for track in self._pulled:
            for packet in track.until(time_s):
                self.container.mux(packet)


def _time_s(packet: MediaPacket) -> Fraction:
    ticks = packet.dts if packet.dts is not None else packet.pts
    return (ticks or 0) * fraction(packet.time_base)


def _describe(stream: Stream, info: StreamInfo) -> None:
    if info.language:
        stream.metadata["language"] = info.language
    if info.title:
        stream.metadata["title"] = info.title
    disposition = Disposition(0)
    for name in info.dispositions:
        disposition |= _KEPT_DISPOSITIONS.get(name, Disposition(0))
    stream.disposition = disposition


def _chapter(number: int, chapter: Chapter) -> "av.container.core.Chapter":
    """Chapters are counted in milliseconds: the sample table of their text track holds no finer ones."""
    time_base = Fraction(1, 1000)
    return {
        "id": number,
        "start": round(chapter.start_s / time_base),
        "end": round(chapter.end_s / time_base),
        "time_base": time_base,  # type: ignore[typeddict-item]  # PyAV takes any rational
        "metadata": {"title": chapter.title or f"Chapter {number + 1}"},
    }
