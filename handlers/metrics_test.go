package handlers

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// The loop's metrics are named as Prometheus wants names; they appear only once something was counted.
func TestMetricsAreNamedWell(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	m := NewMetrics(reg)
	for _, c := range []*prometheus.CounterVec{m.joined, m.issued, m.refused, m.closed, m.events} {
		c.WithLabelValues("family", "something").Inc()
	}
	m.damaged.WithLabelValues("family").Inc()
	m.age.WithLabelValues("family").Observe(1)
	families, err := reg.Gather()
	if err != nil || len(families) != 8 {
		t.Fatalf("gathered %d families, %v, want 8", len(families), err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("got %v, %v, want no problems", problems, err)
	}
}
