"""Calls of the payment provider: with a time-out, metrics, a trace and a circuit breaker."""

import asyncio
from collections.abc import Mapping
from functools import partial

import structlog
from chassis.client import CalleeUnavailableError, Circuit
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from payments import tracing
from payments.domain import Answer, Operation, Payment, idempotency_key
from payments.metrics import CALL_DURATION, ERRORS
from payments.provider import OutcomeUnknownError, Pending, Provider, ProviderUnavailableError
from payments.schedule import CALL_SECONDS
from payments.store import StoredPayment

FAILURES_TO_OPEN = 20
"""Calls go out many at once, so that one hiccup fails many of them in a row."""
OPEN_SECONDS = 5.0

log = structlog.get_logger(__name__)
tracer = trace.get_tracer(__name__)


class ProviderClient:
    """Calls the operation of the provider that the state of a payment requires."""

    def __init__(self, provider: Provider, *, call_seconds: float = CALL_SECONDS) -> None:
        self._provider = provider
        self._call_seconds = call_seconds
        # One for each operation: captures that hang must not keep anybody from voiding them.
        self._circuits: Mapping[Operation, Circuit] = {
            operation: Circuit(
                f"provider-{operation}",
                failures=(TimeoutError, OutcomeUnknownError, ProviderUnavailableError),
                failures_to_open=FAILURES_TO_OPEN,
                open_seconds=OPEN_SECONDS,
            )
            for operation in Operation
        }

    async def ask(self, stored: StoredPayment) -> Answer | None:
        """The provider's answer; None when there is none, for whatever reason. Never raises."""
        payment, operation = stored.payment, stored.payment.operation
        if operation is None:
            return None
        with (
            tracing.continued(stored.traceparent),
            tracer.start_as_current_span(f"provider {operation}", kind=SpanKind.CLIENT),
        ):
            try:
                answer = await self._circuits[operation].call(
                    partial(self._attempt, payment, operation), attempts=1, is_transient=lambda _: False
                )
            except CalleeUnavailableError:
                return None
            except Exception:
                # It may have acted: asked again under the same key, it tells.
                ERRORS.labels("bug").inc()
                log.exception("provider_failed", payment_id=str(payment.id), operation=operation)
                return None
        return None if isinstance(answer, Pending) else answer

    async def _attempt(self, payment: Payment, operation: Operation) -> Answer | Pending:
        try:
            with CALL_DURATION.labels(operation).time():
                async with asyncio.timeout(self._call_seconds):
                    return await self._operate(payment, operation)
        except ProviderUnavailableError:
            ERRORS.labels("unavailable").inc()
            raise
        except (OutcomeUnknownError, TimeoutError):
            ERRORS.labels("unknown").inc()
            raise

    async def _operate(self, payment: Payment, operation: Operation) -> Answer | Pending:
        key = idempotency_key(payment, operation)
        match operation:
            case Operation.CAPTURE:
                return await self._provider.capture(key, payment.id, payment.due)
            case Operation.VOID:
                return await self._provider.void(key, payment.id)
            case Operation.REFUND:
                if payment.provider_reference is None:
                    raise ValueError(f"payment {payment.id} was not captured")
                return await self._provider.refund(key, payment.provider_reference, payment.due)
