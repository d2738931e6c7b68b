package policy_test

import (
	"reflect"
	"testing"

	"github.com/firebreak-sre/firebreak/policy"
)

// targets is a policy with two targets, made as the loader leaves it.
func targets(t *testing.T) policy.Policy {
	t.Helper()
	return parse(t, `
server: {api: {operators: [{name: alice, token: "${TOKEN}", may: [approve]}]}}
approvals: {rules: [{operators: [alice]}]}
handlers:
  retrystorm:
    mode: auto
    edges:
      - service: checkout
        edge: payments
        domain: shop
        zone: eu-1
        mode: approve
        probe: {json: {urls: ["http://a"], calls: c, attempts: a, successes: s, failures: f}}
        fix: {breaker: {}, allow: [open, shed]}
      - service: search
        edge: index
        mode: observe
        probe: {json: {urls: ["http://a"], calls: c, attempts: a, successes: s, failures: f}}
`)
}

// TestPermits: what the policy names is permitted, and nothing else.
func TestPermits(t *testing.T) {
	t.Parallel()
	p := targets(t)
	for _, c := range []struct {
		handler, target, service, edge, fix string
		want                                bool
	}{
		{"retrystorm", "checkout/payments", "checkout", "payments", "open", true},
		{"retrystorm", "checkout/payments", "checkout", "payments", "shed", true},
		{"retrystorm", "checkout/payments", "checkout", "payments", "retry_budget", false},
		{"retrystorm", "checkout/payments", "checkout", "payments", "", false},
		{"retrystorm", "checkout/payments", "checkout", "index", "open", false},
		{"retrystorm", "checkout/payments", "search", "payments", "open", false},
		{"retrystorm", "checkout/payments", "", "", "open", false},
		{"retrystorm", "search/index", "checkout", "payments", "open", false},
		{"retrystorm", "search/index", "search", "index", "open", false},
		{"retrystorm", "checkout/Payments", "checkout", "payments", "open", false},
		{"retrystorm", "orders/stock", "orders", "stock", "open", false},
		{"retrystorm", "", "checkout", "payments", "open", false},
		{"RetryStorm", "checkout/payments", "checkout", "payments", "open", false},
		{"postgres", "checkout/payments", "checkout", "payments", "open", false},
		{"", "checkout/payments", "checkout", "payments", "open", false},
	} {
		if got := p.Permits(c.handler, c.target, c.service, c.edge, c.fix); got != c.want {
			t.Errorf("%s, target %s, %s on %s → %s: got %t, want %t", c.handler, c.target, c.fix, c.service, c.edge, got, c.want)
		}
	}
}

// TestPermitsNobody: a policy that names nothing permits nothing, however it was made.
func TestPermitsNobody(t *testing.T) {
	t.Parallel()
	nameless := policy.Default()
	nameless.Handlers.RetryStorm.Edges = []policy.Edge{{Fix: policy.EdgeFix{Allow: []string{"open", ""}}}}
	empty := targets(t)
	empty.Handlers.RetryStorm.Edges[0].Fix.Allow = []string{}
	for name, p := range map[string]policy.Policy{"zero": {}, "default": policy.Default(), "nameless": nameless, "empty list": empty} {
		for _, fix := range []string{"open", "shed", ""} {
			if p.Permits("retrystorm", "checkout/payments", "checkout", "payments", fix) || p.Permits("retrystorm", "", "", "", fix) ||
				p.Permits("retrystorm", "/", "", "", fix) || p.Permits("", "", "", "", fix) {
				t.Errorf("%s: %q is permitted, want nothing", name, fix)
			}
		}
	}
	if got := policy.Default().Targets(); len(got) != 0 {
		t.Errorf("default: got targets %+v, want none", got)
	}
}

// TestTargets: every target is listed with what is counted about it, and the list is the caller's own.
func TestTargets(t *testing.T) {
	t.Parallel()
	p := targets(t)
	want := []policy.TargetName{
		{Handler: "retrystorm", Name: "checkout/payments", Domain: "shop", Zone: "eu-1", Mode: policy.Approve, Fixes: []string{"open", "shed"}},
		{Handler: "retrystorm", Name: "search/index", Domain: "search", Zone: "all", Mode: policy.Observe},
	}
	got := p.Targets()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	got[0].Fixes[0] = "retry_budget"
	if !p.Permits("retrystorm", "checkout/payments", "checkout", "payments", "open") {
		t.Error("who changes the list changes the policy")
	}
	byHand := policy.Default()
	byHand.Handlers.RetryStorm.Edges = []policy.Edge{{Service: "a", Edge: "b"}}
	want = []policy.TargetName{{Handler: "retrystorm", Name: "a/b", Domain: "a", Zone: "all", Mode: policy.Observe}}
	if got := byHand.Targets(); !reflect.DeepEqual(got, want) {
		t.Errorf("made by hand: got %+v, want %+v", got, want)
	}
	if e := byHand.Handlers.RetryStorm.Edges[0]; e.Domain != "" || e.Match != nil {
		t.Errorf("the list changed the policy: %+v", e)
	}
}
