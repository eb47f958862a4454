// Package chassis is what every Go service of the shop shares, and nothing of its domain. It makes a process of a
// service that runs the same on a laptop and in the cluster, as the Python chassis does.
package chassis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

// statusBad is the exit status of a process that was not given what it needs.
const statusBad = 2

// Service is what a process serves.
type Service struct {
	// Routes are patterns of http.ServeMux with their handlers; a pattern is the `route` of the metrics. Of RPCs name
	// each procedure: "/shop.pricing.v1.Pricing/Quote".
	Routes map[string]http.Handler
	// RPCServices are the full names of the gRPC services, for the health check.
	RPCServices []string
}

// Main makes a process of a service, serves until SIGTERM or SIGINT, and returns the status to exit with: 0, 1 when it
// could not serve, 2 when its environment or what build reads is wrong.
func Main(build func() (Service, error)) int {
	settings, err := ReadSettings(os.LookupEnv)
	if err != nil {
		fmt.Fprintf(os.Stderr, "The environment of this process is not right:\n%v\n", err)
		return statusBad
	}
	slog.SetDefault(newLogger(os.Stdout, settings))
	// Before build: what it makes takes the tracer that is there.
	flush, err := traces(context.Background(), settings)
	if err != nil {
		fmt.Fprintf(os.Stderr, "The environment of this process is not right:\nOTEL_*: %v\n", err)
		return statusBad
	}
	service, err := build()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return statusBad
	}
	stopping, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	listener, err := net.Listen("tcp", settings.Address())
	if err == nil {
		err = serve(stopping, listener, settings, newServer(service, connectionLifetime))
	}
	// Within the process's last second: the time to shut down is over.
	flushing, cancel := context.WithTimeout(context.Background(), exportTimeout)
	defer cancel()
	if flushErr := flush(flushing); flushErr != nil {
		slog.Warn("spans_lost", "reason", flushErr.Error())
	}
	if err != nil {
		slog.Error("service_failed", "reason", err.Error())
		return 1
	}
	return 0
}

// serve takes requests until stopping is done, then none any more, and gives those in flight settings.Shutdown to end.
func serve(stopping context.Context, listener net.Listener, settings Settings, server *http.Server) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	slog.Info("service_started", "address", listener.Addr().String())
	select {
	case err := <-failed:
		return err
	case <-stopping.Done():
	}
	patience, cancel := context.WithTimeout(context.Background(), settings.Shutdown)
	defer cancel()
	if err := server.Shutdown(patience); errors.Is(err, context.DeadlineExceeded) {
		slog.Error("requests_cut", "timeout", settings.Shutdown)
		_ = server.Close()
	} else if err != nil {
		return err
	}
	slog.Info("service_stopped")
	return nil
}
