"""The metrics of every service. Counted in the process's one registry, read at /metrics."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

# Finer than the library's default below 100 ms, where a healthy service is.
_BUCKETS_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)

HTTP_REQUESTS = Counter("http_requests_total", "Requests answered.", ["method", "route", "status"])
HTTP_DURATION = Histogram(
    "http_request_duration_seconds",
    "From the request's head to the end of the answer.",
    ["method", "route", "status"],
    buckets=_BUCKETS_SECONDS,
)
CIRCUIT_STATE = Gauge(
    "circuit_breaker_state", "Of the calls to another service: 0 closed, 1 half open, 2 open.", ["callee"]
)
