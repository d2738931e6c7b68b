// Package probe is the half of the family replicationlag that looks: at the nodes of a cluster, at Patroni and at the read pool. It reads
// and never changes anything. What is made of a look is not its business: see the package replicationlag.
package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/handlers/replicationlag"
	"github.com/firebreak-sre/firebreak/internal/haproxy"
	"github.com/firebreak-sre/firebreak/internal/topology"
	"github.com/firebreak-sre/firebreak/policy"
)

// Looks reads from servers. The node is named by its cluster and itself, as orders/pg1. Look calls fn at most once, with a session that
// only reads, and returns soon after ctx is over; its errors tell no password.
type Looks interface {
	Look(ctx context.Context, node string, fn func(context.Context, *pgx.Conn) error) error
}

// Pools says which nodes of a cluster are out of its read pool, where that is behind HTTP endpoints: whoever took them out.
type Pools interface {
	Out(ctx context.Context, cluster string) (map[string]string, error)
}

// readers says who is in a read pool.
type readers interface {
	Servers(ctx context.Context, backend string) ([]haproxy.Server, error)
}

// Prober looks at the clusters that the policy names for replicationlag. It is safe for concurrent use and holds no state.
type Prober struct {
	clusters []cluster
	looks    Looks
	pools    Pools
	client   *http.Client
}

// cluster is one of them, as the topology has it.
type cluster struct {
	topology policy.PostgresCluster
	// readers is nil where the policy names no HAProxy.
	readers readers
}

// New reads which clusters there are and how they are reached. It looks at nothing yet. All problems are reported together. The client's
// transport is used to ask Patroni; its redirects are not, and nil is a plain client. Without pools nothing is known of read pools behind
// HTTP endpoints. trust is what HAProxy is reached with over TLS (see [haproxy.Client.Trusting]); nil is the system's.
func New(p policy.Policy, looks Looks, pools Pools, client *http.Client, trust *tls.Config) (*Prober, error) {
	if client == nil {
		client = &http.Client{}
	}
	prober := &Prober{looks: looks, pools: pools, client: refuseRedirects(client)}
	named := p.Handlers.ReplicationLag.Clusters
	var problems []error
	if looks == nil && len(named) > 0 {
		problems = append(problems, errors.New("nothing to look at servers with"))
	}
	known := topology.New(p.Postgres)
	for _, l := range named {
		c, err := newCluster(known, l.Cluster, trust)
		if err != nil {
			problems = append(problems, fmt.Errorf("cluster %q: %w", l.Cluster, err))
		}
		prober.clusters = append(prober.clusters, c)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("read policy of handler %s: %w", replicationlag.Name, err)
	}
	return prober, nil
}

func newCluster(known topology.Map, name string, trust *tls.Config) (cluster, error) {
	found, ok := known.Find(name)
	if !ok {
		return cluster{}, errors.New("postgres names no such cluster")
	}
	c := cluster{topology: found}
	if r := found.Reads; r != nil && r.HAProxy != nil {
		client, err := haproxy.New(r.HAProxy.Address)
		if err != nil {
			return c, fmt.Errorf("reads.haproxy: %w", err)
		}
		c.readers = client.Trusting(trust)
	}
	return c, nil
}

// find returns the cluster of a target's name.
func (p *Prober) find(target string) (cluster, bool) {
	i := slices.IndexFunc(p.clusters, func(c cluster) bool { return c.topology.Cluster == target })
	if i < 0 {
		return cluster{}, false
	}
	return p.clusters[i], true
}
