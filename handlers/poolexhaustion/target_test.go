package poolexhaustion

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/handlers"
	"github.com/firebreak-sre/firebreak/internal/postgres"
	"github.com/firebreak-sre/firebreak/policy"
)

// nobody looks at nothing.
type nobody struct{}

func (nobody) Look(context.Context, string, func(context.Context, *pgx.Conn) error) error { return nil }

// hanging is a server that never answers.
type hanging struct{}

func (hanging) Look(ctx context.Context, _ string, _ func(context.Context, *pgx.Conn) error) error {
	<-ctx.Done()
	return ctx.Err()
}

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

// consolesOf are consoles for the poolers of [fourClusters].
func consolesOf() map[string]Console { return map[string]Console{"orders/bouncer1": &console{}} }

// TestTarget holds which alerts are about which cluster. The labels of nodes and poolers by themselves are tried in the topology.
func TestTarget(t *testing.T) {
	t.Parallel()
	h, err := New(fourClusters(), nobody{}, consolesOf(), nil)
	if err != nil {
		t.Fatal(err)
	}
	orders := handlers.Target{Name: "orders", Domain: "shop", Zone: "a", Mode: policy.Approve}
	if got := h.Targets(); len(got) != 2 || got[0] != orders || got[1].Name != "stock" || h.Name() != "poolexhaustion" {
		t.Errorf("got targets %+v of %s", got, h.Name())
	}
	type labels = map[string]string
	for _, c := range []struct {
		name      string
		alertname string
		labels    labels
		target    handlers.Target
	}{
		{"a pooler by name", "PgBouncerPoolExhausted", labels{"pgbouncer": "bouncer1"}, orders},
		{"a pooler by its exporter", "PgBouncerPaused", labels{"instance": "10.0.0.21:9127", "database": "app"}, orders},
		{"a pooler by host and port", "PgBouncerClientsNearLimit", labels{"server": "10.0.0.21:6432"}, orders},
		{"a pooler by its host", "PgBouncerClientsNearLimit", labels{"host": "10.0.0.21", "port": "6432"}, orders},
		{"a server", "PostgreSQLConnectionsNearLimit", labels{"instance": "10.0.0.11:9187"}, orders},
		{"the cluster", "PostgreSQLLockConvoy", labels{"cluster": "orders"}, orders},
		{"an application", "AppPoolExhausted", labels{"app": "checkout", "pod": "checkout-1"}, orders},
		{"an application of this cluster", "AppPoolExhausted", labels{"app": "checkout", "cluster": "orders"}, orders},
		{"an application of another cluster", "AppPoolExhausted", labels{"app": "checkout", "cluster": "staging"}, handlers.Target{}},
		{"an application and another cluster's server", "AppPoolExhausted", labels{"app": "checkout", "instance": "10.0.3.11:9187"}, handlers.Target{}},
		{"an application by labels of its own", "AppPoolExhausted", labels{"job": "worker", "cluster": "k8s-prod"}, orders},
		{"only some of its labels", "AppPoolExhausted", labels{"job": "worker"}, handlers.Target{}},
		{"an application with labels of its own is known by no others", "AppPoolExhausted", labels{"app": "worker"}, handlers.Target{}},
		{"an application of two clusters", "AppPoolExhausted", labels{"app": "twice"}, handlers.Target{}},
		{"an application of two clusters, and which", "AppPoolExhausted", labels{"app": "twice", "cluster": "orders"}, orders},
		{"an application nobody knows", "AppPoolExhausted", labels{"app": "search"}, handlers.Target{}},
		{"switched off", "PostgreSQLLockConvoy", labels{"cluster": "billing"}, handlers.Target{}},
		{"an application of one that is switched off", "AppPoolExhausted", labels{"app": "invoices"}, handlers.Target{}},
		{"not this handler's cluster", "PostgreSQLLockConvoy", labels{"cluster": "audit"}, handlers.Target{}},
		{"not this handler's alert", "PostgreSQLReplicationLag", labels{"cluster": "orders"}, handlers.Target{}},
		{"nobody's", "PgBouncerPaused", labels{}, handlers.Target{}},
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
	h, err := New(p, nobody{}, consolesOf(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := h.Target(alerts.Alert{Labels: map[string]string{"alertname": "PgBouncerPaused", "cluster": "orders"}}); ok {
		t.Error("an alert that the policy does not name is answered")
	}
	c, ok := h.find("orders")
	if !ok || c.Fix.MaxSessions != 3 || c.Fix.GrowPercent != 25 || c.Fix.Limit.D() != 30*time.Minute || c.Fix.Timeout == 0 ||
		c.topology.Connect.Timeout == 0 || len(c.Fix.Allow)+len(c.Fix.Roles) != 0 || c.Apps[0].Prometheus.Timeout.D() != 3*time.Second {
		t.Errorf("got %+v", c)
	}
	if a := p.Handlers.PoolExhaustion.Clusters[0].Apps[0]; a.Match != nil || a.Prometheus.Timeout != 0 {
		t.Errorf("the policy was changed: %+v", a)
	}
	p.Handlers.PoolExhaustion.Mode = ""
	if h, err = New(p, nobody{}, consolesOf(), nil); err != nil || h.Targets()[0].Mode != policy.Observe {
		t.Errorf("without a mode: got %+v, %v", h.Targets(), err)
	}
	if h, err := New(policy.Policy{}, nil, nil, nil); err != nil || len(h.Targets()) != 0 {
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
	_, err := New(p, nil, nil, nil)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"handler poolexhaustion", "nothing to look at servers with", `"orders": nothing to look at pooler "bouncer1" with`,
		"is named twice", `"nowhere": postgres names no such cluster`, `mode "fast"`, `"empty": has no nodes`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want %q in it", err, want)
		}
	}
	p = fourClusters()
	p.Handlers.PoolExhaustion.Mode = "x"
	if _, err := New(p, nobody{}, consolesOf(), nil); err == nil || !strings.Contains(err.Error(), `mode "x": must be off`) {
		t.Errorf("got %v", err)
	}
}

// TestObserveEnds holds that a look ends with the caller's context and says its cause, that nobody hanging costs more than their time, and
// that who never looks is no healthy server.
func TestObserveEnds(t *testing.T) {
	t.Parallel()
	p := fourClusters()
	p.Handlers.PoolExhaustion.Clusters[0].Apps = nil
	synctest.Test(t, func(t *testing.T) {
		h, err := New(p, hanging{}, map[string]Console{"orders/bouncer1": &console{hangs: true}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		stop := errors.New("shutting down")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, stop)
		defer cancel()
		began := time.Now()
		o, err := h.Observe(ctx, "orders")
		if took := time.Since(began); took != time.Second || !errors.Is(err, ErrUnreadable) || o.Poolers[0].Problem != stop.Error() ||
			!strings.Contains(o.Server.Problem, "pg1: shutting down") {
			t.Errorf("after %s: got %s, %v", took, asJSON(o), err)
		}
		began = time.Now()
		o, err = h.Observe(t.Context(), "orders")
		if took := time.Since(began); took != 5*time.Second || err == nil || o.Poolers[0].Problem != "no answer within 5s" {
			t.Errorf("after %s: got %s, %v", took, asJSON(o), err)
		}
	})
	h, err := New(p, nobody{}, consolesOf(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if o, err := h.Observe(t.Context(), "orders"); err != nil || !strings.Contains(o.Server.Problem, "pg1: it was not looked at") {
		t.Errorf("got %s, %v", asJSON(o), err)
	}
}

// full is a server that lets nobody in, and remembers when it was asked.
type full struct{ asked time.Time }

func (f *full) Look(context.Context, string, func(context.Context, *pgx.Conn) error) error {
	f.asked = time.Now()
	return fmt.Errorf("look at stock/s1: %w", postgres.ErrServerFull)
}

// TestObserveFull holds that a server that says that it is full is no failed look, though nothing else was read; and that a look that comes
// a little before blockers may be asked for again waits for that.
func TestObserveFull(t *testing.T) {
	t.Parallel()
	p := fourClusters()
	p.Handlers.PoolExhaustion.Clusters[2].Apps = nil
	synctest.Test(t, func(t *testing.T) {
		server := &full{}
		h, err := New(p, server, consolesOf(), nil)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if !h.asked.take("stock/s1", began) {
			t.Error("it may not be asked for the first time")
		}
		<-time.After(4500 * time.Millisecond) // by the bubble's clock
		o, err := h.Observe(t.Context(), "stock")
		if s := o.Server; err != nil || !s.Full || !strings.Contains(s.Problem, "s1: look at stock/s1: the server has no free connection slot") {
			t.Errorf("got %s, %v", asJSON(s), err)
		}
		if got := server.asked.Sub(began); got != 5*time.Second {
			t.Errorf("asked again after %s, want 5s", got)
		}
	})
}
