package chassis

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
)

// exporting makes a span and gives the error of sending it to an endpoint.
func exporting(t *testing.T, endpoint string) error {
	t.Helper()
	before := otel.GetTracerProvider()
	defer otel.SetTracerProvider(before)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
	settings := Settings{ServiceName: "echo", ServiceVersion: "7", Environment: "local", OTLPEndpoint: endpoint}
	flush, err := traces(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	_, span := otel.Tracer("test").Start(t.Context(), "a span")
	span.End()
	flushing, cancel := context.WithTimeout(t.Context(), exportTimeout)
	defer cancel()
	return flush(flushing)
}

func TestSpansAreExportedWithTheNameOfTheService(t *testing.T) {
	received := make(chan []byte, 1)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		received <- append([]byte(r.URL.Path+" "), body...)
	}))
	defer collector.Close()
	if err := exporting(t, collector.URL); err != nil {
		t.Fatal(err)
	}
	sent := <-received
	for _, want := range []string{"/v1/traces ", "a span", "service.name", "echo", "deployment.environment.name"} {
		if !bytes.Contains(sent, []byte(want)) {
			t.Errorf("%q is not in %q", want, sent)
		}
	}
}

func TestACollectorThatSaysNothingDoesNotHoldUpTheEnd(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	begun := time.Now()
	err = exporting(t, "http://"+silent.Addr().String())
	if took := time.Since(begun); err == nil || took > exportTimeout+time.Second {
		t.Errorf("after %s: %v", took, err)
	}
}
