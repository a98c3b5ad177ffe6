"""What every decision about a step says."""

from dataclasses import dataclass

from workers.protocol.steps import PlanStep, StepKind


@dataclass(frozen=True, slots=True)
class Decision:
    """A step, or None and the reason."""

    kind: StepKind
    step: PlanStep | None
    reason: str
