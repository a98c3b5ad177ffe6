"""Every message that travels between the desktop and the workers, over AMQP or over stdio."""

from typing import Annotated, Literal

from pydantic import Field

from workers.protocol.media import MediaInfo
from workers.protocol.model import Identifier, Percent, Text, Uri, WireModel
from workers.protocol.plan import EnhancementPlan
from workers.protocol.results import MediaSummary, TaskError, TaskResult
from workers.protocol.segments import ANALYSIS, ASSEMBLY, PartName, SegmentSpan, Sha256, segment_part
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ControlAction, ProcessType, Stage, Status, WorkerState
from workers.protocol.transfers import RemoteFiles, SentObject

PROTOCOL_VERSION: Literal[1] = 1
MAX_PREVIEW_S = 3.0


class SourceRef(WireModel):
    """Where the file lies and how to recognise that it is still the same file."""

    uri: Uri
    size_bytes: Annotated[int, Field(ge=0)]
    mtime_ns: int


class OutputTarget(WireModel):
    """Where results appear. `stem` is unique among the sender's files and holds no path separator."""

    directory_uri: Uri
    stem: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^/\\\x00]+$")]
    metadata_directory_uri: Uri | None = None
    """None: beside the result."""
    thumbnails_directory_uri: Uri | None = None


class TaskMessage(WireModel):
    """Fields every task has."""

    version: Literal[1] = PROTOCOL_VERSION
    file_id: Identifier
    client_id: Identifier


class WorkTask(TaskMessage):
    """Fields of every task that makes something of a file and is tried again when it fails."""

    attempt: Annotated[int, Field(ge=1, le=1000)]
    source: SourceRef
    output: OutputTarget
    settings: EnhancementSettings
    timeout_s: Annotated[float, Field(gt=0, le=7 * 86_400)]
    gentle: bool = False
    """Second attempt on the only worker there is: one thread, no hardware encoder."""
    remote: RemoteFiles | None = None
    """For workers that do not share the folders; None: every worker opens the files themselves."""

    @property
    def part(self) -> PartName | None:
        """Which part of an enhancement this is; None: the whole file."""
        return None


class FileTask(WorkTask):
    """Enhance a file and extract its metadata: one publish reaches both queues, each worker does its part."""

    type: Literal["file"] = "file"
    process_types: Annotated[tuple[ProcessType, ...], Field(min_length=1, max_length=2)]
    """Which parts are wanted. A worker whose part is not among them acknowledges and says nothing."""


class AnalysisTask(WorkTask):
    """Analyse a long file and plan its segments; answered with an `AnalysisResult`."""

    type: Literal["analysis"] = "analysis"
    segment_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """About how long a segment should be."""

    @property
    def part(self) -> PartName | None:
        """The analysis."""
        return ANALYSIS


class SegmentTask(WorkTask):
    """Enhance one segment; answered with a `SegmentResult`."""

    type: Literal["segment"] = "segment"
    plan_sha256: Sha256
    """Of the segment plan, as the analysis answered: the worker finds it in the parts' folder and compares."""
    span: SegmentSpan

    @property
    def part(self) -> PartName | None:
        """The segment."""
        return segment_part(self.span.number)


class AssemblyTask(WorkTask):
    """Join all segments with everything else of the source, verify, publish; answered with an `EnhancementResult`.

    Or with an `AnalysisResult` of another round, when the harm gate asks for the segments again.
    """

    type: Literal["assembly"] = "assembly"
    plan_sha256: Sha256

    @property
    def part(self) -> PartName | None:
        """The assembly."""
        return ASSEMBLY


class ProbeTask(TaskMessage):
    """Look at a dropped file; only ever sent to a local worker, which answers with a `ProbeReply`."""

    type: Literal["probe"] = "probe"
    source: SourceRef
    thumbnail_uri: Uri | None = None
    """Where to write a small JPEG of an early frame; None: no picture."""
    max_size_bytes: Annotated[int, Field(gt=0)] | None = None


class PreviewTask(TaskMessage):
    """Show what enhancing would do; only ever sent to a local worker, which answers with a `PreviewReply`.

    The newest request of a client wins: an older one that waits or runs is dropped, and its reply says so.
    """

    type: Literal["preview"] = "preview"
    request: Annotated[int, Field(ge=1)]
    """Rises with every request of the client; the reply carries it."""
    source: SourceRef
    settings: EnhancementSettings
    at_s: Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False)]
    """Moment on the result's clock; past the end the last picture is shown."""
    duration_s: Annotated[float, Field(ge=0, le=MAX_PREVIEW_S)] = 0.0
    """0: one picture; otherwise a clip that begins at `at_s`."""
    max_side_px: Annotated[int, Field(ge=16, le=16_384)] = 1920
    """The pictures are made smaller where width or height is larger."""
    wants_size: bool = False
    """Also predict the size of the whole result, which takes about three hundredths of the whole work."""
    directory_uri: Uri
    """An existing folder for the pictures; whoever asks deletes them."""


class ControlMessage(WireModel):
    """Goes to every worker of the exchange `worker_control`; whom it does not concern ignores it."""

    version: Literal[1] = PROTOCOL_VERSION
    type: Literal["control"] = "control"
    action: ControlAction
    client_id: Identifier | None = None
    """A cancel concerns only tasks of this client."""
    file_id: Identifier | None = None
    process_type: ProcessType | None = None
    """None: both."""
    part: PartName | None = None
    """A cancel concerns this part only; None: the task of the whole file."""
    attempt: Annotated[int, Field(ge=1)] | None = None
    """A cancel concerns this attempt and earlier ones; None: the one that runs or arrives next."""
    worker_id: Identifier | None = None
    """None: every worker."""


class AcceptTask(TaskMessage):
    """Take over what a worker elsewhere handed over; only ever sent to a local worker, answered with an `AcceptReply`.

    What lies in the folder is checked and then published as if the task had been done on this computer.
    """

    type: Literal["accept"] = "accept"
    task: Annotated[FileTask | AnalysisTask | SegmentTask | AssemblyTask, Field(discriminator="type")]
    process_type: ProcessType
    directory_uri: Uri
    """An existing folder on the output's disk; its objects are gone after the reply."""
    sent: Annotated[tuple[SentObject, ...], Field(max_length=64)]
    result: TaskResult
    """What the worker said; believed only where the objects bear it out."""


class AcceptReply(WireModel):
    """Answer to an `AcceptTask`: exactly one of `result`, with addresses on this computer, and `error` is set."""

    version: Literal[1] = PROTOCOL_VERSION
    type: Literal["accept_reply"] = "accept_reply"
    file_id: Identifier
    client_id: Identifier
    result: TaskResult | None = None
    error: TaskError | None = None


class StatusMessage(WireModel):
    """State of one process of one file. Ordered by (attempt, sequence).

    `failed` means that *this attempt* failed; whether the file is tried again is the dispatcher's decision.
    """

    version: Literal[1] = PROTOCOL_VERSION
    type: Literal["status"] = "status"
    file_id: Identifier
    client_id: Identifier
    process_type: ProcessType
    part: PartName | None = None
    """Which part of an enhancement; None: the whole file in one task."""
    status: Status
    progress: Percent = 0
    error: TaskError | None = None
    attempt: Annotated[int, Field(ge=1)]
    sequence: Annotated[int, Field(ge=0)]
    """Rises by at least one with every status of the same process and attempt, also across a redelivery."""
    worker_id: Identifier
    stage: Stage = Stage.WAITING
    frames_done: int = 0
    frames_total: int | None = None
    frames_per_s: float | None = None
    remaining_s: float | None = None
    result: TaskResult | None = None
    sent: Annotated[tuple[SentObject, ...], Field(max_length=64)] = ()
    """What was handed over with a completed task; the addresses in `result` are the worker's own then."""


class ProbeReply(WireModel):
    """Answer to a `ProbeTask`: exactly one of `info` and `error` is set."""

    version: Literal[1] = PROTOCOL_VERSION
    type: Literal["probe_reply"] = "probe_reply"
    file_id: Identifier
    client_id: Identifier
    info: MediaInfo | None = None
    summary: MediaSummary | None = None
    thumbnail_uri: Uri | None = None
    error: TaskError | None = None


class PreviewPictures(WireModel):
    """The same moment, or the same moments, before and after: two PNG pictures or two MP4 files of one size."""

    before_uri: Uri
    """The source as the result would show it without picture steps: upright, square pixels, SDR."""
    after_uri: Uri
    is_clip: bool
    width_px: int
    height_px: int
    at_s: float
    """Exact time of the (first) picture on the result's clock."""
    frames: int
    plan: EnhancementPlan
    """What would be done and why; with the predicted size where it was asked for."""
    notes: tuple[Text, ...] = ()
    """What is not as in the whole run, in words; empty when the pictures are the run's own."""


class PreviewReply(WireModel):
    """Answer to a `PreviewTask`: one of `pictures` and `error` is set, or it was dropped for a newer one."""

    version: Literal[1] = PROTOCOL_VERSION
    type: Literal["preview_reply"] = "preview_reply"
    file_id: Identifier
    client_id: Identifier
    request: int
    pictures: PreviewPictures | None = None
    error: TaskError | None = None
    was_dropped: bool = False


class CurrentTask(WireModel):
    """What a busy worker is working on."""

    file_id: Identifier
    client_id: Identifier
    process_type: ProcessType
    part: PartName | None = None
    attempt: int
    stage: Stage
    progress: Percent
    frames_per_s: float | None = None


class WorkerHeartbeat(WireModel):
    """A worker says that it lives; also the first thing it says and, with `stopping`, the last."""

    version: Literal[1] = PROTOCOL_VERSION
    type: Literal["worker"] = "worker"
    worker_id: Identifier
    host: str
    pid: int
    process_types: tuple[ProcessType, ...]
    state: WorkerState
    slots: int = 1
    current: tuple[CurrentTask, ...] = ()
    message: Text | None = None
    """Why it is paused, set aside or out of disk, in words."""
    program_version: str
    sequence: int
    started_at: str


type AnyWorkTask = FileTask | AnalysisTask | SegmentTask | AssemblyTask

ToWorker = Annotated[
    FileTask
    | AnalysisTask
    | SegmentTask
    | AssemblyTask
    | ProbeTask
    | PreviewTask
    | AcceptTask
    | ControlMessage,
    Field(discriminator="type"),
]
FromWorker = Annotated[
    StatusMessage | ProbeReply | PreviewReply | AcceptReply | WorkerHeartbeat, Field(discriminator="type")
]
