package haproxy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/internal/haproxy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/haproxy/bounds"
)

const (
	// Name is what a [remediations.Step] calls this remediation, FixDrain its only fix.
	Name     = bounds.Name
	FixDrain = bounds.FixDrain
	// MaxLimit is the longest that a standby may be kept out.
	MaxLimit = bounds.MaxLimit

	// defaultTimeout bounds one command of an order that names no timeout.
	defaultTimeout = 5 * time.Second
	// claimGrace is how long a claim on another server counts beyond the deadline of its order: what clocks may differ by. On the same
	// server it counts until the deadline alone: whoever holds the cluster's lock now has waited for that, and asked what became of it.
	claimGrace = 5 * time.Second
)

var _ remediations.Remediation = (*ReadPool)(nil)

// Config is which pools there are.
type Config struct {
	// Pools by the name of the cluster.
	Pools map[string]Pool
}

// Pool is the backend of HAProxy that spreads the readers of one cluster.
type Pool struct {
	// Client reaches HAProxy at level admin. Required.
	Client *haproxy.Client
	// Backend is its name. Required.
	Backend string
	// Servers are the names in the backend by node. Only these count as readers. At least one.
	Servers map[string]string
	// MinReady is how many others must take connections when one is taken out, default 1, at least 1.
	MinReady int
}

// ReadPool knows the pools of all clusters.
type ReadPool struct {
	pools  map[string]pool
	places bounds.Places
}

// pool is a [Pool] that was checked, with what is derived from it.
type pool struct {
	Pool
	cluster string
	nodes   []string // sorted
	servers []string // in the order of nodes
}

// New checks the whole configuration, and says every problem. It does not connect.
func New(cfg Config) (*ReadPool, error) {
	r := &ReadPool{pools: map[string]pool{}, places: bounds.Places{}}
	var problems []error
	for cluster, p := range cfg.Pools {
		checked, err := newPool(cluster, p)
		if err != nil {
			problems = append(problems, fmt.Errorf("read pool of %s: %w", cluster, err))
			continue
		}
		r.pools[cluster], r.places[cluster] = checked, maps.Clone(p.Servers)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return r, nil
}

func newPool(cluster string, p Pool) (pool, error) {
	if p.MinReady == 0 {
		p.MinReady = 1
	}
	checked := pool{Pool: p, cluster: cluster}
	switch {
	case cluster == "":
		return checked, errors.New("the cluster has no name")
	case p.Client == nil:
		return checked, errors.New("no client")
	case !haproxy.Name(p.Backend):
		return checked, fmt.Errorf("%.40q is no name of a backend", p.Backend)
	case len(p.Servers) == 0:
		return checked, errors.New("no servers")
	case p.MinReady < 1:
		return checked, fmt.Errorf("min ready %d is less than 1", p.MinReady)
	}
	for node := range p.Servers {
		checked.nodes = append(checked.nodes, node)
	}
	slices.Sort(checked.nodes)
	for _, node := range checked.nodes {
		server := p.Servers[node]
		switch {
		case node == "" || !haproxy.Name(server):
			return checked, fmt.Errorf("node %.40q: %.40q is no name of a server", node, server)
		case slices.Contains(checked.servers, server):
			return checked, fmt.Errorf("server %s stands for two nodes", server)
		}
		checked.servers = append(checked.servers, server)
	}
	return checked, nil
}

// Bounds are those that [bounds.Places.Of] says.
func (r *ReadPool) Bounds(s remediations.Step) remediations.Bounds { return r.places.Of(s) }

// find is the pool of a step and the server of its node.
func (r *ReadPool) find(s remediations.Step) (pool, string, error) {
	server, err := r.places.Find(s)
	return r.pools[s.Cluster], server, err
}
