package receiver

import "github.com/prometheus/client_golang/prometheus"

// Metrics are what the webhook counts.
type Metrics struct {
	requests  *prometheus.CounterVec
	duration  prometheus.Histogram
	payload   prometheus.Histogram
	received  *prometheus.CounterVec
	truncated prometheus.Counter
	reread    *prometheus.CounterVec
}

// NewMetrics registers the webhook's metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firebreak_webhook_requests_total",
			Help: "Requests to the webhook by the status that they were answered with; 401 is also what became a 429 for guessing."}, []string{"code"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "firebreak_webhook_request_duration_seconds",
			Help:    "From a request to the webhook to its answer, storing included.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}, NativeHistogramBucketFactor: 1.1}),
		payload: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "firebreak_webhook_payload_bytes",
			Help: "Size of webhook bodies.", Buckets: prometheus.ExponentialBuckets(512, 4, 8)}),
		received: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firebreak_alerts_received_total",
			Help: "Alerts that were stored, by their own status."}, []string{"status"}),
		truncated: prometheus.NewCounter(prometheus.CounterOpts{Name: "firebreak_webhook_truncated_alerts_total",
			Help: "Alerts that Alertmanager left out of notifications (max_alerts)."}),
		reread: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firebreak_alertmanager_rereads_total",
			Help: "Reads of Alertmanager's API after truncated notifications, by result."}, []string{"result"}),
	}
	reg.MustRegister(m.requests, m.duration, m.payload, m.received, m.truncated, m.reread)
	for _, code := range []string{"200", "400", "401", "413", "503"} {
		m.requests.WithLabelValues(code)
	}
	for _, status := range []string{"firing", "resolved"} {
		m.received.WithLabelValues(status)
	}
	for _, result := range []string{"ok", "failed"} {
		m.reread.WithLabelValues(result)
	}
	return m
}
