package retrystorm_test

import (
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/handlers/retrystorm"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/policy"
)

// TestTarget holds which alerts are about which edge.
func TestTarget(t *testing.T) {
	t.Parallel()
	payments := stormPolicy(settings{}).Edges[0]
	edge := func(service, name string, change func(*policy.Edge)) policy.Edge {
		e := payments
		e.Service, e.Edge = service, name
		change(&e)
		return e
	}
	p := policy.RetryStorm{Mode: policy.Auto, Alerts: []string{"RetryStorm", "EdgeFailing"}, Edges: []policy.Edge{
		payments,
		edge("checkout", "stock", func(e *policy.Edge) { e.Mode, e.Domain = policy.Observe, "warehouse" }),
		edge("checkout", "mail", func(e *policy.Edge) { e.Mode = policy.Off }),
		edge("search", "index", func(e *policy.Edge) { e.Match = map[string]string{"job": "search", "zone": "a"} }),
		edge("other", "catch", func(e *policy.Edge) { e.Match = map[string]string{"service": "checkout"} }),
	}}
	h, err := retrystorm.New(p)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := h.Name(), "retrystorm"; got != want {
		t.Errorf("name: got %q, want %q", got, want)
	}
	for _, c := range []struct {
		name   string
		labels map[string]string
		want   think.Target
		ok     bool
	}{
		{"its edge", map[string]string{"alertname": "RetryStorm", "service": "checkout", "edge": "payments", "zone": "b"},
			think.Target{Name: "checkout/payments", Domain: "checkout", Zone: "all", Mode: policy.Auto}, true},
		{"the edge is stricter", map[string]string{"alertname": "EdgeFailing", "service": "checkout", "edge": "stock"},
			think.Target{Name: "checkout/stock", Domain: "warehouse", Zone: "all", Mode: policy.Observe}, true},
		{"off hides it from later edges", map[string]string{"alertname": "RetryStorm", "service": "checkout", "edge": "mail"}, think.Target{}, false},
		{"labels of its own", map[string]string{"alertname": "RetryStorm", "job": "search", "zone": "a"},
			think.Target{Name: "search/index", Domain: "search", Zone: "all", Mode: policy.Auto}, true},
		{"only some of the labels", map[string]string{"alertname": "RetryStorm", "job": "search"}, think.Target{}, false},
		{"the first that fits", map[string]string{"alertname": "RetryStorm", "service": "checkout", "edge": "new"},
			think.Target{Name: "other/catch", Domain: "other", Zone: "all", Mode: policy.Auto}, true},
		{"another alert", map[string]string{"alertname": "DiskFull", "service": "checkout", "edge": "payments"}, think.Target{}, false},
		{"no labels", nil, think.Target{}, false},
	} {
		if got, ok := h.Target(alerts.Alert{Labels: c.labels}); got != c.want || ok != c.ok {
			t.Errorf("%s: got %+v, %t, want %+v, %t", c.name, got, ok, c.want, c.ok)
		}
	}
}

// TestTargetModeOfHandler holds that an edge is never looser than its handler, and that nothing named means observe.
func TestTargetModeOfHandler(t *testing.T) {
	t.Parallel()
	alert := alerts.Alert{Labels: map[string]string{"alertname": "RetryStorm", "service": "checkout", "edge": "payments"}}
	for _, c := range []struct{ handler, edge, want policy.Mode }{
		{"", "", policy.Observe}, {policy.Observe, policy.Auto, policy.Observe}, {policy.Auto, "", policy.Auto}, {policy.Off, policy.Auto, ""},
	} {
		p := stormPolicy(settings{})
		p.Mode, p.Edges[0].Mode = c.handler, c.edge
		h, err := retrystorm.New(p)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := h.Target(alert); got.Mode != c.want || ok != (c.want != "") {
			t.Errorf("handler %q, edge %q: got %q, %t, want %q", c.handler, c.edge, got.Mode, ok, c.want)
		}
	}
}

// TestNewRefuses holds that a policy with which no rule could hold is refused, with the key to change.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*policy.RetryStorm){
		`mode "fast"`:           func(p *policy.RetryStorm) { p.Mode = "fast" },
		"is named twice":        func(p *policy.RetryStorm) { p.Edges = append(p.Edges, p.Edges[0]) },
		"ratio_healed":          func(p *policy.RetryStorm) { p.Thresholds.Ratio, p.Thresholds.RatioHealed = 1.2, 1.2 },
		"error_share":           func(p *policy.RetryStorm) { p.Thresholds.ErrorShare = 1.5 },
		"hold two looks":        func(p *policy.RetryStorm) { p.Thresholds.VerifyWithin = duration(time.Second) },
		"budget_percent":        func(p *policy.RetryStorm) { p.Edges[0].Fix.BudgetPercent = 25 },
		"is none of":            func(p *policy.RetryStorm) { p.Edges[0].Fix.Allow = []string{"open-all"} },
		"only one of breaker":   func(p *policy.RetryStorm) { p.Edges[0].Fix.HTTP = &policy.HTTPFix{} },
		"exactly one of":        func(p *policy.RetryStorm) { p.Edges[0].Probe.JSON = &policy.JSONProbe{} },
		"must all be set":       func(p *policy.RetryStorm) { p.Edges[0].Probe.Prometheus.Failures = "" },
		"http or https URL":     func(p *policy.RetryStorm) { p.Edges[0].Probe.Prometheus.URL = "ftp://user:hunter2@x" },
		"whole seconds":         func(p *policy.RetryStorm) { p.Edges[0].Fix.TTL = duration(1500 * time.Millisecond) },
		"must rise":             func(p *policy.RetryStorm) { p.Edges[0].Fix.Ramp = []int{75, 50} },
		"both be named":         func(p *policy.RetryStorm) { p.Edges[0].Service = "" },
		"look back 1m0s, so no": func(p *policy.RetryStorm) { p.Edges[0].Probe.Prometheus.Calls = "sum(rate(calls[1m]))" },
		"to at least 5m5s":      func(p *policy.RetryStorm) { p.Edges[0].Probe.Prometheus.Failures = "max_over_time(x[5m:10s])" },
		"samples 7 must be":     func(p *policy.RetryStorm) { p.Thresholds.Samples = 7 },
		"urls is empty":         func(p *policy.RetryStorm) { p.Edges[0].Probe = policy.EdgeProbe{JSON: &policy.JSONProbe{}} },
		"min_calls 0.5":         func(p *policy.RetryStorm) { p.Thresholds.MinCalls = 0.5 },
		"goodput_drop -1":       func(p *policy.RetryStorm) { p.Thresholds.GoodputDrop = -1 },
		"many_edges 1":          func(p *policy.RetryStorm) { p.Thresholds.ManyEdges = 1 },
		"shed_percent: 100":     func(p *policy.RetryStorm) { p.Edges[0].Fix.ShedPercent = 100 },
		`edge "checkout/pay2"`:  func(p *policy.RetryStorm) { p.Edges[0].Edge = "pay2"; p.Edges[0].Mode = "x" },
	} {
		p := stormPolicy(settings{})
		change(&p)
		switch _, err := retrystorm.New(p); {
		case err == nil:
			t.Errorf("accepted, want an error with %q", want)
		case !strings.Contains(err.Error(), want), strings.Contains(err.Error(), "hunter2"):
			t.Errorf("got %q, want %q in it", err, want)
		}
	}
}

// TestNewSkipsQuotedBrackets holds that only ranges count as ranges.
func TestNewSkipsQuotedBrackets(t *testing.T) {
	t.Parallel()
	p := stormPolicy(settings{})
	p.Edges[0].Probe.Prometheus.Calls = `sum(rate(calls{path=~"/a[9h]\"[9h]", x='[9h]'}[10s])) # [9h]`
	if _, err := retrystorm.New(p); err != nil {
		t.Error(err)
	}
}
