package chassis

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strconv"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"
)

const (
	requestIDHeader = "X-Request-Id"
	// unmatched is the route of what nobody declared: a path of the caller's must not become a label.
	unmatched = "unmatched"
)

var (
	saneRequestID = regexp.MustCompile(`^[A-Za-z0-9._:=+/-]{1,128}$`)
	methods       = map[string]bool{
		"DELETE": true, "GET": true, "HEAD": true, "OPTIONS": true, "PATCH": true, "POST": true, "PUT": true,
	}
)

// request is what the lines of the log tell of the request that they belong to.
type request struct {
	id   string
	span trace.SpanContext
}

type requestKey struct{}

// requestOf gives nil outside of a request.
func requestOf(ctx context.Context) *request {
	found, _ := ctx.Value(requestKey{}).(*request)
	return found
}

// requests gives each request its id, writes its line of the access log, counts it, bounds its body, and answers when
// the code breaks. What internal says yes to is neither logged nor counted: the platform asks it, often.
func requests(next http.Handler, internal func(*http.Request) bool) http.Handler {
	errorWriter := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		current := &request{id: r.Header.Get(requestIDHeader)}
		if !saneRequestID.MatchString(current.id) {
			current.id = uuid.Must(uuid.NewV7()).String()
		}
		answer := &recorder{ResponseWriter: w}
		answer.Header().Set(requestIDHeader, current.id)
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, current))
		r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
		defer func() {
			cause := recover()
			if cause != nil && cause != http.ErrAbortHandler {
				answer.internalError(r, errorWriter, cause)
			}
			if !internal(r) {
				record(r, answer.outcome(), time.Since(started))
			}
			if cause != nil && (cause == http.ErrAbortHandler || answer.late) {
				panic(http.ErrAbortHandler) // too late for an answer: the server must cut the stream
			}
		}()
		next.ServeHTTP(answer, r)
	})
}

// record counts a request and writes its line. The mux has left its pattern in the request.
func record(r *http.Request, status int, duration time.Duration) {
	route, method := r.Pattern, r.Method
	if route == "" {
		route = unmatched
	}
	if !methods[method] {
		method = "other"
	}
	httpRequests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	httpDuration.WithLabelValues(method, route, strconv.Itoa(status)).Observe(duration.Seconds())
	slog.InfoContext(r.Context(), "request_handled",
		"method", method, "route", route, "path", r.URL.Path, "status", status, "duration", duration)
}

// recorder remembers how a request was answered.
type recorder struct {
	http.ResponseWriter
	status int
	// late: the code broke when its answer had begun.
	late bool
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(body []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(body)
}

// Flush makes it a http.Flusher, which gRPC needs.
func (r *recorder) Flush() { _ = http.NewResponseController(r.ResponseWriter).Flush() }

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// internalError answers a request whose code has panicked, in the protocol that it came by.
func (r *recorder) internalError(request *http.Request, writer *connect.ErrorWriter, cause any) {
	slog.ErrorContext(request.Context(), "request_failed",
		"method", request.Method, "path", request.URL.Path, "reason", cause, "stack", string(debug.Stack()))
	if r.late = r.status != 0; r.late {
		return
	}
	id := requestOf(request.Context()).id
	if writer.IsSupported(request) {
		message := errors.New("an unexpected error; ask for help with request " + id)
		_ = writer.Write(r, request, connect.NewError(connect.CodeInternal, message))
		return
	}
	http.Error(r, "An unexpected error. Ask for help with request "+id+".", http.StatusInternalServerError)
}

// outcome is the status that the metrics show. gRPC answers 200 to everything and says how it went behind the body.
func (r *recorder) outcome() int {
	if r.late {
		return http.StatusInternalServerError
	}
	for _, name := range []string{http.TrailerPrefix + "Grpc-Status", "Grpc-Status"} {
		if code, err := strconv.Atoi(r.Header().Get(name)); err == nil {
			return httpStatus(connect.Code(code))
		}
	}
	return max(r.status, http.StatusOK)
}

// httpStatus is what the Connect protocol answers for a code of gRPC.
func httpStatus(code connect.Code) int {
	switch code {
	case 0:
		return http.StatusOK
	case connect.CodeCanceled:
		return 499
	case connect.CodeInvalidArgument, connect.CodeFailedPrecondition, connect.CodeOutOfRange:
		return http.StatusBadRequest
	case connect.CodeUnauthenticated:
		return http.StatusUnauthorized
	case connect.CodePermissionDenied:
		return http.StatusForbidden
	case connect.CodeNotFound:
		return http.StatusNotFound
	case connect.CodeAlreadyExists, connect.CodeAborted:
		return http.StatusConflict
	case connect.CodeResourceExhausted:
		return http.StatusTooManyRequests
	case connect.CodeUnimplemented:
		return http.StatusNotImplemented
	case connect.CodeUnavailable:
		return http.StatusServiceUnavailable
	case connect.CodeDeadlineExceeded:
		return http.StatusGatewayTimeout
	default:
		return http.StatusInternalServerError
	}
}
