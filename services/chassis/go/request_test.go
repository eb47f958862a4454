package chassis

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestOnePortSpeaksEveryProtocol(t *testing.T) {
	r := start(t, echoService(t), time.Hour)
	for name, options := range map[string][]connect.ClientOption{
		"gRPC": {connect.WithGRPC()}, "gRPC-Web": {connect.WithGRPCWeb()}, "Connect": nil, "JSON": {connect.WithProtoJSON()},
	} {
		answer, err := r.echo(options...).CallUnary(context.Background(), connect.NewRequest(wrapperspb.String("tea")))
		if err != nil || answer.Msg.GetValue() != "tea" {
			t.Errorf("%s: got %v, %v", name, answer, err)
		}
	}
	answer, err := client(false).Post(r.url(say), "application/json", strings.NewReader(`"tea"`))
	if err != nil || answer.StatusCode != 200 || answer.ProtoMajor != 1 {
		t.Errorf("JSON by HTTP/1.1: got %v, %v", answer, err)
	}
}

func TestTheProbesAnswer(t *testing.T) {
	r := start(t, echoService(t), time.Hour)
	for _, path := range []string{"/livez", "/readyz"} {
		if status, body := r.get(t, path); status != 200 || body != "ok" {
			t.Errorf("%s answers %d %q", path, status, body)
		}
	}
	if status, body := r.get(t, "/metrics"); status != 200 || !strings.Contains(body, "\ngo_goroutines ") {
		t.Errorf("/metrics answers %d %q", status, body)
	}
}

func TestARequestKeepsTheIDOfItsCallerWhenItIsSane(t *testing.T) {
	r := start(t, echoService(t), time.Hour)
	for given, kept := range map[string]bool{
		"from-the-gateway/1:2": true, "": false, "a b": false, "ü": false, strings.Repeat("x", 129): false,
	} {
		call := connect.NewRequest(wrapperspb.String("tea"))
		if given != "" {
			call.Header().Set("X-Request-Id", given)
		}
		answer, err := r.echo().CallUnary(context.Background(), call)
		if err != nil {
			t.Fatal(err)
		}
		if got := answer.Header().Get("X-Request-Id"); (got == given) != kept || got == "" {
			t.Errorf("sent %q, got %q", given, got)
		}
	}
}

func call(t *testing.T, r *running, text, id string, options ...connect.ClientOption) error {
	t.Helper()
	request := connect.NewRequest(wrapperspb.String(text))
	request.Header().Set("X-Request-Id", id)
	request.Header().Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	_, err := r.echo(options...).CallUnary(context.Background(), request)
	return err
}

func TestALineOfTheLogHasTheFieldsOfEveryService(t *testing.T) {
	r := start(t, echoService(t), time.Hour)
	spans.Reset()
	if err := call(t, r, "tea", "logged-1", connect.WithGRPC()); err != nil {
		t.Fatal(err)
	}
	line := lines.of(t, "logged-1")[0]
	for field, want := range map[string]any{
		"level": "info", "event": "request_handled", "logger": "echo", "service": "echo", "version": "7",
		"method": "POST", "route": say, "path": say, "status": 200.0,
		"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
	} {
		if line[field] != want {
			t.Errorf("%s is %v, want %v", field, line[field], want)
		}
	}
	if _, err := time.Parse("2006-01-02T15:04:05.000000Z", line["timestamp"].(string)); err != nil {
		t.Error(err)
	}
	if seconds, _ := line["duration_seconds"].(float64); seconds <= 0 {
		t.Errorf("it took %v", line["duration_seconds"])
	}
	made := spans.GetSpans()
	if len(made) != 1 || made[0].SpanContext.SpanID().String() != line["span_id"] || made[0].Name != say[1:] {
		t.Errorf("the line belongs to span %v; made were %v", line["span_id"], made)
	}
}

func TestRequestsAreCountedByHowTheyWent(t *testing.T) {
	r := start(t, echoService(t), time.Hour)
	count := func(method, route, status string) float64 {
		return testutil.ToFloat64(httpRequests.WithLabelValues(method, route, status))
	}
	for _, each := range []struct {
		status  string
		options []connect.ClientOption
		text    string
	}{
		{"200", []connect.ClientOption{connect.WithGRPC()}, "tea"},
		{"400", []connect.ClientOption{connect.WithGRPC()}, "refuse"},
		{"500", []connect.ClientOption{connect.WithGRPC()}, "panic"},
		{"400", nil, "refuse"},
		{"500", nil, "panic"},
	} {
		before := count("POST", say, each.status)
		_ = call(t, r, each.text, "counted", each.options...)
		eventually(t, each.text+" is counted as "+each.status, func() bool {
			return count("POST", say, each.status) == before+1
		})
	}
}

func TestWhatNobodyDeclaredHasOneRouteAndWhatThePlatformAsksHasNone(t *testing.T) {
	r := start(t, echoService(t), time.Hour)
	r.get(t, "/livez")
	r.get(t, "/made-up-1")
	r.get(t, "/shop.test.v1.Echo/MadeUp")
	request, _ := http.NewRequest("BREW", r.url("/tea"), nil)
	if _, err := client(false).Do(request); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the last request is counted", func() bool {
		return testutil.ToFloat64(httpRequests.WithLabelValues("other", unmatched, "404")) > 0
	})
	_, metrics := r.get(t, "/metrics")
	for _, unwanted := range []string{"made-up", "MadeUp", "livez", "BREW"} {
		if strings.Contains(metrics, unwanted) {
			t.Errorf("%s is a label", unwanted)
		}
	}
	if testutil.ToFloat64(httpRequests.WithLabelValues("GET", unmatched, "404")) < 2 {
		t.Error("the others are not counted")
	}
}

func TestAPanicIsAnsweredInTheCallersProtocolAndLogged(t *testing.T) {
	r := start(t, echoService(t), time.Hour)
	for name, options := range map[string][]connect.ClientOption{
		"grpc": {connect.WithGRPC()}, "web": {connect.WithGRPCWeb()}, "connect": nil,
	} {
		id := "panic-" + name
		err := call(t, r, "panic", id, options...)
		if connect.CodeOf(err) != connect.CodeInternal || !strings.Contains(err.Error(), id) {
			t.Errorf("%s: answered %v", name, err)
		}
		if strings.Contains(err.Error(), "on purpose") {
			t.Errorf("%s: the caller sees inside: %v", name, err)
		}
		if line := lines.of(t, id)[0]; line["event"] != "request_failed" || line["reason"] != "broken on purpose" {
			t.Errorf("%s: logged %v", name, line)
		}
	}
	if status, body := r.get(t, "/panic"); status != 500 || strings.Contains(body, "on purpose") {
		t.Errorf("answered %d %q", status, body)
	}
	if answer, err := client(false).Get(r.url("/panic/late")); err == nil {
		if _, err = answer.Body.Read(make([]byte, 64)); err == nil {
			_, err = answer.Body.Read(make([]byte, 64))
		}
		if err == nil || err.Error() == "EOF" {
			t.Error("half of an answer looks like a whole one")
		}
	}
}

func TestEveryCodeOfGRPCIsCountedByTheStatusThatConnectAnswers(t *testing.T) {
	refuse := func(_ context.Context, call *connect.Request[wrapperspb.UInt32Value]) (*connect.Response[wrapperspb.UInt32Value], error) {
		return nil, connect.NewError(connect.Code(call.Msg.GetValue()), nil)
	}
	r := start(t, Service{Routes: map[string]http.Handler{say: connect.NewUnaryHandler(say, refuse)}}, time.Hour)
	for code := connect.CodeCanceled; code <= connect.CodeUnauthenticated; code++ {
		body := strings.NewReader(strconv.Itoa(int(code)))
		answer, err := client(false).Post(r.url(say), "application/json", body)
		if err != nil || answer.StatusCode != httpStatus(code) {
			t.Errorf("%s: Connect answers %v, we count %d", code, answer, httpStatus(code))
		}
	}
}
