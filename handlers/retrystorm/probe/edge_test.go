package probe_test

import (
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/retrystorm"
	"github.com/firebreak-sre/firebreak/handlers/retrystorm/probe"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/policy"
)

type look = think.Look[retrystorm.Observation]

// row is calls, attempts, successes and failures per second.
type row [4]float64

func known(v float64) retrystorm.Number { return retrystorm.Number{Value: v, OK: true} }

func numbers(r row) retrystorm.Numbers {
	return retrystorm.Numbers{Calls: known(r[0]), Attempts: known(r[1]), Successes: known(r[2]), Failures: known(r[3])}
}

func duration(d time.Duration) policy.Duration { return policy.Duration(d) }

// stormPolicy is a policy of the edge checkout/payments, which allows every fix over the breaker. Two samples must agree.
func stormPolicy() policy.RetryStorm {
	e := policy.Edge{Service: "checkout", Edge: "payments"}
	e.Fix.Allow, e.Fix.Breaker = []string{"open", "retry_budget", "shed"}, &policy.BreakerFix{}
	e.Probe.Prometheus = &policy.PrometheusProbe{URL: "http://prometheus:9090", Calls: "sum(rate(calls[10s]))",
		Attempts: "sum(rate(attempts[10s]))", Successes: "sum(rate(ok[10s]))", Failures: "sum(rate(failed[10s]))"}
	return policy.RetryStorm{Mode: policy.Auto, Thresholds: policy.StormThresholds{Samples: 2}, Edges: []policy.Edge{e}}
}

// thinking is the half of the family that makes something of what is seen.
func thinking(t *testing.T, p policy.RetryStorm) *retrystorm.Handler {
	t.Helper()
	h, err := retrystorm.New(p)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestNewRefuses holds that a policy which the thinking half refuses is not looked by either.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	p := stormPolicy()
	p.Edges[0].Probe = policy.EdgeProbe{}
	if _, err := probe.New(p, nil); err == nil || !strings.Contains(err.Error(), "exactly one of prometheus and json") {
		t.Errorf("got %v", err)
	}
}
