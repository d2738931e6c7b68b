// Package probe looks at the clusters of the poolexhaustion family: at their poolers, at the primary behind them and at the applications' own
// pools. It only reads. What it sees is a [poolexhaustion.Observation]; package poolexhaustion thinks about it.
package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/handlers/poolexhaustion"
	"github.com/firebreak-sre/firebreak/internal/topology"
	"github.com/firebreak-sre/firebreak/policy"
)

// Looks reads from servers. The node is named by its cluster and itself, as orders/pg1. Look calls fn at most once, with a session that
// only reads, and returns soon after ctx is over; its errors tell no password. To be let in by a server that is full, it has to have the
// session open already.
type Looks interface {
	Look(ctx context.Context, node string, fn func(context.Context, *pgx.Conn) error) error
}

// Prober looks at the clusters of a policy. It is safe for concurrent use. All that it remembers is when it last asked a server who blocks whom,
// and who it was, as that may not be asked often.
type Prober struct {
	clusters map[string]cluster // by name
	looks    Looks
	consoles map[string]Console
	client   *http.Client
	asked    *turns
}

// cluster is where everything of a target is.
type cluster struct {
	topology policy.PostgresCluster
	apps     []policy.AppPool
}

// New checks the policy as [poolexhaustion.New] does, and that there is something to look at all of it with; all problems are reported
// together. It looks at nothing yet. Consoles are the poolers' by cluster and pooler, as orders/bouncer1: there must be one for each pooler
// of the clusters that the handler is to look at. The client's transport is used to ask Prometheus; its redirects are not, and nil is
// a plain client.
func New(p policy.Policy, looks Looks, consoles map[string]Console, client *http.Client) (*Prober, error) {
	if client == nil {
		client = &http.Client{}
	}
	own := p.Handlers.PoolExhaustion.Clusters
	prober := &Prober{clusters: make(map[string]cluster, len(own)), looks: looks, consoles: consoles, client: refuseRedirects(client),
		asked: newTurns()}
	_, err := poolexhaustion.New(p)
	problems := []error{err}
	if looks == nil && len(own) > 0 {
		problems = append(problems, errors.New("nothing to look at servers with"))
	}
	places := topology.New(p.Postgres)
	for _, l := range own {
		c := cluster{apps: slices.Clone(l.Apps)}
		c.topology, _ = places.Find(l.Cluster) // that it is not there has been said
		for i := range c.apps {
			c.apps[i].Prometheus.Timeout = cmp.Or(c.apps[i].Prometheus.Timeout, policy.Duration(3*time.Second))
		}
		for _, b := range c.topology.PgBouncers {
			if consoles[c.place(b.PgBouncer)] == nil {
				problems = append(problems, fmt.Errorf("cluster %q: nothing to look at pooler %q with", l.Cluster, b.PgBouncer))
			}
		}
		prober.clusters[l.Cluster] = c
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("prepare to look for handler %s: %w", poolexhaustion.Name, err)
	}
	return prober, nil
}

// place is how a node or a pooler of the cluster is known to those who reach it.
func (c cluster) place(name string) string { return c.topology.Cluster + "/" + name }
