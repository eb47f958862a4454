"""When the provider is asked, and for how long."""

from datetime import datetime, timedelta

from chassis.pacing import exponential_backoff, with_jitter

from payments.domain import State
from payments.store import StoredPayment

CALL_SECONDS = 4.0
"""A capture takes a second or two at real providers."""
LEASE = timedelta(seconds=15)
"""Longer than a call and storing its outcome. After it, another worker takes over the payment of one that died."""
CAPTURE_TIMEOUT = timedelta(seconds=20)
"""A capture that has no outcome so long after its first attempt is given up."""
RETRY_SECONDS = 0.5
RETRY_MAX_SECONDS = 30.0


def has_timed_out(stored: StoredPayment, now: datetime) -> bool:
    return stored.payment.state is State.REQUESTED and now >= _gives_up_at(stored, now)


def retry_at(stored: StoredPayment, now: datetime) -> datetime:
    """When to ask again after an attempt without an outcome."""
    seconds = exponential_backoff(stored.attempts, first_seconds=RETRY_SECONDS, max_seconds=RETRY_MAX_SECONDS)
    again = now + timedelta(seconds=with_jitter(seconds))
    return min(again, _gives_up_at(stored, now)) if stored.payment.state is State.REQUESTED else again


def _gives_up_at(stored: StoredPayment, now: datetime) -> datetime:
    return (stored.first_attempt_at or now) + CAPTURE_TIMEOUT
