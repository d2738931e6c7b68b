package probe

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
)

// TestNew holds what is looked at: the clusters that the policy names for this handler, with the topology's defaults, and no others.
func TestNew(t *testing.T) {
	t.Parallel()
	p := twoNodes()
	p.Postgres = append(p.Postgres, policy.PostgresCluster{Cluster: "audit", Nodes: []policy.PostgresNode{{Node: "a1", Host: "10.0.2.11"}}})
	prober, err := New(p, nobody{}, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, ok := prober.find("orders")
	if !ok || len(c.topology.Nodes) != 2 || c.topology.Connect.Timeout.D() != 5*time.Second || c.readers != nil {
		t.Errorf("got %+v, %t", c, ok)
	}
	if _, err := prober.Observe(t.Context(), "audit"); !errors.Is(err, ErrUnknownTarget) {
		t.Errorf("a cluster that the handler does not name: got %v", err)
	}
	p.Postgres[0].Reads = &policy.ReadPool{HAProxy: &policy.HAProxyPool{Address: "/run/haproxy/admin.sock", Backend: "pg_read"}}
	if prober, err = New(p, nobody{}, nil, nil, nil); err != nil || prober.clusters[0].readers == nil {
		t.Errorf("a read pool behind HAProxy is not read: %v", err)
	}
	if _, err := New(policy.Policy{}, nil, nil, nil, nil); err != nil {
		t.Errorf("without clusters: got %v", err)
	}
}

// TestNewRefuses holds that what cannot be looked at is refused, all of it at once.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	p := twoNodes()
	lag := &p.Handlers.ReplicationLag
	lag.Clusters = append(lag.Clusters, policy.LagCluster{Cluster: "nowhere"}, policy.LagCluster{Cluster: "pooled"})
	p.Postgres = append(p.Postgres, policy.PostgresCluster{Cluster: "pooled", Nodes: []policy.PostgresNode{{Node: "x", Host: "x"}},
		Reads: &policy.ReadPool{HAProxy: &policy.HAProxyPool{Address: "somewhere"}}})
	_, err := New(p, nil, nil, nil, nil)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"handler replicationlag", "nothing to look at servers with", `"nowhere": postgres names no such cluster`,
		`"pooled": reads.haproxy: `} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want %q in it", err, want)
		}
	}
}
