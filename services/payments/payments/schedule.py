"""When the provider is asked, and for how long."""

from datetime import datetime, timedelta

from chassis.pacing import growing, jittered

from payments.domain import State
from payments.store import Kept

CALL_SECONDS = 4.0
"""A capture takes a second or two at real providers."""
LEASE = timedelta(seconds=15)
"""Longer than a call and keeping its outcome: so long a payment waits when the process that works on it dies."""
PATIENCE = timedelta(seconds=20)
"""So long after the first attempt a capture without an outcome is given up."""
RETRY_SECONDS = 0.5
RETRY_MOST_SECONDS = 30.0


def patience_is_over(kept: Kept, now: datetime) -> bool:
    return kept.payment.state is State.REQUESTED and now >= _gives_up_at(kept, now)


def retry_at(kept: Kept, now: datetime) -> datetime:
    """When to ask again after an attempt without an outcome."""
    seconds = growing(kept.attempts, first_seconds=RETRY_SECONDS, most_seconds=RETRY_MOST_SECONDS)
    again = now + timedelta(seconds=jittered(seconds))
    return min(again, _gives_up_at(kept, now)) if kept.payment.state is State.REQUESTED else again


def _gives_up_at(kept: Kept, now: datetime) -> datetime:
    return (kept.first_attempt_at or now) + PATIENCE
