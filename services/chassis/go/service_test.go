package chassis

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const say = "/shop.test.v1.Echo/Say"

var (
	lines = new(journal)
	spans = tracetest.NewInMemoryExporter()
)

func TestMain(m *testing.M) {
	slog.SetDefault(newLogger(lines, Settings{ServiceName: "echo", ServiceVersion: "7"}))
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSyncer(spans)))
	otel.SetTextMapPropagator(propagation.TraceContext{})
	os.Exit(m.Run())
}

// journal keeps what is logged.
type journal struct {
	mutex sync.Mutex
	kept  bytes.Buffer
}

func (j *journal) Write(line []byte) (int, error) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return j.kept.Write(line)
}

// of waits for the lines of one request: the access log is written behind the answer.
func (j *journal) of(t *testing.T, requestID string) []map[string]any {
	t.Helper()
	var found []map[string]any
	eventually(t, "the request is logged", func() bool {
		j.mutex.Lock()
		defer j.mutex.Unlock()
		found = nil
		for line := range bytes.Lines(j.kept.Bytes()) {
			var fields map[string]any
			if err := json.Unmarshal(line, &fields); err != nil {
				t.Fatalf("%q is no JSON", line)
			}
			if fields["request_id"] == requestID {
				found = append(found, fields)
			}
		}
		return len(found) > 0 && found[len(found)-1]["event"] == "request_handled"
	})
	return found
}

func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !check(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// echo says what it is told; "panic" makes it break; anything with "refuse" in it is refused.
func echo(_ context.Context, call *connect.Request[wrapperspb.StringValue]) (*connect.Response[wrapperspb.StringValue], error) {
	switch text := call.Msg.GetValue(); {
	case text == "panic":
		panic("broken on purpose")
	case strings.Contains(text, "refuse"):
		return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("refused"))
	default:
		return connect.NewResponse(wrapperspb.String(text)), nil
	}
}

func echoService(t *testing.T) Service {
	t.Helper()
	options, err := RPCOptions()
	if err != nil {
		t.Fatal(err)
	}
	return Service{
		Routes: map[string]http.Handler{
			say: connect.NewUnaryHandler(say, echo, options),
			"POST /length": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					w.WriteHeader(http.StatusRequestEntityTooLarge)
				}
			}),
			"GET /panic": http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				panic("broken on purpose")
			}),
			"GET /panic/late": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "half of an ")
				_ = http.NewResponseController(w).Flush()
				panic("broken on purpose")
			}),
		},
		RPCServices: []string{"shop.test.v1.Echo"},
	}
}

// running is a service on a port of loopback.
type running struct {
	address string
	stop    context.CancelFunc
	stopped chan error
}

func start(t *testing.T, service Service, lifetime time.Duration, changes ...func(*http.Server)) *running {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stopping, stop := context.WithCancel(context.Background())
	server := newServer(service, lifetime)
	for _, change := range changes {
		change(server)
	}
	r := &running{listener.Addr().String(), stop, make(chan error, 1)}
	go func() { r.stopped <- serve(stopping, listener, Settings{Shutdown: 300 * time.Millisecond}, server) }()
	t.Cleanup(func() {
		stop()
		<-r.stopped
	})
	return r
}

func (r *running) url(path string) string { return "http://" + r.address + path }

// client speaks HTTP/2 only, or HTTP/1.1 only.
func client(http2 bool) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(http2)
	protocols.SetHTTP1(!http2)
	return &http.Client{Transport: &http.Transport{Protocols: protocols}, Timeout: 10 * time.Second}
}

func (r *running) echo(options ...connect.ClientOption) *connect.Client[wrapperspb.StringValue, wrapperspb.StringValue] {
	return connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](client(true), r.url(say), options...)
}

func (r *running) get(t *testing.T, path string) (int, string) {
	t.Helper()
	answer, err := client(false).Get(r.url(path))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestRequestsInFlightEndBeforeTheProcess(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		begun, finish := make(chan struct{}), make(chan struct{})
		service := Service{Routes: map[string]http.Handler{"GET /slow": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(begun)
			<-finish
			_, _ = io.WriteString(w, "done")
		})}}
		r := start(t, service, time.Hour)
		answered := make(chan string, 1)
		go func() {
			answer, err := client(http2).Get(r.url("/slow"))
			if err != nil {
				answered <- err.Error()
				return
			}
			body, _ := io.ReadAll(answer.Body)
			answered <- string(body)
		}()
		<-begun
		r.stop()
		eventually(t, "new connections are refused", func() bool {
			connection, err := net.Dial("tcp", r.address)
			if err == nil {
				connection.Close()
			}
			return err != nil
		})
		close(finish)
		if got := <-answered; got != "done" {
			t.Errorf("HTTP/2 %t: answered %q", http2, got)
		}
		if err := <-r.stopped; err != nil {
			t.Error(err)
		}
		r.stopped <- nil
	}
}

func TestARequestThatDoesNotEndIsCutWhenTheTimeIsOver(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		begun := make(chan struct{})
		service := Service{Routes: map[string]http.Handler{"GET /stuck": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(begun)
			<-r.Context().Done()
		})}}
		r := start(t, service, time.Hour)
		answered := make(chan error, 1)
		go func() {
			answer, err := client(http2).Get(r.url("/stuck"))
			if err == nil {
				answer.Body.Close()
			}
			answered <- err
		}()
		<-begun
		stopping := time.Now()
		r.stop()
		if err := <-r.stopped; err != nil {
			t.Error(err)
		}
		if err := <-answered; err == nil {
			t.Errorf("HTTP/2 %t: answered", http2)
		}
		if took := time.Since(stopping); took < 300*time.Millisecond || took > 5*time.Second {
			t.Errorf("HTTP/2 %t: cut after %s", http2, took)
		}
		r.stopped <- nil
	}
}
