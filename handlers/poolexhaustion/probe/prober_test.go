package probe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

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

// twoClusters are two that the handler names: one with a pooler and an application, and one with an application alone.
func twoClusters() policy.Policy {
	return policy.Policy{
		Postgres: []policy.PostgresCluster{
			{Cluster: "orders", Nodes: []policy.PostgresNode{{Node: "pg1", Host: "10.0.0.11"}},
				PgBouncers: []policy.PgBouncer{{PgBouncer: "bouncer1", Host: "10.0.0.21"}}},
			{Cluster: "stock", Nodes: []policy.PostgresNode{{Node: "s1", Host: "10.0.3.11"}}},
		},
		Handlers: policy.Handlers{PoolExhaustion: policy.PoolExhaustion{Mode: policy.Approve, Clusters: []policy.PoolCluster{
			{Cluster: "orders", Apps: []policy.AppPool{{App: "checkout"}}}, {Cluster: "stock", Apps: []policy.AppPool{{App: "depot"}}}}}},
	}
}

// consolesOf are consoles for the poolers of [twoClusters].
func consolesOf() map[string]Console { return map[string]Console{"orders/bouncer1": &console{}} }

// TestNew holds what is filled in, and that the policy itself is left as it is.
func TestNew(t *testing.T) {
	t.Parallel()
	p := twoClusters()
	prober, err := New(p, nobody{}, consolesOf(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c, ok := prober.clusters["orders"]
	if !ok || c.topology.Connect.Timeout == 0 || c.apps[0].Prometheus.Timeout.D() != 3*time.Second || c.place("pg1") != "orders/pg1" {
		t.Errorf("got %+v", c)
	}
	if a := p.Handlers.PoolExhaustion.Clusters[0].Apps[0]; a.Prometheus.Timeout != 0 {
		t.Errorf("the policy was changed: %+v", a)
	}
	if _, err := New(policy.Policy{}, nil, nil, nil); err != nil {
		t.Errorf("without clusters: got %v", err)
	}
}

// TestNewRefuses holds that a prober that could not look at everything is refused, and so is a policy that the thinking half refuses, all of
// it at once.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	p := twoClusters()
	own := &p.Handlers.PoolExhaustion
	own.Clusters = append(own.Clusters, policy.PoolCluster{Cluster: "orders"}, policy.PoolCluster{Cluster: "nowhere"})
	_, err := New(p, nil, nil, nil)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"handler poolexhaustion", "nothing to look at servers with", `"orders": nothing to look at pooler "bouncer1" with`,
		"is named twice", `"nowhere": postgres names no such cluster`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want %q in it", err, want)
		}
	}
}

// TestObserveEnds holds that a look ends with the caller's context and says its cause, that nobody hanging costs more than their time, and
// that who never looks is no healthy server.
func TestObserveEnds(t *testing.T) {
	t.Parallel()
	p := twoClusters()
	p.Handlers.PoolExhaustion.Clusters[0].Apps = nil
	synctest.Test(t, func(t *testing.T) {
		prober, err := New(p, hanging{}, map[string]Console{"orders/bouncer1": &console{hangs: true}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		stop := errors.New("shutting down")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, stop)
		defer cancel()
		began := time.Now()
		o, err := prober.Observe(ctx, "orders")
		if took := time.Since(began); took != time.Second || !errors.Is(err, ErrUnreadable) || o.Poolers[0].Problem != stop.Error() ||
			!strings.Contains(o.Server.Problem, "pg1: shutting down") {
			t.Errorf("after %s: got %s, %v", took, asJSON(o), err)
		}
		began = time.Now()
		o, err = prober.Observe(t.Context(), "orders")
		if took := time.Since(began); took != 5*time.Second || err == nil || o.Poolers[0].Problem != "no answer within 5s" {
			t.Errorf("after %s: got %s, %v", took, asJSON(o), err)
		}
	})
	prober, err := New(p, nobody{}, consolesOf(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if o, err := prober.Observe(t.Context(), "orders"); err != nil || !strings.Contains(o.Server.Problem, "pg1: it was not looked at") {
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
	p := twoClusters()
	p.Handlers.PoolExhaustion.Clusters[1].Apps = nil
	synctest.Test(t, func(t *testing.T) {
		server := &full{}
		prober, err := New(p, server, consolesOf(), nil)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if !prober.asked.take("stock/s1", began) {
			t.Error("it may not be asked for the first time")
		}
		<-time.After(4500 * time.Millisecond) // by the bubble's clock
		o, err := prober.Observe(t.Context(), "stock")
		if s := o.Server; err != nil || !s.Full || !strings.Contains(s.Problem, "s1: look at stock/s1: the server has no free connection slot") {
			t.Errorf("got %s, %v", asJSON(s), err)
		}
		if got := server.asked.Sub(began); got != 5*time.Second {
			t.Errorf("asked again after %s, want 5s", got)
		}
	})
}
