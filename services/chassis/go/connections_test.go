package chassis

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// counting counts the connections that a server has taken.
func counting(connections *atomic.Int32) func(*http.Server) {
	return func(server *http.Server) {
		server.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				connections.Add(1)
			}
		}
	}
}

func dial(t *testing.T, r *running) *grpc.ClientConn {
	t.Helper()
	connection, err := grpc.NewClient(r.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return connection
}

func TestTheHealthCheckOfGRPCKnowsTheServices(t *testing.T) {
	health := grpc_health_v1.NewHealthClient(dial(t, start(t, echoService(t), time.Hour)))
	for _, service := range []string{"", "shop.test.v1.Echo"} {
		answer, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		if err != nil || answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("%q: got %v, %v", service, answer, err)
		}
	}
	if _, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "nobody"}); err == nil {
		t.Error("it knows a service that is not there")
	}
}

// busy calls from eight goroutines at once until connections were made `wanted` times, and fails for any failed call.
func busy(t *testing.T, connections *atomic.Int32, wanted int32, call func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	failed := make(chan error, 8)
	var calls atomic.Int64
	for range 8 {
		go func() {
			for ctx.Err() == nil && connections.Load() < wanted {
				if err := call(ctx); err != nil {
					failed <- err
					return
				}
				calls.Add(1)
			}
			failed <- nil
		}()
	}
	for range 8 {
		if err := <-failed; err != nil {
			t.Errorf("after %d calls on %d connections: %v", calls.Load(), connections.Load(), err)
		}
	}
	if connections.Load() < wanted {
		t.Errorf("%d calls on %d connections only", calls.Load(), connections.Load())
	}
}

func TestAnOldConnectionIsLeftWithoutAFailedCall(t *testing.T) {
	t.Run("grpc-go", func(t *testing.T) {
		var connections atomic.Int32
		connection := dial(t, start(t, echoService(t), 20*time.Millisecond, counting(&connections)))
		busy(t, &connections, 5, func(ctx context.Context) error {
			return connection.Invoke(ctx, say, wrapperspb.String("tea"), new(wrapperspb.StringValue))
		})
	})
	t.Run("connect", func(t *testing.T) {
		var connections atomic.Int32
		echo := start(t, echoService(t), 20*time.Millisecond, counting(&connections)).echo(connect.WithGRPC())
		busy(t, &connections, 5, func(ctx context.Context) error {
			_, err := echo.CallUnary(ctx, connect.NewRequest(wrapperspb.String("tea")))
			return err
		})
	})
}

func TestAYoungConnectionIsKeptAndOutlivesTheTimeOfARequest(t *testing.T) {
	var connections atomic.Int32
	r := start(t, echoService(t), time.Hour, counting(&connections), func(server *http.Server) {
		server.ReadTimeout, server.WriteTimeout = 50*time.Millisecond, 50*time.Millisecond
	})
	connection := dial(t, r)
	for until := time.Now().Add(300 * time.Millisecond); time.Now().Before(until); {
		if err := connection.Invoke(t.Context(), say, wrapperspb.String("tea"), new(wrapperspb.StringValue)); err != nil {
			t.Fatal(err)
		}
	}
	if got := connections.Load(); got != 1 {
		t.Errorf("%d connections", got)
	}
}
