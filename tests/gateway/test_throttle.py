import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.gateway.throttle import TokenBucket


class Clock:
    def __init__(self) -> None:
        self.now_seconds = 1000.0

    def __call__(self) -> float:
        return self.now_seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def taken(bucket: TokenBucket, calls: int) -> int:
    return sum(bucket.take() == 0 for _ in range(calls))


def test_a_burst_passes_at_once_and_no_more(clock: Clock) -> None:
    assert taken(TokenBucket(rate_per_second=10, burst=5, clock_seconds=clock), 8) == 5


def test_tokens_come_back_at_the_rate(clock: Clock) -> None:
    bucket = TokenBucket(rate_per_second=10, burst=5, clock_seconds=clock)
    taken(bucket, 5)

    clock.now_seconds += 0.25

    assert taken(bucket, 5) == 2


def test_a_long_rest_gives_no_more_than_the_burst(clock: Clock) -> None:
    bucket = TokenBucket(rate_per_second=10, burst=5, clock_seconds=clock)
    clock.now_seconds += 3600

    assert taken(bucket, 20) == 5


def test_who_is_refused_learns_when_the_next_token_comes(clock: Clock) -> None:
    bucket = TokenBucket(rate_per_second=0.5, burst=1, clock_seconds=clock)
    bucket.take()
    clock.now_seconds += 0.5

    wait_seconds = bucket.take()

    assert wait_seconds == pytest.approx(1.5)
    clock.now_seconds += wait_seconds
    assert bucket.take() == 0


def test_a_refusal_costs_nothing(clock: Clock) -> None:
    bucket = TokenBucket(rate_per_second=1, burst=1, clock_seconds=clock)
    taken(bucket, 50)
    clock.now_seconds += 1

    assert taken(bucket, 5) == 1


@given(
    rate_per_second=st.floats(0.1, 1000),
    burst=st.integers(1, 50),
    pauses_seconds=st.lists(st.floats(0, 2), max_size=60),
)
def test_in_no_stretch_of_time_do_more_pass_than_the_burst_and_what_the_rate_gives(
    rate_per_second: float, burst: int, pauses_seconds: list[float]
) -> None:
    clock = Clock()
    bucket = TokenBucket(rate_per_second=rate_per_second, burst=burst, clock_seconds=clock)
    passed_at: list[float] = []
    for pause_seconds in pauses_seconds:
        clock.now_seconds += pause_seconds
        if bucket.take() == 0:
            passed_at.append(clock.now_seconds)

    for first, began in enumerate(passed_at):
        for last in range(first, len(passed_at)):
            allowed = burst + (passed_at[last] - began) * rate_per_second
            assert last - first + 1 <= math.floor(allowed + 1e-6)
