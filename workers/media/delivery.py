"""The last steps of every enhancement: the finished file proven to be what was promised, its poster, its checksum."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from av.video.frame import VideoFrame

from workers.errors import TaskFailedError
from workers.media.accounting import SourceIdentity
from workers.media.audio import AudioTrack, UncopyableSoundError
from workers.media.poster import picture_for_poster, write_poster
from workers.media.production import Production
from workers.media.surroundings import Accompaniment
from workers.media.verify import AudioPromise, Promise, Verdict, verify
from workers.protocol.plan import EnhancementPlan
from workers.protocol.states import ErrorCode

OUTPUT_NAME: Final = "output.mp4"
"""Of the finished file while it is in its workspace."""

_POSTER_NAME: Final = "poster.jpg"


def prove(
    output: Path,
    plan: EnhancementPlan,
    production: Production,
    accompaniment: Accompaniment,
    *,
    threads: int,
    on_frame: Callable[[int], None],
) -> Verdict:
    """Check a finished file.

    Args:
        output: the file.
        plan: it was made by.
        production: what was made.
        accompaniment: what stands beside the pictures.
        threads: upper bound for decoding; 0: one for each core.
        on_frame: called with the number of pictures looked at so far.

    Raises:
        UncopyableSoundError: copied sound is not heard when it should be.
        TaskFailedError: something else is not as promised.
    """
    promise = Promise(
        times=production.times,
        time_base=production.clock.time_base,
        width_px=plan.width_px,
        height_px=plan.height_px,
        colour=plan.colour,
        audio=tuple(_audio_promise(track, accompaniment) for track in production.audio),
        subtitles=len(accompaniment.subtitles),
        chapters=len(accompaniment.chapters),
        form=production.form,
        is_copied=plan.remux,
    )
    verdict = verify(output, promise, threads=threads, on_frame=on_frame, proof=production.proof)
    inexact = next((check for check in verdict.failures if check.name == "audio"), None)
    if inexact is not None and any(track.plan.is_copied for track in production.audio):
        raise UncopyableSoundError(inexact.detail)
    if verdict.failures:
        detail = "; ".join(f"{check.name}: {check.detail}" for check in verdict.failures)
        raise TaskFailedError(
            ErrorCode.VERIFICATION_FAILED,
            "The finished file did not pass its checks and was thrown away.",
            detail=detail,
        )
    return verdict


def make_poster(output: Path, picture: VideoFrame | None) -> Path | None:
    """The poster beside a finished file, from a picture or else from the file; None when it cannot be made."""
    chosen = picture or picture_for_poster(output)
    poster = output.with_name(_POSTER_NAME)
    return poster if chosen is not None and write_poster(chosen, poster) else None


def identity(path: Path) -> SourceIdentity:
    """Which bytes a source is."""
    status = path.stat()
    # A name's bytes need not be text; the report does.
    name = path.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return SourceIdentity(name, status.st_size, status.st_mtime_ns)


def _audio_promise(track: AudioTrack, accompaniment: Accompaniment) -> AudioPromise:
    if track.plan.is_copied:
        return AudioPromise(*accompaniment.copied_span(track.plan.info))
    return AudioPromise(track.statistics.first_s, track.statistics.end_s)
