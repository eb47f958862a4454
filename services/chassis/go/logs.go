package chassis

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// newLogger writes a JSON object a line, with the field names of the Python chassis: timestamp (UTC), level, event,
// logger, service, version; inside a request also request_id, trace_id and span_id. Never log a secret or a message.
func newLogger(out io.Writer, settings Settings) *slog.Logger {
	handler := slog.NewJSONHandler(out, &slog.HandlerOptions{Level: settings.LogLevel, ReplaceAttr: renamed})
	common := handler.WithAttrs([]slog.Attr{
		slog.String("logger", settings.ServiceName),
		slog.String("service", settings.ServiceName),
		slog.String("version", settings.ServiceVersion),
	})
	return slog.New(withContext{common})
}

func renamed(groups []string, attribute slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return attribute
	}
	switch attribute.Key {
	case slog.TimeKey:
		return slog.String("timestamp", attribute.Value.Time().UTC().Format("2006-01-02T15:04:05.000000Z"))
	case slog.LevelKey:
		level, _ := attribute.Value.Any().(slog.Level)
		if level == slog.LevelWarn {
			return slog.String("level", "warning")
		}
		return slog.String("level", strings.ToLower(level.String()))
	case slog.MessageKey:
		return slog.Attr{Key: "event", Value: attribute.Value}
	}
	if attribute.Value.Kind() == slog.KindDuration {
		return slog.Float64(attribute.Key+"_seconds", attribute.Value.Duration().Round(time.Microsecond).Seconds())
	}
	return attribute
}

// withContext adds what the context of a line knows: the request, and its span.
type withContext struct{ slog.Handler }

func (h withContext) Handle(ctx context.Context, record slog.Record) error {
	span := trace.SpanContextFromContext(ctx)
	if request := requestOf(ctx); request != nil {
		record.AddAttrs(slog.String("request_id", request.id))
		if !span.IsValid() {
			span = request.span
		}
	}
	if span.IsValid() {
		record.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, record)
}

func (h withContext) WithAttrs(attributes []slog.Attr) slog.Handler {
	return withContext{h.Handler.WithAttrs(attributes)}
}

func (h withContext) WithGroup(name string) slog.Handler {
	return withContext{h.Handler.WithGroup(name)}
}
