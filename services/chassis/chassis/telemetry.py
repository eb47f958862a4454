"""Traces: spans always have ids, for the logs; they are recorded and exported where there is somewhere to."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from chassis.settings import Settings

EXPORT_TIMEOUT_SECONDS = 2
"""For one batch with its retries. A collector that is away must not hold up the end of the process."""


def configure(settings: Settings) -> TracerProvider:
    """Makes the process's tracer provider the global one. `shutdown()` of it sends what is not sent yet.

    The exporter and the sampler read their other OTEL_* variables themselves. Sampling is by the parent's decision;
    where nothing is exported, nothing is sampled.
    """
    exported = settings.otel_exporter_otlp_endpoint is not None
    provider = TracerProvider(
        sampler=None if exported else ALWAYS_OFF,
        resource=Resource.create(
            {
                "service.name": settings.service_name,
                "service.version": settings.service_version,
                "deployment.environment.name": settings.environment,
            }
        ),
        shutdown_on_exit=False,
    )
    if exported:
        # Imported here: most laptops export nothing, and the exporter brings requests and protobuf.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=EXPORT_TIMEOUT_SECONDS)))
    trace.set_tracer_provider(provider)
    return provider
