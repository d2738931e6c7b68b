package sessions_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	goredis "github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	fleet "github.com/firebreak-sre/firebreak/internal/postgres"
	store "github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/postgres"
	"github.com/firebreak-sre/firebreak/internal/sessions/redis"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

const (
	patience = 30 * time.Second
	prefix   = "sess:"
	// realCrowd is how many sessions a real store has besides those of a test: so many that twenty may be taken at once.
	realCrowd = 2000
)

// row is a session as the application writes it. It holds its own key.
type row struct {
	store.Key
	owner    string
	version  string
	priority store.Priority
	// lease is how long it is still leased, from now.
	lease time.Duration
}

// bed is a real store with an application's sessions in it.
type bed interface {
	// open reaches the store, as a process that knows nothing of this one.
	open() (store.Store, error)
	// make writes sessions.
	make(ctx context.Context, rows []row) error
	// holds reads what live sessions hold, "" for one that is not live.
	holds(ctx context.Context, rows []row) ([]string, error)
}

// reach is the bed at an address: redis:host:port or postgres:host:port. Replicas are more addresses of the same kind.
func reach(kind, primary string, replicas ...string) (bed, error) {
	switch kind {
	case "redis":
		return redisBed{primary, replicas, goredis.NewClient(&goredis.Options{Addr: primary, Protocol: 2})}, nil
	case "postgres":
		return postgresBed{append([]string{primary}, replicas...)}, nil
	}
	return nil, fmt.Errorf("there is no store of kind %q", kind)
}

// beds starts each kind of store, with one replica and a crowd of orphans, and runs a test on it.
func beds(t *testing.T, test func(t *testing.T, kind, primary string, b bed)) {
	t.Helper()
	for kind, start := range map[string]func(*testing.T) []string{"redis": startRedis, "postgres": startPostgres} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			addresses := start(t)
			b, err := reach(kind, addresses[0], addresses[1:]...)
			if err != nil {
				t.Fatal(err)
			}
			var rows []row
			for i := range realCrowd {
				rows = append(rows, row{Key: store.Key{ID: "crowd-" + strconv.Itoa(i)}, owner: "dead", version: "1", priority: store.Low, lease: -time.Hour})
			}
			if err := b.make(t.Context(), rows); err != nil {
				t.Fatal(err)
			}
			test(t, kind, addresses[0], b)
		})
	}
}

// names are the registered nodes, and whom they hear from.
func names() map[string][]string {
	return map[string][]string{"a": {"b", "c"}, "b": {"a", "c"}, "c": {"a", "b"}}
}

func startRedis(t *testing.T) []string {
	t.Helper()
	r := testbed.StartRedis(t, testbed.RedisOptions{})
	app := goredis.NewClient(&goredis.Options{Addr: r.Primary.Addr, Protocol: 2})
	t.Cleanup(func() { _ = app.Close() })
	now := time.Now()
	for name, sees := range names() {
		node := write(t, map[string]any{"epoch": 7, "since": now.Add(-time.Hour).UnixMilli(),
			"lease_until": now.Add(time.Hour).UnixMilli(), "sees": sees})
		if err := app.HSet(t.Context(), prefix+"nodes", name, []byte(node)).Err(); err != nil {
			t.Fatal(err)
		}
	}
	return []string{r.Primary.Addr, r.Replicas[0].Addr}
}

type redisBed struct {
	primary  string
	replicas []string
	app      *goredis.Client
}

func (b redisBed) open() (store.Store, error) {
	c := redis.Config{Primary: b.primary, Prefix: prefix, TTL: ttl, Timeout: patience}
	for i, addr := range b.replicas {
		c.Replicas = append(c.Replicas, redis.Replica{Name: "redis" + strconv.Itoa(i+2), Addr: addr})
	}
	return redis.New(c)
}

func (b redisBed) make(ctx context.Context, rows []row) error {
	_, err := b.app.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for _, r := range rows {
			p.HSet(ctx, prefix+"s:"+r.Key.String(), "owner", r.owner, "epoch", 5, "version", r.version, "priority", string(r.priority),
				"lease_until", time.Now().Add(r.lease).UnixMilli(), "data", r.Key.String())
		}
		return nil
	})
	return err
}

func (b redisBed) holds(ctx context.Context, rows []row) (held []string, err error) {
	for _, r := range rows {
		text, err := b.app.HGet(ctx, prefix+"s:"+r.Key.String(), "data").Result()
		if err != nil && !errors.Is(err, goredis.Nil) {
			return nil, err
		}
		held = append(held, text)
	}
	return held, nil
}

func startPostgres(t *testing.T) []string {
	t.Helper()
	c := testbed.StartPostgres(t, testbed.PostgresOptions{Standbys: 1, Init: []string{
		"create role firebreak_probe login; grant pg_monitor to firebreak_probe; create role firebreak_act login",
	}})
	// The tables are those that are shipped, with the rights that are shipped.
	out, err := exec.CommandContext(t.Context(), "psql", "-X", "-d", c.Primary.URL(testbed.RoleSuperuser, testbed.Database),
		"-f", "../../deploy/sessions/postgres.sql").CombinedOutput()
	if err != nil {
		t.Fatalf("make the tables: %v\n%s", err, out)
	}
	app := c.Primary.Session(t, testbed.RoleSuperuser, testbed.Database)
	for name, sees := range names() {
		if _, err := app.Exec(t.Context(), `insert into session_nodes
			values ($1, 7, now() - interval '1 hour', now() + interval '1 hour', $2)`, name, sees); err != nil {
			t.Fatal(err)
		}
	}
	return []string{c.Primary.Addr, c.Standbys[0].Addr}
}

// postgresBed are the addresses of the primary and its standbys.
type postgresBed struct{ nodes []string }

func (b postgresBed) open() (store.Store, error) {
	c := postgres.Config{TTL: ttl}
	var nodes []fleet.Node
	for i, addr := range b.nodes {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		number, err := strconv.Atoi(port)
		if err != nil {
			return nil, err
		}
		name := "pg" + strconv.Itoa(i+1)
		c.Nodes = append(c.Nodes, postgres.Node{Name: name, Server: "orders/" + name})
		nodes = append(nodes, fleet.Node{Name: "orders/" + name, Host: host, Port: number, Database: testbed.Database, SSLMode: "disable",
			Probe: fleet.Login{User: "firebreak_probe"}, Act: fleet.Login{User: "firebreak_act"}, Timeout: patience})
	}
	f, err := fleet.Open(nodes, zerolog.Nop())
	if err != nil {
		return nil, err
	}
	c.Servers = f
	return postgres.New(c)
}

func (b postgresBed) session(ctx context.Context, do func(*pgx.Conn) error) error {
	c, err := pgx.Connect(ctx, testbed.PostgresURL(b.nodes[0], testbed.RoleSuperuser, testbed.Database))
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	return do(c)
}

func (b postgresBed) make(ctx context.Context, rows []row) error {
	return b.session(ctx, func(c *pgx.Conn) error {
		for some := range slices.Chunk(rows, 500) {
			batch := &pgx.Batch{}
			for _, r := range some {
				data, err := json.Marshal(r.Key.String())
				if err != nil {
					return err
				}
				batch.Queue(`insert into sessions (session_id, copy, owner, epoch, version, lease_expires_at, priority, data)
					values ($1, $2, $3, 5, $4, now() + $5::float8 * interval '1 second', $6, $7)
					on conflict (session_id, copy) do nothing`,
					r.ID, r.Copy, r.owner, r.version, r.lease.Seconds(), string(r.priority), data)
			}
			if err := c.SendBatch(ctx, batch).Close(); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b postgresBed) holds(ctx context.Context, rows []row) (held []string, err error) {
	err = b.session(ctx, func(c *pgx.Conn) error {
		for _, r := range rows {
			var text string
			if err := c.QueryRow(ctx, `select coalesce(max(data #>> '{}'), '') from sessions
				where session_id = $1 and copy = $2 and quarantined_at is null`, r.ID, r.Copy).Scan(&text); err != nil {
				return err
			}
			held = append(held, text)
		}
		return nil
	})
	return held, err
}
