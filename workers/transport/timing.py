"""How patient a link to the broker is; apart, so that a worker without a broker need not load its library."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LinkTiming:
    """How long a link waits for what; tests are more impatient."""

    confirm_s: float = 20.0
    progress_s: float = 3.0
    resend_s: float = 30.0
    watch_s: float = 15.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 30.0
