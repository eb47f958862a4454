package chassis

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// For one batch with its retries: a collector that is away must not hold up the end of the process.
const exportTimeout = 2 * time.Second

// traces makes the process's tracer provider the global one. Spans are always made, so that logs carry their ids; they
// are exported when there is somewhere to. The function it returns sends what is not sent yet. The exporter and the
// sampler read their other OTEL_* variables themselves.
func traces(ctx context.Context, settings Settings) (func(context.Context) error, error) {
	described, err := resource.Merge(resource.Default(), resource.NewSchemaless(
		attribute.String("service.name", settings.ServiceName),
		attribute.String("service.version", settings.ServiceVersion),
		attribute.String("deployment.environment.name", settings.Environment),
	))
	if err != nil {
		return nil, err
	}
	options := []trace.TracerProviderOption{trace.WithResource(described)}
	if settings.OTLPEndpoint != "" {
		exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithTimeout(exportTimeout))
		if err != nil {
			return nil, err
		}
		options = append(options, trace.WithBatcher(exporter))
	}
	provider := trace.NewTracerProvider(options...)
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		slog.Warn("telemetry_failed", "reason", err.Error())
	}))
	return provider.Shutdown, nil
}
