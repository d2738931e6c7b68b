package probe

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/replicationlag"
	"github.com/firebreak-sre/firebreak/internal/haproxy"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
)

// servers are a pool as its balancer would tell it.
type servers func(ctx context.Context, backend string) ([]haproxy.Server, error)

func (s servers) Servers(ctx context.Context, backend string) ([]haproxy.Server, error) {
	return s(ctx, backend)
}

// pooled is a cluster whose readers go through a pool.
func pooled(pool readers) cluster {
	return cluster{readers: pool, topology: policy.PostgresCluster{
		Cluster: "orders", Connect: policy.PostgresConnect{Timeout: policy.Duration(time.Second), Probe: policy.PostgresLogin{Password: probePassword}},
		Nodes: []policy.PostgresNode{{Node: "pg1"}, {Node: "pg2"}, {Node: "pg3"}, {Node: "pg4"}},
		Reads: &policy.ReadPool{HAProxy: &policy.HAProxyPool{Backend: "pg_read", Servers: map[string]string{"pg2": "replica-a"}}},
	}}
}

// poolOf are its readers.
func poolOf(all ...replicationlag.Reader) *replicationlag.Pool {
	return &replicationlag.Pool{Readers: all}
}

func reader(node string, ready bool, state string) replicationlag.Reader {
	return replicationlag.Reader{Node: node, Ready: ready, State: state}
}

// TestPool holds which nodes are in the read pool and which of them take readers, by the names that the pool has for them.
func TestPool(t *testing.T) {
	t.Parallel()
	up := haproxy.Server{OperationalUp: true, Checked: true, Weight: 100}
	server := func(name string, change func(*haproxy.Server)) haproxy.Server {
		s := up
		s.Name = name
		change(&s)
		return s
	}
	c := pooled(servers(func(_ context.Context, backend string) ([]haproxy.Server, error) {
		if backend != "pg_read" {
			t.Errorf("asked for backend %s", backend)
		}
		return []haproxy.Server{
			server("pg4", func(s *haproxy.Server) { s.OperationalUp = false }),
			server("pg3", func(s *haproxy.Server) { s.Admin = haproxy.Drain }),
			server("pg2", func(*haproxy.Server) {}), // no node: pg2 is replica-a there
			server("replica-a", func(*haproxy.Server) {}),
			server("somebody", func(*haproxy.Server) {}),
		}, nil
	}))
	want := poolOf(reader("pg2", true, "ready"), reader("pg3", false, "drained"), reader("pg4", false, "down"))
	if got := new(Prober).readPool(t.Context(), c); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// out is a pool behind HTTP endpoints that tells who was taken out.
type out map[string]string

func (o out) Out(context.Context, string) (map[string]string, error) {
	if why, broken := o["error"]; broken {
		return nil, errors.New(why)
	}
	return o, nil
}

// TestPoolBehindHTTP: the endpoints tell who was taken out; who does not answer as a standby is not ready either.
func TestPoolBehindHTTP(t *testing.T) {
	t.Parallel()
	prober := &Prober{pools: out{"pg3": "taken out by action a1"}}
	p := prober.readPool(t.Context(), pooled(nil))
	well := &replicationlag.Standby{}
	only(p, []replicationlag.Node{{Name: "pg1", Primary: &replicationlag.Primary{}}, {Name: "pg2", Standby: well}, {Name: "pg3", Standby: well},
		{Name: "pg4", Problem: "gone"}})
	const silent = "not taken out, and it does not answer as a standby"
	want := poolOf(reader("pg1", false, silent), reader("pg2", true, "not taken out"), reader("pg3", false, "taken out by action a1"),
		reader("pg4", false, silent))
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v, want %+v", p, want)
	}
	prober.pools = out{"error": "the balancer is gone"}
	if p := prober.readPool(t.Context(), pooled(nil)); p.Problem != "the balancer is gone" || p.Readers != nil {
		t.Errorf("got %+v, want only the problem", p)
	}
}

// poolAndManager holds a look that reads a real HAProxy and Patroni beside the nodes, as the policy names them.
func poolAndManager(t *testing.T, l *lab) {
	addresses := map[string]string{"replica-a": l.Standbys[0].Addr, "pg3": l.Standbys[1].Addr}
	balancer := testbed.StartHAProxy(t, testbed.HAProxyOptions{Servers: addresses, Backend: "pg_read", Check: true})
	manager := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(patroni3)) }))
	t.Cleanup(manager.Close)
	for _, address := range []string{balancer.Socket, "tcp://" + balancer.AdminAddr} {
		w := l.watch(t, func(c *policy.PostgresCluster) {
			c.Patroni = &policy.Patroni{URLs: []string{manager.URL}}
			c.Reads = &policy.ReadPool{HAProxy: &policy.HAProxyPool{Address: address, Backend: "pg_read", Servers: map[string]string{"pg2": "replica-a"}}}
		})
		for _, state := range []string{"drain", "ready"} {
			if said, err := balancer.Command("set server pg_read/replica-a state " + state); err != nil || said != "" {
				t.Fatalf("got %q, %v", said, err)
			}
			o := w.until("both readers, one "+state, func(o view) bool {
				return o.Pool != nil && len(o.Pool.Readers) == 2 && o.Pool.Readers[0].Ready == (state == "ready") && o.Pool.Readers[1].Ready
			})
			if r := o.Pool.Readers; r[0].Node != "pg2" || r[1].Node != "pg3" || r[1].State != "ready" || o.Pool.Problem != "" {
				t.Errorf("got %+v", o.Pool)
			}
			if o.Patroni == nil || !o.Patroni.Paused || len(o.Patroni.Members) != 3 || !o.well("pg2") {
				t.Errorf("got %s", asJSON(o))
			}
		}
	}
}

// TestPoolUnknown holds that a pool that cannot be read is said, never taken for an empty one.
func TestPoolUnknown(t *testing.T) {
	t.Parallel()
	for want, pool := range map[string]readers{
		"Permission denied": servers(func(context.Context, string) ([]haproxy.Server, error) {
			return nil, errors.New("haproxy says: Permission denied")
		}),
		"no answer within 1s": servers(func(ctx context.Context, _ string) ([]haproxy.Server, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}),
		"backend pg_read has none of the nodes": servers(func(context.Context, string) ([]haproxy.Server, error) {
			return []haproxy.Server{{Name: "pg2", OperationalUp: true}}, nil
		}),
		"nothing was given to read it with": nil,
		"[redacted]": servers(func(context.Context, string) ([]haproxy.Server, error) {
			return nil, errors.New("odd: " + probePassword)
		}),
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			got := new(Prober).readPool(t.Context(), pooled(pool))
			if !strings.Contains(got.Problem, want) || got.Readers != nil || strings.Contains(got.Problem, probePassword) {
				t.Errorf("got %+v, want %q", got, want)
			}
		})
	}
}
