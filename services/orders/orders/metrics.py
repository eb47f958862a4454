"""What this service counts beside what every service does.

Counted before the commit: a change that is rolled back and done again counts twice.
"""

from prometheus_client import Counter, Gauge, Histogram

ORDERS = Counter("orders_total", "Orders by what became of them; cause: why one was cancelled.", ["outcome", "cause"])
SAGA_DURATION = Histogram(
    "saga_duration_seconds",
    "From placing an order to confirming or cancelling it.",
    ["outcome"],
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 60, 300, 900, 3600),
)
SAGA_OVERDUE = Gauge(
    "saga_overdue", "Orders whose time is up and nobody has seen to, or whose compensation is long unanswered."
)
PRICES_FALLBACK = Counter("prices_fallback_total", "Orders at list prices for want of a usable quote.", ["reason"])
