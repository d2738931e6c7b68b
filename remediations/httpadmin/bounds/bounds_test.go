package bounds_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/httpadmin/bounds"
)

// Edges, nodes behind a pool, and pools inside of applications have endpoints where the policy says so, each with its own secrets.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	drain, grow := policy.HTTPControl{Apply: policy.HTTPRequest{Path: "/drain"}}, policy.HTTPControl{Apply: policy.HTTPRequest{Path: "/grow"}}
	payments := policy.HTTPFix{Instances: []string{"http://checkout"}, BearerToken: "a", Controls: map[string]policy.HTTPControl{"open": {}}}
	p := policy.Policy{
		Postgres: []policy.PostgresCluster{
			{Cluster: "billing", Nodes: []policy.PostgresNode{{Node: "b1"}, {Node: "b2"}},
				Reads: &policy.ReadPool{HTTP: &policy.HTTPPool{Instances: []string{"http://balancer"}, BearerToken: "b", Drain: drain}}},
			{Cluster: "orders", Nodes: []policy.PostgresNode{{Node: "pg1"}}, Reads: &policy.ReadPool{HAProxy: &policy.HAProxyPool{}}},
			{Cluster: "users", Nodes: []policy.PostgresNode{{Node: "pg1"}}},
		},
		Handlers: policy.Handlers{
			RetryStorm: policy.RetryStorm{Edges: []policy.Edge{{Service: "checkout", Edge: "payments", Fix: policy.EdgeFix{HTTP: &payments}},
				{Service: "checkout", Edge: "mail", Fix: policy.EdgeFix{Breaker: &policy.BreakerFix{}}}}},
			PoolExhaustion: policy.PoolExhaustion{Clusters: []policy.PoolCluster{{Cluster: "orders", Apps: []policy.AppPool{
				{App: "shop", HTTP: &policy.AppPoolHTTP{Instances: []string{"http://shop"}, BearerTokenFile: "/c", Grow: grow}}, {App: "mail"}}}}},
		},
	}
	if got, want := bounds.Edges(p), map[string]policy.HTTPFix{"checkout/payments": payments}; !reflect.DeepEqual(got, want) {
		t.Errorf("edges: got %+v, want %+v", got, want)
	}
	node := policy.HTTPFix{Instances: []string{"http://balancer"}, BearerToken: "b", Controls: map[string]policy.HTTPControl{"drain": drain}}
	want := map[string]policy.HTTPFix{"billing/b1": node, "billing/b2": node,
		"orders/shop": {Instances: []string{"http://shop"}, BearerTokenFile: "/c", Controls: map[string]policy.HTTPControl{"grow_pool": grow}}}
	if got := bounds.Nodes(p); !reflect.DeepEqual(got, want) {
		t.Errorf("nodes: got %+v, want %+v", got, want)
	}
}

// What can be done at a place is what its control says of the fix, and an edge is never taken for a node of the same name.
func TestOf(t *testing.T) {
	t.Parallel()
	controls := map[string]policy.HTTPControl{"open": {SelfExpiring: true}, "shed": {Adjust: &policy.HTTPRequest{}}}
	edges := map[string]policy.HTTPFix{"checkout/payments": {Controls: controls}}
	p := bounds.New(edges, map[string]policy.HTTPFix{"orders/shop": {Controls: map[string]policy.HTTPControl{"grow_pool": {}}}})
	delete(edges, "checkout/payments") // it is the caller's
	controls["open"] = policy.HTTPControl{}
	edge, node := remediations.Step{Service: "checkout", Edge: "payments"}, remediations.Step{Cluster: "orders", Node: "shop"}
	for _, c := range []struct {
		step    remediations.Step
		fix     string
		limit   time.Duration
		expires bool
		adjusts bool
	}{
		{edge, "open", 5 * time.Minute, true, false}, {edge, "shed", 10 * time.Minute, false, true},
		{edge, "retry_budget", 10 * time.Minute, false, false}, {node, "grow_pool", 30 * time.Minute, false, false},
		{remediations.Step{Cluster: "checkout", Node: "payments"}, "open", 0, false, false},
		{remediations.Step{Service: "orders", Edge: "shop"}, "grow_pool", 0, false, false},
		{remediations.Step{Service: "checkout", Edge: "payments", Node: "x"}, "open", 0, false, false}, {remediations.Step{}, "open", 0, false, false},
	} {
		c.step.Fix = c.fix
		want := remediations.Bounds{Class: remediations.ClassN}
		got := p.Of(c.step)
		if c.limit > 0 {
			want = remediations.Bounds{Class: remediations.ClassA, MaxLimit: c.limit, ExpiresItself: c.expires, Adjusts: c.adjusts, Never: got.Never}
		}
		if !reflect.DeepEqual(got, want) || (len(got.Never) == 0) != (c.limit == 0) || p.Has(c.step) != (c.limit > 0) {
			t.Errorf("%s on %q: got %+v, want %+v", c.fix, c.step.Place(), got, want)
		}
	}
	if (bounds.Places{}).Has(edge) || bounds.New(nil, map[string]policy.HTTPFix{"": {}}).Has(remediations.Step{}) {
		t.Error("what has no place has endpoints")
	}
}
