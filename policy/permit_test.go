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
		handler, target, place, fix string
		want                        bool
	}{
		{"retrystorm", "checkout/payments", "checkout/payments", "open", true},
		{"retrystorm", "checkout/payments", "checkout/payments", "shed", true},
		{"retrystorm", "checkout/payments", "checkout/payments", "retry_budget", false},
		{"retrystorm", "checkout/payments", "checkout/payments", "", false},
		{"retrystorm", "checkout/payments", "checkout/index", "open", false},
		{"retrystorm", "checkout/payments", "search/payments", "open", false},
		{"retrystorm", "checkout/payments", "", "open", false},
		{"retrystorm", "search/index", "checkout/payments", "open", false},
		{"retrystorm", "search/index", "search/index", "open", false},
		{"retrystorm", "checkout/Payments", "checkout/payments", "open", false},
		{"retrystorm", "orders/stock", "orders/stock", "open", false},
		{"retrystorm", "", "checkout/payments", "open", false},
		{"RetryStorm", "checkout/payments", "checkout/payments", "open", false},
		{"postgres", "checkout/payments", "checkout/payments", "open", false},
		{"", "checkout/payments", "checkout/payments", "open", false},
	} {
		if got := p.Permits(c.handler, c.target, c.place, c.fix); got != c.want {
			t.Errorf("%s, target %s, %s on %s: got %t, want %t", c.handler, c.target, c.fix, c.place, got, c.want)
		}
	}
}

// clusters is a policy with two clusters that two handlers name.
func clusters(t *testing.T) policy.Policy {
	t.Helper()
	return parse(t, `
server: {api: {operators: [{name: alice, token: "${TOKEN}", may: [approve]}]}}
approvals: {rules: [{operators: [alice]}]}
postgres:
  - cluster: orders
    domain: shop
    zone: eu-1
    connect: {probe: {user: probe}, act: {user: act}}
    nodes: [{node: pg1, host: 10.0.0.1}, {node: pg2, host: 10.0.0.2}, {node: pg3, host: 10.0.0.3}]
    reads: {haproxy: {address: /run/haproxy.sock, backend: reads}}
    pgbouncers:
      - {pgbouncer: bouncer1, host: 10.0.0.4, stats: {user: stats}, admin: {user: admin}}
      - {pgbouncer: bouncer2, host: 10.0.0.5, stats: {user: stats}}
  - cluster: billing
    connect: {probe: {user: probe}, act: {user: act}}
    nodes: [{node: b1, host: 10.0.1.1}, {node: b2, host: 10.0.1.2}]
handlers:
  replicationlag:
    mode: auto
    clusters:
      - {cluster: orders, mode: approve, fix: {allow: [drain, restart_stream]}}
      - {cluster: billing, fix: {allow: [end_conflict], roles: [report]}}
  poolexhaustion:
    mode: auto
    clusters:
      - cluster: orders
        fix: {allow: [end_leaked, grow_pool, resume], roles: [report]}
        apps:
          - app: checkout
            prometheus: {url: "http://p", waiting: w, busy: b, size: s}
            http:
              instances: ["http://a"]
              grow: {apply: {path: /a}, revert: {path: /r}, read: {path: /s, state: s, on: a, off: b}}
          - app: search
            prometheus: {url: "http://p", waiting: w, busy: b, size: s}
`)
}

// TestPermitsInClusters: a fix is permitted in its own cluster, and on what it is for: a node's on nodes, a pooler's on poolers that may be
// changed, a pool's on applications that have an endpoint for it.
func TestPermitsInClusters(t *testing.T) {
	t.Parallel()
	p := clusters(t)
	for _, c := range []struct {
		handler, target, place, fix string
		want                        bool
	}{
		{"replicationlag", "orders", "orders/pg2", "drain", true},
		{"replicationlag", "orders", "orders/pg1", "restart_stream", true},
		{"replicationlag", "orders", "orders/pg2", "end_conflict", false},
		{"replicationlag", "orders", "orders/b1", "drain", false},
		{"replicationlag", "orders", "billing/b1", "drain", false},
		{"replicationlag", "orders", "billing/b1", "end_conflict", false},
		{"replicationlag", "orders", "orders/bouncer1", "drain", false},
		{"replicationlag", "orders", "orders/checkout", "drain", false},
		{"replicationlag", "orders", "orders/", "drain", false},
		{"replicationlag", "orders", "orders", "drain", false},
		{"replicationlag", "orders", "", "drain", false},
		{"replicationlag", "orders", "orders/pg2", "end_leaked", false},
		{"replicationlag", "billing", "billing/b2", "end_conflict", true},
		{"replicationlag", "billing", "billing/b2", "drain", false},
		{"replicationlag", "users", "users/pg1", "drain", false},
		{"poolexhaustion", "orders", "orders/pg1", "end_leaked", true},
		{"poolexhaustion", "orders", "orders/pg1", "drain", false},
		{"poolexhaustion", "orders", "orders/pg1", "grow_pool", false},
		{"poolexhaustion", "orders", "orders/pg1", "end_blocker", false},
		{"poolexhaustion", "orders", "orders/bouncer1", "grow_pool", true},
		{"poolexhaustion", "orders", "orders/bouncer1", "resume", true},
		{"poolexhaustion", "orders", "orders/bouncer1", "end_leaked", false},
		{"poolexhaustion", "orders", "orders/bouncer2", "grow_pool", false},
		{"poolexhaustion", "orders", "orders/bouncer2", "resume", false},
		{"poolexhaustion", "orders", "orders/checkout", "grow_pool", true},
		{"poolexhaustion", "orders", "orders/checkout", "resume", false},
		{"poolexhaustion", "orders", "orders/search", "grow_pool", false},
		{"poolexhaustion", "billing", "billing/b1", "end_leaked", false},
		{"retrystorm", "orders", "orders/pg2", "drain", false},
		{"retrystorm", "orders", "orders", "drain", false},
	} {
		if got := p.Permits(c.handler, c.target, c.place, c.fix); got != c.want {
			t.Errorf("%s, target %s, %s on %s: got %t, want %t", c.handler, c.target, c.fix, c.place, got, c.want)
		}
	}
	// A cluster that is named nowhere, in a policy that no loader has seen.
	p.Postgres = p.Postgres[1:]
	if p.Permits("replicationlag", "orders", "orders/pg2", "drain") {
		t.Error("a cluster that is not there: drain is permitted, want nothing")
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
			if p.Permits("retrystorm", "checkout/payments", "checkout/payments", fix) || p.Permits("retrystorm", "", "", fix) ||
				p.Permits("retrystorm", "/", "/", fix) || p.Permits("", "", "", fix) {
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
	if !p.Permits("retrystorm", "checkout/payments", "checkout/payments", "open") {
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

// TestTargetsInClusters: a cluster is a target of each handler that names it, with the domain of its own, and listing changes nothing.
func TestTargetsInClusters(t *testing.T) {
	t.Parallel()
	p := clusters(t)
	want := []policy.TargetName{
		{Handler: "replicationlag", Name: "orders", Domain: "shop", Zone: "eu-1", Mode: policy.Approve, Fixes: []string{"drain", "restart_stream"}},
		{Handler: "replicationlag", Name: "billing", Domain: "billing", Zone: "all", Mode: policy.Auto, Fixes: []string{"end_conflict"}},
		{Handler: "poolexhaustion", Name: "orders", Domain: "shop", Zone: "eu-1", Mode: policy.Auto, Fixes: []string{"end_leaked", "grow_pool", "resume"}},
	}
	if got := p.Targets(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	byHand := policy.Default()
	byHand.Postgres = []policy.PostgresCluster{{Cluster: "a", Nodes: []policy.PostgresNode{{Node: "n"}}}}
	byHand.Handlers.ReplicationLag.Clusters = []policy.LagCluster{{Cluster: "a"}, {Cluster: "b"}}
	want = []policy.TargetName{
		{Handler: "replicationlag", Name: "a", Domain: "a", Zone: "all", Mode: policy.Observe},
		{Handler: "replicationlag", Name: "b", Domain: "b", Zone: "all", Mode: policy.Observe},
	}
	if got := byHand.Targets(); !reflect.DeepEqual(got, want) {
		t.Errorf("made by hand: got  %+v\nwant %+v", got, want)
	}
	if c := byHand.Postgres[0]; c.Domain != "" || c.Match != nil || c.Nodes[0].ApplicationName != "" {
		t.Errorf("the list changed the policy: %+v", c)
	}
}
