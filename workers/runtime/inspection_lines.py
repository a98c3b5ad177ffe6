"""A look at what a worker elsewhere has made, as JSON lines between a worker and its child. Pure."""

from dataclasses import asdict
from typing import Literal, Self

from workers.media.jobs import InspectionJob, InspectionOutcome, VideoFacts
from workers.protocol.model import WireModel
from workers.protocol.results import MediaSummary
from workers.runtime.wire_path import WirePath


class InspectionLine(WireModel):
    """An `InspectionJob`."""

    type: Literal["inspect"] = "inspect"
    source: WirePath
    video: WirePath | None
    images: tuple[WirePath, ...]
    document: WirePath | None
    analysis: WirePath | None
    wants_digests: bool

    @classmethod
    def of(cls, job: InspectionJob) -> Self:
        """The line that asks for a job."""
        return cls(
            source=job.source,
            video=job.video,
            images=job.images,
            document=job.document,
            analysis=job.analysis,
            wants_digests=job.wants_digests,
        )

    def to_job(self) -> InspectionJob:
        """The value that the media function takes."""
        return InspectionJob(
            source=self.source,
            video=self.video,
            images=self.images,
            document=self.document,
            analysis=self.analysis,
            wants_digests=self.wants_digests,
        )


class VideoFactsLine(WireModel):
    """`VideoFacts`."""

    pictures: int
    hidden: int
    width_px: int
    height_px: int
    codec: str
    videos: int
    audio_tracks: int
    subtitle_tracks: int
    chapters: int
    first_tick: int
    last_tick: int
    parameters: str
    packet_digests: tuple[str, ...]


class InspectedLine(WireModel):
    """An `InspectionOutcome`."""

    type: Literal["inspected"] = "inspected"
    video: VideoFactsLine | None
    summary: MediaSummary | None

    @classmethod
    def of(cls, outcome: InspectionOutcome) -> Self:
        """The line that answers a job."""
        facts = outcome.video
        return cls(
            video=None if facts is None else VideoFactsLine.model_validate(asdict(facts)),
            summary=outcome.summary,
        )

    def to_outcome(self) -> InspectionOutcome:
        """The value that the media function returned."""
        facts = None if self.video is None else VideoFacts(**self.video.model_dump())
        return InspectionOutcome(facts, self.summary)
