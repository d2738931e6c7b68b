package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/firebreak-sre/firebreak/internal/pgbouncer"
	"github.com/firebreak-sre/firebreak/internal/postgres"
	"github.com/firebreak-sre/firebreak/internal/trust"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/haproxy"
	readpools "github.com/firebreak-sre/firebreak/remediations/haproxy/bounds"
	"github.com/firebreak-sre/firebreak/remediations/httpadmin"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer/deadman"
	"github.com/rs/zerolog"

	poolprobe "github.com/firebreak-sre/firebreak/handlers/poolexhaustion/probe"
	runtime "github.com/firebreak-sre/firebreak/internal/haproxy"
	poolers "github.com/firebreak-sre/firebreak/remediations/pgbouncer"
	sessions "github.com/firebreak-sre/firebreak/remediations/postgres"
)

// databases are the clusters of the policy as they are reached: the servers, and the pools in front of them.
type databases struct {
	fleet    *postgres.Fleet
	sessions *sessions.Sessions
	reads    *haproxy.ReadPool
	// looking are the poolers' consoles by their place, as a login that only reads. changing is what may be changed there.
	looking  map[string]*pgbouncer.Console
	changing *poolers.Poolers
	// consoles are all of them, to be closed.
	consoles []*pgbouncer.Console
	// stores are those of sessions, in the clusters and elsewhere.
	stores *sessionStores
}

// openDatabases reads the policy. It connects to nothing yet.
func openDatabases(p policy.Policy, to *trust.Trust, log zerolog.Logger) (*databases, error) {
	d := &databases{}
	var err error
	if d.fleet, err = postgres.Open(serversOf(p), log); err != nil {
		return nil, err
	}
	if d.sessions, err = sessions.New(sessions.Config{Looks: d.fleet, Acts: d.fleet, Log: log}); err != nil {
		return nil, err
	}
	pools, err := readPools(p, to)
	if err != nil {
		return nil, err
	}
	if d.reads, err = haproxy.New(haproxy.Config{Pools: pools}); err != nil {
		return nil, err
	}
	if err := d.openPoolers(p); err != nil {
		return nil, err
	}
	if d.stores, err = openSessions(p, d.fleet, to, log); err != nil {
		return nil, err
	}
	return d, nil
}

// lookers are the consoles as the prober takes them.
func (d *databases) lookers() map[string]poolprobe.Console {
	all := make(map[string]poolprobe.Console, len(d.looking))
	for place, c := range d.looking {
		all[place] = c
	}
	return all
}

// Run keeps the sessions open that are needed when no new ones are let in.
func (d *databases) Run(ctx context.Context) error { return d.fleet.Run(ctx) }

// Close ends all sessions.
func (d *databases) Close() {
	d.closeConsoles()
	d.stores.Close()
	d.fleet.Close()
}

func (d *databases) closeConsoles() {
	for _, c := range d.consoles {
		c.Close()
	}
}

// openPoolers reads the poolers of the policy. One without a login that may change it is only looked at.
func (d *databases) openPoolers(p policy.Policy) error {
	d.looking = map[string]*pgbouncer.Console{}
	admins := map[string]poolers.Pooler{}
	for _, c := range p.Postgres {
		for _, b := range c.PgBouncers {
			place := c.Cluster + "/" + b.PgBouncer
			var err error
			if d.looking[place], err = d.console(c, b, b.Stats); err != nil {
				return fmt.Errorf("pooler %s: %w", place, err)
			}
			if b.Admin == nil {
				continue
			}
			var admin poolers.Pooler
			if admin.Console, err = d.console(c, b, *b.Admin); err != nil {
				return fmt.Errorf("pooler %s: %w", place, err)
			}
			if m := b.Deadman; m != nil {
				if admin.Deadman, err = deadman.NewClient(m.Address, m.Token.Reveal()); err != nil {
					return fmt.Errorf("dead-man of pooler %s: %w", place, err)
				}
			}
			admins[place] = admin
		}
	}
	var err error
	d.changing, err = poolers.New(poolers.Config{Poolers: admins})
	return err
}

func (d *databases) console(c policy.PostgresCluster, b policy.PgBouncer, l policy.PostgresLogin) (*pgbouncer.Console, error) {
	console, err := pgbouncer.New(pgbouncer.Config{Host: b.Host, Port: b.Port, SSLMode: b.SSLMode, RootCert: c.Connect.SSLRootCertFile,
		User: l.User, Password: l.Password.Reveal(), Timeout: c.Connect.Timeout.D()})
	if err == nil {
		d.consoles = append(d.consoles, console)
	}
	return console, err
}

// serversOf are all nodes of all clusters that some handler looks at, and those of the stores of sessions. A cluster of which neither is so is
// not connected to.
func serversOf(p policy.Policy) []postgres.Node {
	used := map[string]bool{}
	for _, c := range p.Handlers.ReplicationLag.Clusters {
		used[c.Cluster] = true
	}
	for _, c := range p.Handlers.PoolExhaustion.Clusters {
		used[c.Cluster] = true
	}
	var nodes []postgres.Node
	for _, c := range p.Postgres {
		if !used[c.Cluster] {
			continue
		}
		for _, n := range c.Nodes {
			nodes = append(nodes, postgresNode(c, n))
		}
	}
	return append(nodes, sessionNodes(p)...)
}

func postgresNode(c policy.PostgresCluster, n policy.PostgresNode) postgres.Node {
	to := c.Connect
	node := postgres.Node{Name: c.Cluster + "/" + n.Node, Host: n.Host, Port: n.Port, Database: to.Database, SSLMode: to.SSLMode,
		RootCert: to.SSLRootCertFile, Probe: login(to.Probe), Timeout: to.Timeout.D()}
	if to.Act != nil {
		node.Act = login(*to.Act)
	}
	return node
}

func login(l policy.PostgresLogin) postgres.Login {
	return postgres.Login{User: l.User, Password: l.Password.Reveal()}
}

// readPools are the backends of HAProxy by cluster.
func readPools(p policy.Policy, to *trust.Trust) (map[string]haproxy.Pool, error) {
	pools, places := map[string]haproxy.Pool{}, readpools.PlacesOf(p)
	for _, c := range p.Postgres {
		if c.Reads == nil || c.Reads.HAProxy == nil {
			continue
		}
		client, err := runtime.New(c.Reads.HAProxy.Address)
		if err != nil {
			return nil, fmt.Errorf("read pool of cluster %s: %w", c.Cluster, err)
		}
		pools[c.Cluster] = haproxy.Pool{Client: client.Trusting(to.Config()), Backend: c.Reads.HAProxy.Backend, Servers: places[c.Cluster], MinReady: c.Reads.MinReady}
	}
	return pools, nil
}

// httpPools reads the pools that are behind HTTP endpoints.
type httpPools struct {
	policy policy.Policy
	admin  *httpadmin.Admin
}

// Out says which nodes of a cluster are taken out of its pool, and by whom.
func (h httpPools) Out(ctx context.Context, cluster string) (map[string]string, error) {
	out := map[string]string{}
	for _, c := range h.policy.Postgres {
		if c.Cluster != cluster {
			continue
		}
		for _, n := range c.Nodes {
			seen, err := h.admin.Check(ctx, remediations.Order{Action: "none",
				Step: remediations.Step{Cluster: cluster, Node: n.Node, Fix: "drain", Timeout: c.Connect.Timeout}})
			if err != nil {
				return nil, err
			}
			if seen.State != remediations.Absent {
				out[n.Node] = cmp.Or(seen.Detail, string(seen.State))
			}
		}
	}
	return out, nil
}
