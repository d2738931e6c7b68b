package known_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/archcheck"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/known"
)

// shop is a policy with one place for each remediation that has places of its own.
func shop() policy.Policy {
	control := policy.HTTPControl{Adjust: &policy.HTTPRequest{}, SelfExpiring: true}
	return policy.Policy{
		Postgres: []policy.PostgresCluster{
			{Cluster: "orders", Nodes: []policy.PostgresNode{{Node: "pg1"}},
				Reads:      &policy.ReadPool{HAProxy: &policy.HAProxyPool{Servers: map[string]string{"pg1": "replica-a"}}},
				PgBouncers: []policy.PgBouncer{{PgBouncer: "bouncer1", Admin: &policy.PostgresLogin{}}, {PgBouncer: "bouncer2"}}},
			{Cluster: "billing", Nodes: []policy.PostgresNode{{Node: "db1"}}, Reads: &policy.ReadPool{HTTP: &policy.HTTPPool{Drain: control}}},
		},
		Handlers: policy.Handlers{
			RetryStorm: policy.RetryStorm{Edges: []policy.Edge{
				{Service: "checkout", Edge: "payments", Fix: policy.EdgeFix{HTTP: &policy.HTTPFix{Controls: map[string]policy.HTTPControl{"open": {}}}}},
				{Service: "checkout", Edge: "mail"}}},
			PoolExhaustion: policy.PoolExhaustion{Clusters: []policy.PoolCluster{{Cluster: "orders", Apps: []policy.AppPool{
				{App: "checkout", HTTP: &policy.AppPoolHTTP{Grow: control}}, {App: "mail"}}}}},
		},
	}
}

func node(remediation, fix, cluster, node, params string) remediations.Step {
	return remediations.Step{Remediation: remediation, Fix: fix, Cluster: cluster, Node: node, Params: json.RawMessage(params)}
}

func edge(remediation, fix, service, edge string) remediations.Step {
	return remediations.Step{Remediation: remediation, Fix: fix, Service: service, Edge: edge}
}

// Each remediation says what it can never pass, and says nothing where it can do nothing.
func TestBounds(t *testing.T) {
	t.Parallel()
	const grow, pool = `{"database":"app","from":20,"to":23,"usable":60}`, `{"database":"app"}`
	catalog := known.New(shop())
	for _, c := range []struct {
		step  remediations.Step
		class remediations.Class
		limit time.Duration
		is    string // of: expires itself, adjusts, once
	}{
		{edge("breaker", "open", "checkout", "mail"), remediations.ClassA, 5 * time.Minute, "ea"},
		{edge("breaker", "shed", "checkout", "mail"), remediations.ClassA, 10 * time.Minute, "ea"},
		{edge("httpadmin", "open", "checkout", "payments"), remediations.ClassA, 5 * time.Minute, ""},
		{edge("httpadmin", "open", "checkout", "mail"), remediations.ClassN, 0, ""},
		{edge("httpadmin", "drain", "billing", "db1"), remediations.ClassN, 0, ""},
		{node("httpadmin", "open", "checkout", "payments", ""), remediations.ClassN, 0, ""},
		{node("httpadmin", "drain", "billing", "db1", ""), remediations.ClassA, 10 * time.Minute, "ea"},
		{node("httpadmin", "drain", "orders", "pg1", ""), remediations.ClassN, 0, ""},
		{node("httpadmin", "grow_pool", "orders", "checkout", ""), remediations.ClassA, 30 * time.Minute, "ea"},
		{node("httpadmin", "grow_pool", "orders", "mail", ""), remediations.ClassN, 0, ""},
		{node("haproxy", "drain", "orders", "pg1", ""), remediations.ClassA, 10 * time.Minute, ""},
		{node("haproxy", "drain", "billing", "db1", ""), remediations.ClassN, 0, ""},
		{node("haproxy", "maint", "orders", "pg1", ""), remediations.ClassN, 0, ""},
		{node("pgbouncer", "grow_pool", "orders", "bouncer1", grow), remediations.ClassA, 30 * time.Minute, ""},
		{node("pgbouncer", "grow_pool", "orders", "bouncer1", pool), remediations.ClassN, 0, ""},
		{node("pgbouncer", "grow_pool", "orders", "bouncer2", grow), remediations.ClassN, 0, ""},
		{node("pgbouncer", "resume", "orders", "bouncer1", pool), remediations.ClassP, 30 * time.Minute, "o"},
		{node("pgbouncer", "resume", "orders", "bouncer1", `{"database":"app","ours":true}`), remediations.ClassA, 30 * time.Minute, "o"},
		{node("pgbouncer", "pause", "orders", "bouncer1", pool), remediations.ClassP, 15 * time.Second, ""},
		{node("postgres", "end_conflict", "orders", "pg1", ""), remediations.ClassA, 10 * time.Minute, "o"},
		{node("postgres", "resume_replay", "orders", "pg1", ""), remediations.ClassP, 10 * time.Minute, "o"},
		{node("postgres", "promote", "orders", "pg1", ""), remediations.ClassN, 10 * time.Minute, "o"},
	} {
		got, ok := catalog.Bounds(c.step)
		is := ""
		for _, say := range []struct {
			so     bool
			letter string
		}{{got.ExpiresItself, "e"}, {got.Adjusts, "a"}, {got.Once, "o"}} {
			if say.so {
				is += say.letter
			}
		}
		if !ok || got.Class != c.class || got.MaxLimit != c.limit || is != c.is || got.Undo || (len(got.Never) == 0) != (c.class == remediations.ClassN) {
			t.Errorf("%s, %s on %s: got %+v, %t, want %s for %s, %q", c.step.Remediation, c.step.Fix, c.step.Place(), got, ok, c.class, c.limit, c.is)
		}
	}
}

// A remediation that there is not has no bounds, and an empty policy has no places.
func TestUnknown(t *testing.T) {
	t.Parallel()
	drain := node("haproxy", "drain", "orders", "pg1", "")
	if got, ok := known.New(policy.Policy{}).Bounds(drain); !ok || got.Class != remediations.ClassN {
		t.Errorf("an empty policy: got %+v, %t", got, ok)
	}
	if got, ok := (known.Catalog{}).Bounds(drain); ok || got.Class != "" {
		t.Errorf("the zero catalog: got %+v, %t", got, ok)
	}
	for _, name := range []string{"", "nothing"} {
		if got, ok := known.New(shop()).Bounds(node(name, "drain", "orders", "pg1", "")); ok || got.Class != "" {
			t.Errorf("remediation %q: got %+v, %t", name, got, ok)
		}
	}
}

// TestReachesNothing holds that who asks for bounds brings nothing along that could reach a system.
func TestReachesNothing(t *testing.T) {
	t.Parallel()
	found, err := archcheck.Reach(t.Context(), ".", archcheck.Clients()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range found {
		t.Errorf("it can reach a system: %s", way)
	}
}
