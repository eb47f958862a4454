package chassis

import (
	"context"

	"connectrpc.com/connect"
	"connectrpc.com/otelconnect"
	"go.opentelemetry.io/otel/trace"
)

// rpcLimits bounds a message as it is after it was unpacked.
var rpcLimits = connect.WithReadMaxBytes(maxBodyBytes)

// RPCOptions are those of every handler of Connect, gRPC and gRPC-Web: bounded messages, a span for each call.
func RPCOptions() (connect.HandlerOption, error) {
	// The callers are services of ours: their traces go on here.
	spans, err := otelconnect.NewInterceptor(otelconnect.WithTrustRemote(), otelconnect.WithoutMetrics())
	if err != nil {
		return nil, err
	}
	return connect.WithHandlerOptions(rpcLimits, connect.WithInterceptors(spans, remembered)), nil
}

// remembered lets the line of the access log, which is written outside of the span, have its ids.
var remembered = connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, call connect.AnyRequest) (connect.AnyResponse, error) {
		if request := requestOf(ctx); request != nil {
			request.span = trace.SpanContextFromContext(ctx)
		}
		return next(ctx, call)
	}
})
