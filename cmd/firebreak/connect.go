package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/internal/haproxy"
	"github.com/firebreak-sre/firebreak/internal/pgbouncer"
	"github.com/firebreak-sre/firebreak/internal/postgres"
	"github.com/firebreak-sre/firebreak/internal/trust"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/rs/zerolog"
)

// connectWithin bounds the look at one server.
const connectWithin = 15 * time.Second

// connecting is a try of everything that the policy says is there. It changes nothing.
type connecting struct {
	out io.Writer
	// failed counts what does not work; what only should be otherwise is said and not counted.
	failed int
	trust  *trust.Trust
}

// connectAll tries all servers of the policy, and says exactly what is missing. It returns how many things do not work.
func connectAll(ctx context.Context, out io.Writer, p policy.Policy) (int, error) {
	to, err := openTrust(p, zerolog.Nop())
	if err != nil {
		return 0, err
	}
	c := &connecting{out: out, trust: to}
	fleet, err := postgres.Open(serversOf(p), zerolog.Nop())
	if err != nil {
		return 0, err
	}
	defer fleet.Close()
	for _, cluster := range p.Postgres {
		needs, used := needsOf(p, cluster.Cluster)
		if !used {
			fmt.Fprintf(out, "  %s: no handler names it, not tried\n", cluster.Cluster)
			continue
		}
		c.cluster(ctx, fleet, cluster, needs)
	}
	if err := c.sessions(ctx, fleet, p, to); err != nil {
		return 0, err
	}
	return c.failed, nil
}

// needsOf are what the handlers may do in a cluster, and whether any looks at it.
func needsOf(p policy.Policy, cluster string) (postgres.Needs, bool) {
	n, used := postgres.Needs{Probe: true}, false
	allow := func(fixes []string) {
		used = true
		for _, fix := range fixes {
			switch fix {
			case "end_conflict", "restart_stream", "end_leaked", "end_blocker":
				n.EndSessions = true
			case "resume_replay":
				n.Resume = true
			}
		}
	}
	for _, l := range p.Handlers.ReplicationLag.Clusters {
		if l.Cluster == cluster {
			allow(l.Fix.Allow)
		}
	}
	for _, l := range p.Handlers.PoolExhaustion.Clusters {
		if l.Cluster == cluster {
			allow(l.Fix.Allow)
		}
	}
	return n, used
}

// cluster tries every node of a cluster, and the pool in front of it.
func (c *connecting) cluster(ctx context.Context, fleet *postgres.Fleet, cluster policy.PostgresCluster, needs postgres.Needs) {
	primaries, identifier := 0, cluster.SystemIdentifier
	for _, n := range cluster.Nodes {
		name := cluster.Cluster + "/" + n.Node
		facts, ok := c.node(ctx, fleet, name, needs)
		if !ok {
			continue
		}
		if !facts.Recovery {
			primaries++
		}
		if identifier = cmp.Or(identifier, facts.SystemIdentifier); facts.SystemIdentifier != identifier {
			c.fail("%s: its system identifier is %s, and that of the cluster %s: it is not a node of it", name, facts.SystemIdentifier, identifier)
		}
	}
	if primaries != 1 {
		c.fail("%s: %d of its nodes say that they are the primary: there must be one", cluster.Cluster, primaries)
	}
	c.reads(ctx, cluster)
	for _, b := range cluster.PgBouncers {
		c.pooler(ctx, cluster, b)
	}
}

// pooler tries the console of a pooler as each of its logins.
func (c *connecting) pooler(ctx context.Context, cluster policy.PostgresCluster, b policy.PgBouncer) {
	var opened databases
	defer opened.closeConsoles()
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	name := cluster.Cluster + "/" + b.PgBouncer
	logins := []policy.PostgresLogin{b.Stats}
	if b.Admin != nil {
		logins = append(logins, *b.Admin)
	}
	var told pgbouncer.Settings
	for _, l := range logins {
		console, err := opened.console(cluster, b, l)
		if err == nil {
			told, err = console.Config(ctx)
		}
		if err != nil {
			c.fail("%s: as %s: %v", name, l.User, err)
			return
		}
	}
	switch {
	case b.Admin != nil && !told.Admin(b.Admin.User):
		c.failed++
		fmt.Fprintf(c.out, "  %s: PgBouncer\n    missing: %s is none of its admin_users: add it in pgbouncer.ini, and RELOAD\n", name, b.Admin.User)
	case told.Admin(b.Stats.User):
		fmt.Fprintf(c.out, "  %s: PgBouncer answers\n    note: %s only looks, and is one of its admin_users: stats_users is enough\n", name, b.Stats.User)
	default:
		fmt.Fprintf(c.out, "  %s: PgBouncer answers, and its logins may do what they need and not more\n", name)
	}
}

// node tries one server.
func (c *connecting) node(ctx context.Context, fleet *postgres.Fleet, name string, needs postgres.Needs) (postgres.Facts, bool) {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	facts, missing, err := postgres.Check(ctx, fleet, name, needs)
	if err != nil {
		c.fail("%s: %v", name, err)
		return facts, false
	}
	role := "primary"
	if facts.Recovery {
		role = "standby"
	}
	if len(missing) == 0 {
		fmt.Fprintf(c.out, "  %s: %s, PostgreSQL %d.%d, both logins may do what they need and not more\n", name, role, facts.Version/10000, facts.Version%10000)
		return facts, true
	}
	fmt.Fprintf(c.out, "  %s: %s, PostgreSQL %d.%d\n", name, role, facts.Version/10000, facts.Version%10000)
	for _, m := range missing {
		if m.Why == postgres.TooMuch {
			fmt.Fprintf(c.out, "    note: %s: %s; on the primary: %s\n", m.Need, m.Why, m.SQL)
			continue
		}
		c.failed++
		fmt.Fprintf(c.out, "    missing: %s: %s\n      on the primary, in the same database: %s\n", m.Need, m.Why, m.SQL)
	}
	return facts, true
}

// reads tries the read pool.
func (c *connecting) reads(ctx context.Context, cluster policy.PostgresCluster) {
	if cluster.Reads == nil || cluster.Reads.HAProxy == nil {
		return
	}
	pool := cluster.Reads.HAProxy
	client, err := haproxy.New(pool.Address)
	if err != nil {
		c.fail("%s: %v", cluster.Cluster, err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	servers, err := client.Trusting(c.trust.Config()).Servers(ctx, pool.Backend)
	if err != nil {
		c.fail("%s: read pool: %v", cluster.Cluster, trust.Hint(err))
		return
	}
	for _, n := range cluster.Nodes {
		name := cmp.Or(pool.Servers[n.Node], n.Node)
		if i := slices.IndexFunc(servers, func(s haproxy.Server) bool { return s.Name == name }); i < 0 {
			fmt.Fprintf(c.out, "    note: %s is no server of backend %s of HAProxy: it cannot be taken out of it\n", name, pool.Backend)
		}
	}
	fmt.Fprintf(c.out, "  %s: read pool: backend %s of HAProxy has %d servers\n", cluster.Cluster, pool.Backend, len(servers))
}

func (c *connecting) fail(format string, args ...any) {
	c.failed++
	fmt.Fprintf(c.out, "  FAILED "+format+"\n", args...)
}
