package chassis

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"connectrpc.com/grpchealth"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	maxBodyBytes   = 1 << 20
	maxHeaderBytes = 16 << 10
	// A request is complete, and answered, within these. They bound what a slow caller can hold.
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 15 * time.Second
	// Longer than the 60 s after which a load balancer closes an idle connection: it must be the one to do so.
	idleTimeout = 75 * time.Second
	// A caller whose machine is gone closes no connection.
	pingAfter   = 15 * time.Second
	pingTimeout = 5 * time.Second
	writeStall  = 10 * time.Second
	// The virtual address of a service picks a pod for each connection, so callers that keep theirs find new pods only
	// when they are told to go; up to a fifth later, so that not all go at once.
	connectionLifetime = time.Minute

	maxConcurrentStreams = 250
	healthProcedure      = "/grpc.health.v1.Health/Check"
)

type retirementKey struct{}

// newServer serves HTTP/1.1 and HTTP/2 without TLS on one port: the service's routes, /livez, /readyz, /metrics and
// the health check of gRPC.
func newServer(service Service, lifetime time.Duration) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           requests(retiring(routes(service)), isInternal),
		Protocols:         protocols,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxConcurrentStreams,
			SendPingTimeout:      pingAfter,
			PingTimeout:          pingTimeout,
			WriteByteTimeout:     writeStall,
		},
		// What it says is about bytes that callers send: anybody could fill the log.
		ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, retirementKey{}, time.Now().Add(lifetime+rand.N(lifetime/5)))
		},
	}
}

func routes(service Service) http.Handler {
	mux := http.NewServeMux()
	for pattern, handler := range service.Routes {
		mux.Handle(pattern, handler)
	}
	ok := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok"))
	}
	mux.HandleFunc("GET /livez", ok)
	mux.HandleFunc("GET /readyz", ok)
	mux.Handle("GET /metrics", promhttp.Handler())
	_, health := grpchealth.NewHandler(grpchealth.NewStaticChecker(service.RPCServices...), rpcLimits)
	mux.Handle(healthProcedure, health)
	return mux
}

func isInternal(r *http.Request) bool {
	switch r.URL.Path {
	case "/livez", "/readyz", "/metrics", healthProcedure:
		return true
	}
	return false
}

// retiring tells the caller to leave a connection that is old: on HTTP/2 the header becomes a GOAWAY frame, which
// names the requests that are still answered; the others the caller sends again on a new connection.
func retiring(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if retirement, known := r.Context().Value(retirementKey{}).(time.Time); known && time.Now().After(retirement) {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
