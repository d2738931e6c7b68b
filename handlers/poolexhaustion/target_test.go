package poolexhaustion

import (
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/policy"
)

// fourClusters are two that the handler names, one of them switched off, one more that it names, and one that it does not name.
func fourClusters() policy.Policy {
	node := func(name, host string) []policy.PostgresNode { return []policy.PostgresNode{{Node: name, Host: host}} }
	apps := func(names ...string) (all []policy.AppPool) {
		for _, n := range names {
			all = append(all, policy.AppPool{App: n})
		}
		return all
	}
	return policy.Policy{
		Postgres: []policy.PostgresCluster{
			{Cluster: "orders", Domain: "shop", Zone: "a", Nodes: node("pg1", "10.0.0.11"),
				PgBouncers: []policy.PgBouncer{{PgBouncer: "bouncer1", Host: "10.0.0.21"}}},
			{Cluster: "billing", Nodes: node("db1", "10.0.1.11")},
			{Cluster: "stock", Nodes: node("s1", "10.0.3.11")},
			{Cluster: "audit", Nodes: node("a1", "10.0.2.11")},
		},
		Handlers: policy.Handlers{PoolExhaustion: policy.PoolExhaustion{Mode: policy.Approve, Clusters: []policy.PoolCluster{
			{Cluster: "orders", Mode: policy.Auto, Apps: append(apps("checkout", "twice"),
				policy.AppPool{App: "worker", Match: map[string]string{"job": "worker", "cluster": "k8s-prod"}})},
			{Cluster: "billing", Mode: policy.Off, Apps: apps("invoices")},
			{Cluster: "stock", Apps: apps("twice")}}}},
	}
}

// TestTarget holds which alerts are about which cluster. The labels of nodes and poolers by themselves are tried in the topology.
func TestTarget(t *testing.T) {
	t.Parallel()
	h, err := New(fourClusters())
	if err != nil {
		t.Fatal(err)
	}
	orders := think.Target{Name: "orders", Domain: "shop", Zone: "a", Mode: policy.Approve}
	if got := h.Targets(); len(got) != 2 || got[0] != orders || got[1].Name != "stock" || h.Name() != "poolexhaustion" {
		t.Errorf("got targets %+v of %s", got, h.Name())
	}
	type labels = map[string]string
	for _, c := range []struct {
		name      string
		alertname string
		labels    labels
		target    think.Target
	}{
		{"a pooler by name", "PgBouncerPoolExhausted", labels{"pgbouncer": "bouncer1"}, orders},
		{"a pooler by its exporter", "PgBouncerPaused", labels{"instance": "10.0.0.21:9127", "database": "app"}, orders},
		{"a pooler by host and port", "PgBouncerClientsNearLimit", labels{"server": "10.0.0.21:6432"}, orders},
		{"a pooler by its host", "PgBouncerClientsNearLimit", labels{"host": "10.0.0.21", "port": "6432"}, orders},
		{"a server", "PostgreSQLConnectionsNearLimit", labels{"instance": "10.0.0.11:9187"}, orders},
		{"the cluster", "PostgreSQLLockConvoy", labels{"cluster": "orders"}, orders},
		{"an application", "AppPoolExhausted", labels{"app": "checkout", "pod": "checkout-1"}, orders},
		{"an application of this cluster", "AppPoolExhausted", labels{"app": "checkout", "cluster": "orders"}, orders},
		{"an application of another cluster", "AppPoolExhausted", labels{"app": "checkout", "cluster": "staging"}, think.Target{}},
		{"an application and another cluster's server", "AppPoolExhausted", labels{"app": "checkout", "instance": "10.0.3.11:9187"}, think.Target{}},
		{"an application by labels of its own", "AppPoolExhausted", labels{"job": "worker", "cluster": "k8s-prod"}, orders},
		{"only some of its labels", "AppPoolExhausted", labels{"job": "worker"}, think.Target{}},
		{"an application with labels of its own is known by no others", "AppPoolExhausted", labels{"app": "worker"}, think.Target{}},
		{"an application of two clusters", "AppPoolExhausted", labels{"app": "twice"}, think.Target{}},
		{"an application of two clusters, and which", "AppPoolExhausted", labels{"app": "twice", "cluster": "orders"}, orders},
		{"an application nobody knows", "AppPoolExhausted", labels{"app": "search"}, think.Target{}},
		{"switched off", "PostgreSQLLockConvoy", labels{"cluster": "billing"}, think.Target{}},
		{"an application of one that is switched off", "AppPoolExhausted", labels{"app": "invoices"}, think.Target{}},
		{"not this handler's cluster", "PostgreSQLLockConvoy", labels{"cluster": "audit"}, think.Target{}},
		{"not this handler's alert", "PostgreSQLReplicationLag", labels{"cluster": "orders"}, think.Target{}},
		{"nobody's", "PgBouncerPaused", labels{}, think.Target{}},
	} {
		c.labels["alertname"] = c.alertname
		if got, ok := h.Target(alerts.Alert{Labels: c.labels}); got != c.target || ok != (c.target.Name != "") {
			t.Errorf("%s: got %+v, %t, want %+v", c.name, got, ok, c.target)
		}
	}
}

// TestNew holds what is filled in, and that the policy itself is left as it is.
func TestNew(t *testing.T) {
	t.Parallel()
	p := fourClusters()
	p.Handlers.PoolExhaustion.Alerts = []string{"Pool"}
	h, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := h.Target(alerts.Alert{Labels: map[string]string{"alertname": "PgBouncerPaused", "cluster": "orders"}}); ok {
		t.Error("an alert that the policy does not name is answered")
	}
	c, ok := h.find("orders")
	if !ok || c.Fix.MaxSessions != 3 || c.Fix.GrowPercent != 25 || c.Fix.Limit.D() != 30*time.Minute || c.Fix.Timeout == 0 ||
		c.topology.Connect.Timeout == 0 || len(c.Fix.Allow)+len(c.Fix.Roles) != 0 || c.Apps[0].Match["app"] != "checkout" {
		t.Errorf("got %+v", c)
	}
	if a := p.Handlers.PoolExhaustion.Clusters[0].Apps[0]; a.Match != nil {
		t.Errorf("the policy was changed: %+v", a)
	}
	p.Handlers.PoolExhaustion.Mode = ""
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
	p := fourClusters()
	own := &p.Handlers.PoolExhaustion
	own.Clusters = append(own.Clusters, policy.PoolCluster{Cluster: "orders"}, policy.PoolCluster{Cluster: "nowhere"},
		policy.PoolCluster{Cluster: "audit", Mode: "fast"}, policy.PoolCluster{Cluster: "empty"})
	p.Postgres = append(p.Postgres, policy.PostgresCluster{Cluster: "empty"})
	_, err := New(p)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"handler poolexhaustion", `"orders": is named twice`, `"nowhere": postgres names no such cluster`, `mode "fast"`, `"empty": has no nodes`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want %q in it", err, want)
		}
	}
	p = fourClusters()
	p.Handlers.PoolExhaustion.Mode = "x"
	if _, err := New(p); err == nil || !strings.Contains(err.Error(), `mode "x": must be off`) {
		t.Errorf("got %v", err)
	}
}
