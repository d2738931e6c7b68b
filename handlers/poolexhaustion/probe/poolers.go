package probe

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/poolexhaustion"
	"github.com/firebreak-sre/firebreak/internal/pgbouncer"
	"github.com/firebreak-sre/firebreak/policy"
)

// Console reads what a pooler shows. Its user needs to be no more than one of stats_users. It answers soon after ctx is over, and its errors
// tell no password.
type Console interface {
	Databases(ctx context.Context) ([]pgbouncer.Database, error)
	Pools(ctx context.Context) ([]pgbouncer.Pool, error)
	Stats(ctx context.Context) ([]pgbouncer.Stat, error)
	Clients(ctx context.Context) ([]pgbouncer.Client, error)
	Config(ctx context.Context) (pgbouncer.Settings, error)
	// Show reads the version.
	Show(ctx context.Context, what pgbouncer.What) ([]pgbouncer.Row, error)
}

var _ Console = (*pgbouncer.Console)(nil)

// maxClients is how many kinds of clients are kept, those with the most clients.
const maxClients = 20

// keptSettings are the settings of a pooler that are kept.
func keptSettings() []string {
	return []string{"max_client_conn", "default_pool_size", "query_wait_timeout", "server_login_retry", "reserve_pool_timeout"}
}

// readPooler reads one pooler, within the cluster's connect timeout.
func (p *Prober) readPooler(ctx context.Context, c cluster, b policy.PgBouncer) poolexhaustion.Pooler {
	ctx, cancel := within(ctx, c.topology.Connect.Timeout)
	defer cancel()
	seen, err := show(ctx, p.consoles[c.place(b.PgBouncer)])
	if err != nil {
		return poolexhaustion.Pooler{Name: b.PgBouncer, Problem: c.problem(ctx, err)}
	}
	seen.Name, seen.ReadAt = b.PgBouncer, time.Now().UTC()
	return seen
}

// show asks everything. What moves most is asked last, so that it belongs together as well as it can: a console has no snapshots.
func show(ctx context.Context, console Console) (poolexhaustion.Pooler, error) {
	settings, err := console.Config(ctx)
	if err != nil {
		return poolexhaustion.Pooler{}, err
	}
	p := poolexhaustion.Pooler{Config: map[string]string{}}
	for _, key := range keptSettings() {
		if value, ok := settings[key]; ok {
			p.Config[key] = value
		}
	}
	if p.Version, err = version(ctx, console); err != nil {
		return poolexhaustion.Pooler{}, err
	}
	clients, err := console.Clients(ctx)
	if err != nil {
		return poolexhaustion.Pooler{}, err
	}
	p.Clients, p.ClientsTotal = alike(clients), len(clients)
	p.Databases, err = showDatabases(ctx, console)
	return p, err
}

// version is what the pooler calls itself, e.g. "PgBouncer 1.18.0".
func version(ctx context.Context, console Console) (string, error) {
	rows, err := console.Show(ctx, pgbouncer.ShowVersion)
	if err != nil {
		return "", err
	}
	if len(rows) != 1 || rows[0]["version"] == "" {
		return "", fmt.Errorf("show %s: it is not told", pgbouncer.ShowVersion)
	}
	return printable(rows[0]["version"]), nil
}

// showDatabases reads the databases, their pools and what they have done.
func showDatabases(ctx context.Context, console Console) ([]poolexhaustion.Database, error) {
	stats, err := console.Stats(ctx)
	if err != nil {
		return nil, err
	}
	known, err := console.Databases(ctx)
	if err != nil {
		return nil, err
	}
	pools, err := console.Pools(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]poolexhaustion.Database, 0, len(known))
	for _, k := range known {
		d := poolexhaustion.Database{Name: k.Name, Host: k.Host, Port: k.Port, Backend: k.Backend, Size: k.PoolSize, Reserve: k.Reserve,
			Connections: k.CurrentConnections, MaxConnections: k.MaxConnections, Paused: k.Paused, Disabled: k.Disabled}
		for _, p := range pools {
			if p.Database == k.Name {
				d.Mode = cmp.Or(d.Mode, p.Mode)
				d.Pools = append(d.Pools, pool(p))
			}
		}
		if i := slices.IndexFunc(stats, func(s pgbouncer.Stat) bool { return s.Database == k.Name }); i >= 0 {
			d.Totals = totals(stats[i])
		}
		if matters(d) {
			all = append(all, d)
		}
	}
	return all, nil
}

// matters says that a database has clients or sessions at the server, or that somebody has stopped it.
func matters(d poolexhaustion.Database) bool {
	return d.Paused || d.Disabled || d.Connections > 0 ||
		slices.ContainsFunc(d.Pools, func(p poolexhaustion.Pool) bool { return p.Active+p.Waiting > 0 })
}

func totals(s pgbouncer.Stat) poolexhaustion.Totals {
	return poolexhaustion.Totals{Transactions: s.Transactions, Queries: s.Queries,
		QueryTime: poolexhaustion.Seconds(s.QueryTime.Seconds()), XactTime: poolexhaustion.Seconds(s.TransactionTime.Seconds()),
		WaitTime: poolexhaustion.Seconds(s.WaitDuration.Seconds())}
}

func pool(p pgbouncer.Pool) poolexhaustion.Pool {
	return poolexhaustion.Pool{User: p.User, Active: p.ClientsActive, Waiting: p.ClientsWaiting, ServersActive: p.ServersActive,
		ServersIdle: p.ServersIdle, ServersUsed: p.ServersUsed, ServersTested: p.ServersTested, ServersLogin: p.ServersLogin,
		MaxWait: poolexhaustion.Seconds(p.MaxWait.Seconds())}
}

// alike counts the clients by what they have in common. Those of the console are among them, as they count against max_client_conn too.
func alike(clients []pgbouncer.Client) []poolexhaustion.Clients {
	counts := map[poolexhaustion.Clients]int{}
	for _, c := range clients {
		counts[poolexhaustion.Clients{Database: c.Database, User: c.User, App: printable(c.Application), Addr: c.Host}]++
	}
	all := make([]poolexhaustion.Clients, 0, len(counts))
	for kind, n := range counts {
		kind.Count = n
		all = append(all, kind)
	}
	slices.SortFunc(all, func(a, b poolexhaustion.Clients) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Database, b.Database), cmp.Compare(a.User, b.User),
			cmp.Compare(a.App, b.App), cmp.Compare(a.Addr, b.Addr))
	})
	return all[:min(len(all), maxClients)]
}
