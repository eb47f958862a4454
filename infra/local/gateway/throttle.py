"""How often a route may be called: API Gateway's token bucket."""

import time
from collections.abc import Callable


class TokenBucket:
    """Holds `burst` tokens at most and gains `rate_per_second`; a call takes one."""

    def __init__(
        self, *, rate_per_second: float, burst: int, clock_seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate_per_second = rate_per_second
        self._burst = burst
        self._clock_seconds = clock_seconds
        self._tokens = float(burst)
        self._filled_at = clock_seconds()

    def take(self) -> float:
        """Takes a token and returns 0, or takes none and returns the seconds until there is one."""
        now = self._clock_seconds()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate_per_second)
        self._filled_at = now
        if self._tokens < 1:
            return (1 - self._tokens) / self._rate_per_second
        self._tokens -= 1
        return 0
