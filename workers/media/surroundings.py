"""Sound, subtitles, chapters and tags of a source, ready to be written beside new pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

from av.audio.stream import AudioStream

from workers.media.assemble import Surroundings
from workers.media.audio import AudioTrack
from workers.media.audio_audit import AudioAudit, audit
from workers.media.audio_plan import is_browser_aac, plan_track
from workers.media.probe import Examination
from workers.media.source import open_source
from workers.media.subtitles import Cue, SubtitleTrack, read_cues, within
from workers.media.tags import kept_tags
from workers.protocol.media import AudioStreamInfo, Chapter, MediaInfo, SubtitleStreamInfo
from workers.protocol.settings import EnhancementSettings


@dataclass(frozen=True, slots=True)
class Accompaniment:
    """What is kept beside the pictures; makes fresh tracks for every time the file is written.

    Attributes:
        audits: by stream index, what decoding showed of the tracks that could be copied.
        unreadable_audio: tracks without a decoder, or without a sound left in the file; they are dropped.
        may_copy_sound: False once a copy has turned out not to be exact: every track is encoded.
    """

    path: Path
    info: MediaInfo
    origin_s: Fraction
    bit_rate_per_channel: int
    audio: tuple[AudioStreamInfo, ...]
    unreadable_audio: tuple[AudioStreamInfo, ...]
    audits: Mapping[int, AudioAudit]
    subtitles: tuple[tuple[SubtitleStreamInfo, tuple[Cue, ...]], ...]
    chapters: tuple[Chapter, ...]
    may_copy_sound: bool = True
    late_texts: int = 0
    """Texts that begin after the end of the film and are left out."""
    late_chapters: int = 0

    def is_damaged(self, info: AudioStreamInfo) -> bool:
        """True when packets of the track do not decode."""
        found = self.audits.get(info.index)
        return found is not None and found.broken_packets > 0

    def copied_span(self, info: AudioStreamInfo) -> tuple[Fraction | None, Fraction | None]:
        """First and last moment of a copied track's sound on the output's clock."""
        found = self.audits[info.index]

        def moved(moment_s: Fraction | None) -> Fraction | None:
            return None if moment_s is None else moment_s - self.origin_s

        return moved(found.first_s), moved(found.end_s)

    def tracks(self) -> Surroundings:
        """Tracks at their beginning."""
        return Surroundings(
            audio=tuple(
                AudioTrack(
                    self.path,
                    plan_track(info, is_damaged=self.is_damaged(info) or not self.may_copy_sound),
                    origin_s=self.origin_s,
                    bit_rate_per_channel=self.bit_rate_per_channel,
                    audited=self.audits.get(info.index),
                )
                for info in self.audio
            ),
            subtitles=tuple(SubtitleTrack(info, list(cues)) for info, cues in self.subtitles),
            chapters=self.chapters,
            tags=kept_tags(self.info.tags),
        )


def _audit(path: Path, index: int) -> AudioAudit:
    with open_source(path) as container:
        return audit(container, cast(AudioStream, container.streams[index]))


def accompany(
    path: Path, examination: Examination, settings: EnhancementSettings, origin_s: Fraction
) -> Accompaniment:
    """Read what is needed to carry everything but the pictures over; sound that could be copied is decoded once."""
    info = examination.info
    end_s = _end_s(examination, origin_s)
    readable = tuple(
        entry for entry in info.audio if is_readable(entry) and _has_packets(examination, entry.index)
    )
    audits = {entry.index: _audit(path, entry.index) for entry in readable if is_browser_aac(entry)}
    silent = {index for index, found in audits.items() if found.end_s is None}
    readable = tuple(entry for entry in readable if entry.index not in silent)
    cues = {entry: read_cues(path, entry, origin_s) for entry in info.subtitles if entry.is_text}
    shown = tuple((entry, tuple(within(found, end_s))) for entry, found in cues.items())
    moved = [chapter for entry in info.chapters if (chapter := _moved(entry, origin_s)) is not None]
    chapters = tuple(chapter for entry in moved if (chapter := _until(entry, end_s)) is not None)
    return Accompaniment(
        path=path,
        info=info,
        origin_s=origin_s,
        bit_rate_per_channel=settings.audio_bit_rate_per_channel,
        audio=readable,
        unreadable_audio=tuple(entry for entry in info.audio if entry not in readable),
        audits=audits,
        subtitles=shown,
        chapters=chapters,
        late_texts=sum(map(len, cues.values())) - sum(len(found) for _, found in shown),
        late_chapters=len(moved) - len(chapters),
    )


def _end_s(examination: Examination, origin_s: Fraction) -> Fraction | None:
    """When the last picture and the last sound end on the output's clock; None where no timestamp says so."""
    ends = []
    for stream in (*examination.info.video, *examination.info.audio):
        scan = examination.scans.get(stream.index)
        span_s = None if scan is None or not scan.is_complete else scan.span_s
        if scan is not None and span_s is not None and scan.pts:
            ends.append(scan.pts[0] * scan.time_base + span_s - origin_s)
    return max(ends, default=None)


def _has_packets(examination: Examination, index: int) -> bool:
    """False for a track that the header announces and a truncated file does not hold."""
    scan = examination.scans.get(index)
    return scan is not None and scan.count + scan.hidden > 0


def is_readable(info: AudioStreamInfo) -> bool:
    """True when libav has a decoder and the header says what it will give."""
    return info.codec is not None and info.channels > 0 and info.sample_rate_hz > 0


def _moved(chapter: Chapter, origin_s: Fraction) -> Chapter | None:
    """A chapter on the output's clock; None when it ends before the output begins."""
    end_s = chapter.end_s - origin_s
    if end_s <= 0:
        return None
    start_s = max(Fraction(0), chapter.start_s - origin_s)
    return Chapter(start_s=start_s, end_s=end_s, title=chapter.title)


def _until(chapter: Chapter, end_s: Fraction | None) -> Chapter | None:
    """A chapter that ends with the film at the latest; None when it begins behind the end."""
    if end_s is None or chapter.end_s <= end_s:
        return chapter
    return None if chapter.start_s >= end_s else chapter.model_copy(update={"end_s": end_s})
