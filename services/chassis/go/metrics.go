package chassis

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// The names, labels and buckets of the Python chassis: one dashboard and one alert serve all services.
var (
	labels       = []string{"method", "route", "status"}
	httpRequests = promauto.NewCounterVec(
		prometheus.CounterOpts{Name: "http_requests_total", Help: "Requests answered."}, labels,
	)
	httpDuration = promauto.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "http_request_duration_seconds",
		Help:    "From the request's head to the end of the answer.",
		Buckets: []float64{0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30},
	}, labels)
)
