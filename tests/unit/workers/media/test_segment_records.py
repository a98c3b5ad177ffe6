"""What the assembly believes of finished segments, and how their measurements become one judgement."""

from typing import Any

import pytest

from workers.errors import TaskFailedError
from workers.media.gate import Gate
from workers.media.segment_records import check_records, judged, merged_proof
from workers.media.timestamps import FrameTime
from workers.protocol.analysis import Analysis, ColourCast
from workers.protocol.plan import EnhancementPlan, OutputColour
from workers.protocol.segments import GateMeasures, SegmentPlan, SegmentRecord, SegmentSpan
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ErrorCode
from workers.protocol.steps import SharpenStep

COUNTS = (3, 2, 4)
TIMES = tuple(FrameTime(100 * number, 100) for number in range(sum(COUNTS)))
SHARPEN = SharpenStep(amount=0.3, reason="a test")


def plan_of(*steps: SharpenStep) -> SegmentPlan:
    analysis = Analysis(
        sampled_frames=0,
        noise_sigma=0,
        noise_is_correlated=False,
        noise_confidence=0,
        black_level=0,
        white_level=1,
        mean_level=0.5,
        contrast_spread=0.5,
        cast=ColourCast(cb=0, cr=0, confidence=0),
        sharpness=0,
    )
    plan = EnhancementPlan(
        settings=EnhancementSettings(),
        steps=steps,
        skipped=(),
        width_px=16,
        height_px=16,
        colour=OutputColour(primaries="bt709", transfer="bt709", matrix="bt709", is_assumed=False),
        remux=False,
        remux_reason="",
    )
    firsts = [sum(COUNTS[:number]) for number in range(len(COUNTS))]
    return SegmentPlan(
        settings_key="key",
        analysis=analysis,
        plan=plan,
        spans=tuple(
            SegmentSpan(number=number, first=first, count=count, start_s=first, duration_s=count)
            for number, (first, count) in enumerate(zip(firsts, COUNTS, strict=True))
        ),
        source_pictures=sum(COUNTS),
        output_pictures=sum(COUNTS),
        scan_sha256="1" * 64,
        times_sha256="2" * 64,
    )


def record(span: SegmentSpan, **changes: Any) -> SegmentRecord:
    made: dict[str, Any] = {
        "plan_sha256": "3" * 64,
        "number": span.number,
        "file_name": f"segment-{span.number:05}.mp4",
        "size_bytes": 10,
        "sha256": "4" * 64,
        "pictures": span.count,
        "first_tick": TIMES[span.first].ticks,
        "end_tick": TIMES[span.first + span.count - 1].end,
        "packet_digests": tuple(f"{span.number:02x}{place:02x}" for place in range(span.count)),
        "parameters": "abcd",
        "decoded_pictures": span.count,
        "decode_errors": 0,
        "source_pictures": span.count + 4,
        "seconds": 1,
        "worker_id": "worker",
    }
    return SegmentRecord(**{**made, **changes})


def records_of(plan: SegmentPlan, **changes: Any) -> list[SegmentRecord]:
    """The second one with changes."""
    return [record(span, **(changes if span.number == 1 else {})) for span in plan.spans]


def test_records_that_say_what_the_plan_says_are_taken() -> None:
    plan = plan_of()
    check_records(records_of(plan), plan, TIMES)


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"number": 2}, ErrorCode.PARTS_MISSING),
        ({"pictures": 3}, ErrorCode.PARTS_MISSING),
        ({"packet_digests": ("00",)}, ErrorCode.PARTS_MISSING),
        ({"first_tick": 301}, ErrorCode.PARTS_MISSING),
        ({"end_tick": 499}, ErrorCode.PARTS_MISSING),
        ({"plan_sha256": "5" * 64}, ErrorCode.PARTS_MISSING),
        ({"parameters": "abce"}, ErrorCode.NOT_IN_PARTS),
    ],
)
def test_a_record_that_says_something_else_is_refused(changes: dict[str, Any], code: ErrorCode) -> None:
    plan = plan_of()
    with pytest.raises(TaskFailedError) as refused:
        check_records(records_of(plan, **changes), plan, TIMES)
    assert refused.value.code is code


def test_a_missing_record_is_noticed() -> None:
    plan = plan_of()
    with pytest.raises(TaskFailedError) as refused:
        check_records(records_of(plan)[:2], plan, TIMES)
    assert refused.value.code is ErrorCode.PARTS_MISSING


def test_the_proofs_of_all_segments_are_one() -> None:
    proof = merged_proof(records_of(plan_of(), decoded_pictures=1, decode_errors=2))
    assert [digest.hex() for digest in proof.digests] == [
        "0000", "0001", "0002", "0100", "0101", "0200", "0201", "0202", "0203"
    ]  # fmt: skip
    assert (proof.frames, proof.errors, proof.parameters.hex()) == (8, 2, "abcd")


def test_the_gate_judges_over_all_segments_together() -> None:
    plan = plan_of(SHARPEN)
    harmful = GateMeasures(newly_clipped=100, pixels=1000, samples=1)
    harmless = GateMeasures(newly_clipped=0, pixels=1000, samples=1)
    spans = plan.spans
    mixed = [record(span, gate=harmful if span.number == 1 else harmless) for span in spans]
    found = judged(plan, mixed)
    assert found is not None
    assert not found.passed
    assert found.sampled_frames == 3
    assert found.newly_clipped_share == pytest.approx(1 / 30)
    good = judged(plan, [record(span, gate=harmless) for span in spans])
    assert good is not None
    assert good.passed


def test_without_a_step_that_could_harm_nothing_is_judged() -> None:
    plan = plan_of()
    assert judged(plan, records_of(plan)) is None


def test_measures_that_were_taken_apart_are_those_that_were_taken_together() -> None:
    plan = plan_of(SHARPEN).plan
    parts = [
        GateMeasures(
            sigmas_before=(1.0 + number, 2.0),
            sigmas_after=(0.5, 0.25 * number),
            newly_clipped=number,
            pixels=100,
            flat_error=3.5 * number,
            flat_pixels=64,
            samples=2,
        )
        for number in range(3)
    ]
    whole, apart = Gate(plan), Gate(plan)
    for measures in parts:
        whole.merge(measures)
        alone = Gate(plan)
        alone.merge(measures)
        assert alone.measures() == measures
        apart.merge(alone.measures())
    assert apart.measures() == whole.measures()
    assert apart.result() == whole.result()
    assert whole.measures().samples == 6
