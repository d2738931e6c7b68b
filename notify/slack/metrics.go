package slack

import "github.com/prometheus/client_golang/prometheus"

// Metrics are what is counted of Slack.
type Metrics struct {
	calls, clicks *prometheus.CounterVec
	blind         prometheus.Counter
	up, connected prometheus.Gauge
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firebreak_slack_calls_total",
			Help: "Calls to Slack's API, by method and by how they ended."}, []string{"method", "result"}),
		clicks: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firebreak_slack_answers_total",
			Help: "What came from Slack as an answer of somebody, by what it came to."}, []string{"result"}),
		blind: prometheus.NewCounter(prometheus.CounterOpts{Name: "firebreak_slack_blind_posts_total",
			Help: "Messages that were posted again after a crash without being able to look for the first one."}),
		up: prometheus.NewGauge(prometheus.GaugeOpts{Name: "firebreak_slack_up",
			Help: "1 if Slack accepts the app, 0 if it refused the app as a whole the last time."}),
		connected: prometheus.NewGauge(prometheus.GaugeOpts{Name: "firebreak_slack_socket_connected",
			Help: "1 if a Socket Mode connection is open. Always 0 where presses come over HTTP."}),
	}
	m.up.Set(1)
	reg.MustRegister(m.calls, m.clicks, m.blind, m.up, m.connected)
	return m
}
