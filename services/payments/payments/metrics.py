"""The metrics of this service, beside those of the chassis."""

from prometheus_client import Counter, Histogram

PAYMENTS = Counter(
    "payments_total", "Payments that came to an outcome; a refunded one was captured before.", ["outcome"]
)
CALL_DURATION = Histogram(
    "provider_call_duration_seconds",
    "From asking the payment provider to its answer, or to the end of our patience with it.",
    ["operation"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
ERRORS = Counter(
    "provider_errors_total",
    "Calls without a usable answer: unavailable, unknown (the answer was lost or late), refused_by_circuit, bug; "
    "and contradiction (an answer that cannot be).",
    ["kind"],
)
