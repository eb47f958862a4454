"""The trace of an order goes on where its payment is worked on later, perhaps by another process."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.context import attach, detach
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_FIELD = "traceparent"
_propagator = TraceContextTextMapPropagator()


def current() -> str | None:
    """The current span in the notation of W3C trace context; None outside of one."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get(_FIELD)


@contextmanager
def continued(traceparent: str | None) -> Iterator[None]:
    """What is traced in the block belongs to the trace that `current` has told of."""
    token = attach(_propagator.extract({_FIELD: traceparent} if traceparent else {}))
    try:
        yield
    finally:
        detach(token)
