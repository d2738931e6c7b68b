package probe

import (
	"context"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/poolexhaustion"
	"github.com/firebreak-sre/firebreak/internal/pgbouncer"
	"github.com/firebreak-sre/firebreak/policy"
)

// console is one that says what it is told to. It fails at the question that is named, and for ever after.
type console struct {
	hangs     bool
	fails     string
	databases []pgbouncer.Database
	pools     []pgbouncer.Pool
	clients   []pgbouncer.Client
	version   []pgbouncer.Row
}

func (c *console) answer(ctx context.Context, what string) error {
	if c.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	if c.fails == what {
		return errors.New("show " + what + ": told hunter2 to go away")
	}
	return nil
}

func (c *console) Databases(ctx context.Context) ([]pgbouncer.Database, error) {
	return c.databases, c.answer(ctx, "databases")
}

func (c *console) Pools(ctx context.Context) ([]pgbouncer.Pool, error) {
	return c.pools, c.answer(ctx, "pools")
}

func (c *console) Stats(ctx context.Context) ([]pgbouncer.Stat, error) {
	return []pgbouncer.Stat{{Database: "app", Transactions: 3, Queries: 7, TransactionTime: 1500 * time.Millisecond,
		QueryTime: time.Second, WaitDuration: 250 * time.Millisecond}}, c.answer(ctx, "stats")
}

func (c *console) Clients(ctx context.Context) ([]pgbouncer.Client, error) {
	return c.clients, c.answer(ctx, "clients")
}

func (c *console) Config(ctx context.Context) (pgbouncer.Settings, error) {
	return pgbouncer.Settings{"max_client_conn": "100", "auth_file": "/etc/users"}, c.answer(ctx, "config")
}

func (c *console) Show(ctx context.Context, what pgbouncer.What) ([]pgbouncer.Row, error) {
	rows := c.version
	if rows == nil {
		rows = []pgbouncer.Row{{"version": "PgBouncer 1.18.0"}}
	}
	return rows, c.answer(ctx, string(what))
}

// busyConsole is a console with four databases of which three matter, and more kinds of clients than are kept.
func busyConsole() *console {
	c := &console{
		databases: []pgbouncer.Database{{Name: "app", Backend: "app_production", Host: "10.0.0.11", Port: 5432, PoolSize: 20, Reserve: 5, MaxConnections: 40, CurrentConnections: 3},
			{Name: "idle", PoolSize: 20}, {Name: "off", PoolSize: 20, Disabled: true}, {Name: "left", PoolSize: 20, CurrentConnections: 1}},
		pools: []pgbouncer.Pool{{Database: "app", User: "a", ClientsActive: 2, ClientsWaiting: 1, ServersActive: 1, ServersTested: 1, ServersLogin: 1, Mode: "transaction",
			MaxWait: 1250 * time.Millisecond}, {Database: "app", User: "b", ServersIdle: 1, ServersUsed: 4, Mode: "transaction"}, {Database: "idle", User: "a"}},
	}
	for i := range 2 * maxClients {
		for range 1 + i%3 {
			c.clients = append(c.clients, pgbouncer.Client{Database: "app", User: "a", Host: "10.0.1." + strconv.Itoa(i), Application: "web\n"})
		}
	}
	return c
}

// TestShow holds what is kept of a console, and how.
func TestShow(t *testing.T) {
	t.Parallel()
	c := busyConsole()
	p, err := show(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	want := []poolexhaustion.Database{
		{Name: "app", Host: "10.0.0.11", Port: 5432, Backend: "app_production", Mode: "transaction", Size: 20, Reserve: 5, Connections: 3, MaxConnections: 40,
			Pools: []poolexhaustion.Pool{{User: "a", Active: 2, Waiting: 1, ServersActive: 1, ServersTested: 1, ServersLogin: 1, MaxWait: 1.25},
				{User: "b", ServersIdle: 1, ServersUsed: 4}},
			Totals: poolexhaustion.Totals{Transactions: 3, Queries: 7, QueryTime: 1, XactTime: 1.5, WaitTime: 0.25}},
		{Name: "off", Size: 20, Disabled: true}, {Name: "left", Size: 20, Connections: 1},
	}
	if !reflect.DeepEqual(p.Databases, want) {
		t.Errorf("got  %s\nwant %s", asJSON(p.Databases), asJSON(want))
	}
	if p.Version != "PgBouncer 1.18.0" || !reflect.DeepEqual(p.Config, map[string]string{"max_client_conn": "100"}) {
		t.Errorf("got %s, %v", p.Version, p.Config)
	}
	if p.ClientsTotal != len(c.clients) || len(p.Clients) != maxClients || p.Clients[0].Count != 3 || p.Clients[0].App != "web" {
		t.Errorf("got %d clients, %s", p.ClientsTotal, asJSON(p.Clients))
	}
	for i := range p.Clients[1:] {
		if p.Clients[i].Count < p.Clients[i+1].Count {
			t.Error("the most are not the first")
		}
	}
}

// TestReadPoolerFails holds that a pooler of which one thing could not be read is one of which nothing is known, and tells no password.
func TestReadPoolerFails(t *testing.T) {
	t.Parallel()
	p := twoClusters()
	p.Postgres[0].PgBouncers[0].Stats.Password = policy.Secret("hunter2")
	for _, fails := range []string{"config", "clients", "stats", "databases", "pools", "VERSION"} {
		c := busyConsole()
		c.fails = fails
		prober, err := New(p, nobody{}, map[string]Console{"orders/bouncer1": c}, nil)
		if err != nil {
			t.Fatal(err)
		}
		o, _ := prober.Observe(t.Context(), "orders")
		want := poolexhaustion.Pooler{Name: "bouncer1", Problem: "show " + fails + ": told [redacted] to go away"}
		if got := o.Poolers[0]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %s", fails, asJSON(got))
		}
	}
	c := busyConsole()
	c.version = []pgbouncer.Row{{}}
	if _, err := show(t.Context(), c); err == nil || !strings.Contains(err.Error(), "show "+string(pgbouncer.ShowVersion)) {
		t.Errorf("a version without its column: got %v", err)
	}
}
