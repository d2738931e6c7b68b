package replicationlag

import (
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/policy"
)

// threeClusters are two that the handler names, one of them switched off, and one that it does not name.
func threeClusters() policy.Policy {
	node := func(name, host string) policy.PostgresNode {
		return policy.PostgresNode{Node: name, Host: host, Slot: "slot_" + name}
	}
	return policy.Policy{
		Postgres: []policy.PostgresCluster{
			{Cluster: "orders", Domain: "shop", Zone: "a", Nodes: []policy.PostgresNode{node("pg1", "10.0.0.11"), node("pg2", "10.0.0.12")},
				PgBouncers: []policy.PgBouncer{{PgBouncer: "bouncer1", Host: "10.0.0.21"}}},
			{Cluster: "billing", Nodes: []policy.PostgresNode{node("db1", "10.0.1.11")}},
			{Cluster: "audit", Nodes: []policy.PostgresNode{node("a1", "10.0.2.11")}},
		},
		Handlers: policy.Handlers{ReplicationLag: policy.ReplicationLag{Mode: policy.Approve, Clusters: []policy.LagCluster{
			{Cluster: "orders", Mode: policy.Auto}, {Cluster: "billing", Mode: policy.Off}}}},
	}
}

// TestTarget holds which alerts are about which cluster, and about which of its nodes. The labels by themselves are tried in the topology.
func TestTarget(t *testing.T) {
	t.Parallel()
	h, err := New(threeClusters())
	if err != nil {
		t.Fatal(err)
	}
	orders := think.Target{Name: "orders", Domain: "shop", Zone: "a", Mode: policy.Approve}
	if got := h.Targets(); len(got) != 1 || got[0] != orders || h.Name() != "replicationlag" {
		t.Errorf("got targets %+v of %s", got, h.Name())
	}
	type labels = map[string]string
	for _, c := range []struct {
		name   string
		labels labels
		target think.Target
		node   string
	}{
		{"a standby", labels{"alertname": "PostgreSQLReplicationLag", "cluster": "orders", "application_name": "pg2",
			"instance": "10.0.0.11:9187"}, orders, "pg2"},
		{"a slot", labels{"alertname": "PostgreSQLSlotRetention", "slot_name": "slot_pg2", "server": "10.0.0.11:5432"}, orders, "pg2"},
		{"the cluster", labels{"alertname": "PostgreSQLReplicaCount", "cluster": "orders"}, orders, ""},
		{"the primary itself", labels{"alertname": "PostgreSQLReplicationNotMeasured", "instance": "10.0.0.11:9187"}, orders, "pg1"},
		{"its pooler", labels{"alertname": "PostgreSQLReplicationLag", "instance": "10.0.0.21:9127"}, orders, ""},
		{"switched off", labels{"alertname": "PostgreSQLStandbyAbsent", "cluster": "billing"}, think.Target{}, ""},
		{"not this handler's cluster", labels{"alertname": "PostgreSQLStandbyAbsent", "cluster": "audit"}, think.Target{}, ""},
		{"not this handler's alert", labels{"alertname": "PgBouncerPaused", "cluster": "orders"}, think.Target{}, ""},
		{"nobody's", labels{"alertname": "PostgreSQLReplicationLag"}, think.Target{}, ""},
	} {
		a := alerts.Alert{Labels: c.labels}
		got, ok := h.Target(a)
		if got != c.target || ok != (c.target.Name != "") {
			t.Errorf("%s: got %+v, %t, want %+v", c.name, got, ok, c.target)
		}
		found, _ := h.find(got.Name)
		if node, ok := found.subject(a); ok != (c.node != "") || node != c.node {
			t.Errorf("%s: got node %q, %t, want %q", c.name, node, ok, c.node)
		}
	}
}

// TestNew holds what is filled in.
func TestNew(t *testing.T) {
	t.Parallel()
	p := threeClusters()
	p.Handlers.ReplicationLag.Alerts = []string{"Lag"}
	h, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := h.Target(alerts.Alert{Labels: map[string]string{"alertname": "PostgreSQLReplicationLag", "cluster": "orders"}}); ok {
		t.Error("an alert that the policy does not name is answered")
	}
	c, ok := h.find("orders")
	if !ok || c.Fix.MaxSessions != 3 || c.Fix.Limit == 0 || c.Fix.Timeout == 0 || c.topology.Connect.Timeout == 0 ||
		len(c.Fix.Allow)+len(c.Fix.Roles) != 0 {
		t.Errorf("got %+v", c)
	}
	p.Handlers.ReplicationLag.Mode = ""
	if h, err = New(p); err != nil || h.Targets()[0].Mode != policy.Observe {
		t.Errorf("without a mode: got %+v, %v", h.Targets(), err)
	}
	if h, err := New(policy.Policy{}); err != nil || len(h.Targets()) != 0 {
		t.Errorf("without clusters: got %v", err)
	}
}

// TestNewRefuses holds that a policy that cannot be followed is refused, all of it at once.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	p := threeClusters()
	lag := &p.Handlers.ReplicationLag
	lag.Clusters = append(lag.Clusters, policy.LagCluster{Cluster: "orders"}, policy.LagCluster{Cluster: "nowhere"},
		policy.LagCluster{Cluster: "audit", Mode: "fast"}, policy.LagCluster{Cluster: "empty"})
	p.Postgres = append(p.Postgres, policy.PostgresCluster{Cluster: "empty"})
	_, err := New(p)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"handler replicationlag", `"orders": is named twice`,
		`"nowhere": postgres names no such cluster`,
		`mode "fast"`, `"empty": has no nodes`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want %q in it", err, want)
		}
	}
	p = threeClusters()
	p.Handlers.ReplicationLag.Mode = "x"
	if _, err := New(p); err == nil || !strings.Contains(err.Error(), `mode "x": must be off`) {
		t.Errorf("got %v", err)
	}
}
