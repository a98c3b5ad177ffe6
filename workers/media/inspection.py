"""A look at what a worker elsewhere has made: is it what it is said to be? Packets are counted, not decoded.

Nothing that is looked at is trusted. What is found is compared with what was said by whoever asked.
"""

from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream
from pydantic import ValidationError

from workers.errors import TaskFailedError
from workers.media.coded_units import FRAMINGS
from workers.media.jobs import InspectionJob, InspectionOutcome, VideoFacts
from workers.media.limits import MAX_SIDE_PX
from workers.media.packet_scan import DemuxErrors, packets, scan_packets
from workers.media.probe import refuse_unsuitable_streams, summarise
from workers.media.proof import digest_of_units
from workers.media.side_files import take_up
from workers.media.source import CODEC_OPTIONS, open_source
from workers.protocol.pictures import MetadataDocument
from workers.protocol.segments import SegmentPlan
from workers.protocol.states import ErrorCode
from workers.protocol.transfers import SEGMENT_PLAN

_MP4: Final = "mp4"
_PACKETS_LOOKED_AT: Final = 60


def inspect(job: InspectionJob) -> InspectionOutcome:
    """Look at everything that the job names.

    Raises:
        TaskFailedError: RESULT_REJECTED, with the first thing that is not what it should be.
    """
    for image in job.images:
        _check_image(image)
    if job.analysis is not None:
        _check_analysis(job.source, job.analysis)
    video = None
    if job.video is not None:
        video = _video(job.video, with_digests=job.wants_digests)
    summary = None
    if job.document is not None:
        summary = summarise(MetadataDocument.model_validate_json(job.document.read_bytes()).media)
    return InspectionOutcome(video, summary)


def _video(path: Path, *, with_digests: bool) -> VideoFacts:
    try:
        with open_source(path) as container:
            if _MP4 not in container.format.name.split(","):
                raise _rejected(f"“{path.name}” is no MP4 file.", container.format.name)
            refuse_unsuitable_streams(path, container)
            facts = _facts(path, container)
        with open_source(path) as container:
            _check_first_picture(path, container)
        if with_digests:
            with open_source(path) as container:
                return _with_digests(container, facts)
    except TaskFailedError as error:
        raise _rejected(error.message, error.detail) from error
    except av.FFmpegError as error:
        raise _rejected(f"“{path.name}” cannot be read.", str(error)) from error
    return facts


def _facts(path: Path, container: InputContainer) -> VideoFacts:
    """One pass over all packets."""
    scan = scan_packets(container)
    streams = container.streams
    video = scan.streams[streams.video[0].index]
    damaged = sum(stream.damaged for stream in scan.streams.values())
    if scan.error_count or scan.gave_up or damaged or not video.pts or video.without_timestamp:
        detail = (
            "; ".join(scan.errors) or f"{damaged} damaged packets, {video.without_timestamp} without time"
        )
        raise _rejected(f"“{path.name}” is damaged.", detail)
    context = streams.video[0].codec_context
    return VideoFacts(
        pictures=video.count,
        hidden=video.hidden,
        width_px=context.width,
        height_px=context.height,
        codec=context.codec.canonical_name,
        videos=len(streams.video),
        audio_tracks=len(streams.audio),
        subtitle_tracks=sum(isinstance(stream, SubtitleStream) for stream in streams),
        chapters=len(container.chapters()),
        first_tick=video.pts[0],
        last_tick=video.pts[-1],
    )


def _check_first_picture(path: Path, container: InputContainer) -> None:
    """One of the first packets gives a picture; a film of a few pictures gives them only when it is at its end."""
    video = container.streams.video[0]
    first = islice(packets(container, DemuxErrors(), (video,)), _PACKETS_LOOKED_AT)
    for packet in chain(first, (None,)):
        try:
            frames = video.decode(packet)
        except av.FFmpegError:
            continue
        if any(not frame.is_corrupt for frame in frames):
            return
    raise _rejected(f"The first pictures of “{path.name}” cannot be decoded.")


def _with_digests(container: InputContainer, facts: VideoFacts) -> VideoFacts:
    """With digests of the coded pictures, as a proof of a segment has them; none for a codec that is never one."""
    video: VideoStream = container.streams.video[0]
    framing = next((entry for codec, entry in FRAMINGS.items() if codec.value == facts.codec), None)
    if framing is None:
        return facts
    parameters = digest_of_units(framing.of_record(video.codec_context.extradata or b""))
    digests = tuple(
        digest_of_units(framing.of_sample(bytes(packet))).hex()
        for packet in packets(container, DemuxErrors(), (video,))
    )
    return replace(facts, parameters=parameters.hex(), packet_digests=digests)


def _check_image(path: Path) -> None:
    """A JPEG of a sensible size whose picture can be decoded."""
    try:
        with av.open(str(path), format="jpeg_pipe", options=dict(CODEC_OPTIONS)) as container:
            context = container.streams.video[0].codec_context
            if max(context.width, context.height) > MAX_SIDE_PX:
                raise _rejected(f"“{path.name}” claims {context.width} × {context.height} pixels.")
            picture = next(iter(container.decode(video=0)), None)
    except (av.FFmpegError, IndexError) as error:
        raise _rejected(f"“{path.name}” is no picture.", str(error)) from error
    if picture is None or picture.is_corrupt:
        raise _rejected(f"“{path.name}” is no picture.")


def _check_analysis(source: Path, folder: Path) -> None:
    """The side files are those of the plan, and the plan shows the pictures when this program would."""
    try:
        plan = SegmentPlan.model_validate_json((folder / SEGMENT_PLAN).read_bytes())
        take_up(source, folder, plan)
    except ValidationError as error:
        raise _rejected(f"“{SEGMENT_PLAN}” cannot be read.", str(error)) from error
    except TaskFailedError as error:
        if error.code is not ErrorCode.PARTS_MISSING:
            raise
        raise _rejected("The analysis does not fit this video.", error.detail) from error


def _rejected(message: str, detail: str | None = None) -> TaskFailedError:
    return TaskFailedError(ErrorCode.RESULT_REJECTED, message, detail)
