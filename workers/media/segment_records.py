"""What the records of finished segments say together. Pure: they are compared with the plan, and added up."""

from collections.abc import Sequence

from workers.errors import TaskFailedError
from workers.media.filters.graph import is_judged
from workers.media.gate import Gate
from workers.media.notes import note
from workers.media.plan import without_picture_steps
from workers.media.proof import Proof
from workers.media.side_files import parts_missing
from workers.media.timestamps import FrameTime
from workers.protocol.media import StreamInfo
from workers.protocol.report import GateResult, NoteCode
from workers.protocol.segments import SegmentPlan, SegmentRecord
from workers.protocol.states import ErrorCode


def check_records(records: Sequence[SegmentRecord], plan: SegmentPlan, times: Sequence[FrameTime]) -> None:
    """Every segment of the plan is there once, and made by it.

    Args:
        records: of all segments.
        plan: their spans.
        times: of every output picture.

    Raises:
        TaskFailedError: PARTS_MISSING when a record is missing or says something else than the plan; NOT_IN_PARTS when
            the coded forms of two segments differ.
    """
    if len(records) != len(plan.spans) or len({record.plan_sha256 for record in records}) != 1:
        raise parts_missing(f"{len(records)} segments of {len(plan.spans)}, or of different plans")
    for record, span in zip(records, plan.spans, strict=True):
        first, last = times[span.first], times[span.first + span.count - 1]
        said = (record.number, record.pictures, len(record.packet_digests))
        if said != (span.number, span.count, span.count):
            raise parts_missing(f"segment {span.number} does not hold {span.count} pictures")
        if (record.first_tick, record.end_tick) != (first.ticks, last.end):
            raise parts_missing(f"segment {span.number} lies elsewhere on the clock")
    if len({record.parameters for record in records}) != 1:
        raise TaskFailedError(
            ErrorCode.NOT_IN_PARTS,
            "The segments of this video were coded in forms that do not fit together; it is done as a whole.",
            detail="the parameter sets of the segments differ",
        )


def judged(plan: SegmentPlan, records: Sequence[SegmentRecord]) -> GateResult | None:
    """The harm gate's judgement over all segments together; None where there is nothing to judge."""
    if not is_judged(plan.plan):
        return None
    gate = Gate(plan.plan)
    for record in records:
        if record.gate is not None:
            gate.merge(record.gate)
    return gate.result()


def another_round(plan: SegmentPlan, gate: GateResult, video: StreamInfo) -> tuple[SegmentPlan, str]:
    """The same segments without the picture steps, and the reason that the gate found."""
    reason = f"The do-no-harm gate found: {gate.detail}."
    fallback = note(NoteCode.HARM_GATE_FELL_BACK, reason, video)
    again = plan.model_copy(
        update={
            "round": plan.round + 1,
            "plan": without_picture_steps(plan.plan, reason),
            "notes": (*plan.notes, fallback),
            "failed_gate": gate,
        }
    )
    return again, reason


def merged_proof(records: Sequence[SegmentRecord]) -> Proof:
    """That the coded pictures of all segments decode, in the order of the joined track."""
    return Proof(
        digests=tuple(bytes.fromhex(digest) for record in records for digest in record.packet_digests),
        parameters=bytes.fromhex(records[0].parameters),
        frames=sum(record.decoded_pictures for record in records),
        errors=sum(record.decode_errors for record in records),
    )
