package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	fleet "github.com/firebreak-sre/firebreak/internal/postgres"
	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/postgres"
	"github.com/firebreak-sre/firebreak/internal/sessions/sessionstest"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

const (
	patience = 30 * time.Second
	ttl      = time.Minute
)

// bench is a real cluster with an application's sessions in it.
type bench struct {
	*testbed.PostgresCluster
	store *postgres.Store
	app   *pgx.Conn
}

var (
	_ sessionstest.Bench       = (*bench)(nil)
	_ sessionstest.Partitioner = (*bench)(nil)
)

func newBench(t *testing.T, standbys int) *bench {
	t.Helper()
	b := &bench{PostgresCluster: testbed.StartPostgres(t, testbed.PostgresOptions{Standbys: standbys, Init: []string{
		"create role firebreak_probe login; grant pg_monitor to firebreak_probe; create role firebreak_act login",
	}})}
	// The tables are those that are shipped, with the rights that are shipped.
	out, err := exec.CommandContext(t.Context(), "psql", "-X", "-d", b.Primary.URL(testbed.RoleSuperuser, testbed.Database),
		"-f", "../../../deploy/sessions/postgres.sql").CombinedOutput()
	if err != nil {
		t.Fatalf("make the tables: %v\n%s", err, out)
	}
	b.app = b.Primary.Session(t, testbed.RoleSuperuser, testbed.Database)
	b.store = open(t, b.config(t, b.servers()))
	if err := b.SetQuorum(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	return b
}

// servers are the ports of all nodes, by name.
func (b *bench) servers() map[string]int {
	ports := map[string]int{}
	for _, n := range b.Nodes() {
		ports[n.Name] = n.Port
	}
	return ports
}

func (b *bench) config(t testing.TB, ports map[string]int) postgres.Config {
	t.Helper()
	c := postgres.Config{TTL: ttl, Wait: 500 * time.Millisecond}
	var nodes []fleet.Node
	for _, n := range b.Nodes() {
		c.Nodes = append(c.Nodes, postgres.Node{Name: n.Name, Server: "orders/" + n.Name})
		nodes = append(nodes, node("orders/"+n.Name, ports[n.Name]))
	}
	f, err := fleet.Open(nodes, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	c.Servers = f
	return c
}

func node(name string, port int) fleet.Node {
	return fleet.Node{Name: name, Host: "127.0.0.1", Port: port, Database: testbed.Database, SSLMode: "disable",
		Probe: fleet.Login{User: "firebreak_probe"}, Act: fleet.Login{User: "firebreak_act"}, Timeout: patience}
}

func open(t testing.TB, c postgres.Config) *postgres.Store {
	t.Helper()
	s, err := postgres.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// SetQuorum registers three nodes, of which two have a lease or have lost it.
func (b *bench) SetQuorum(ctx context.Context, has bool) error {
	for name, sees := range map[string][]string{"a": {"b", "c"}, "b": {"a", "c"}, "c": {"a", "b"}} {
		lease := "1 hour"
		if !has && name != "a" {
			lease = "-1 second"
		}
		_, err := b.app.Exec(ctx, `insert into session_nodes values ($1, 7, now() - interval '1 hour', now() + $2::text::interval, $3)
			on conflict (node) do update set lease_until = excluded.lease_until`, name, lease, sees)
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) Make(ctx context.Context, m sessionstest.Made) error {
	data, err := json.Marshal(contents(m.Contents))
	if err != nil {
		return err
	}
	_, err = b.app.Exec(ctx, `insert into sessions values
			($1, $2, $3, $4, $5, now() + $6::float8 * interval '1 second', $7, now(), null, null, $8)
		on conflict (session_id, copy) do update set owner = excluded.owner, epoch = excluded.epoch, version = excluded.version,
		lease_expires_at = excluded.lease_expires_at, priority = excluded.priority, quarantined_at = null, quarantined_by = null,
		data = excluded.data`,
		m.ID, m.Copy, m.Owner, int64(m.Epoch), m.Version.String(), m.LeaseIn, string(m.Priority), data)
	return err
}

// contents are kept as bytes: JSON in PostgreSQL has no zero character.
func contents(m map[string]string) map[string][]byte {
	kept := map[string][]byte{}
	for key, value := range m {
		kept[key] = []byte(value)
	}
	return kept
}

func (b *bench) Contents(ctx context.Context, key sessions.Key) (map[string]string, bool, error) {
	var data []byte
	err := b.app.QueryRow(ctx, "select data from sessions where session_id = $1 and copy = $2 and quarantined_at is null",
		key.ID, key.Copy).Scan(&data)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	kept := map[string][]byte{}
	if err == nil {
		err = json.Unmarshal(data, &kept)
	}
	m := map[string]string{}
	for key, value := range kept {
		m[key] = string(value)
	}
	return m, true, err
}

func (b *bench) Remove(ctx context.Context, key sessions.Key) error {
	_, err := b.app.Exec(ctx, "delete from sessions where session_id = $1 and copy = $2", key.ID, key.Copy)
	return err
}

// fill makes orphans that are live, whatever they were before.
func (b *bench) fill(t *testing.T, n int) {
	t.Helper()
	_, err := b.app.Exec(t.Context(), `insert into sessions (session_id, owner, epoch, version, lease_expires_at, data)
		select 'user-' || i, 'dead', 5, '1', now() - interval '1 hour', to_jsonb('contents of ' || i) from generate_series(0, $1 - 1) as i
		on conflict (session_id, copy) do nothing`, n)
	if err != nil {
		t.Fatal(err)
	}
}

func id(i int) string { return fmt.Sprintf("user-%d", i) }

func order(t *testing.T, s sessions.Looker, action string, limit int) sessions.Order {
	t.Helper()
	m, err := s.Membership(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return sessions.Order{Action: action, Epoch: m.Epoch, Max: limit, Deadline: m.At.Add(time.Minute)}
}

func list(t *testing.T, s sessions.Looker, ids ...string) []sessions.Session {
	t.Helper()
	page, err := s.List(t.Context(), sessions.Query{IDs: ids})
	if err != nil {
		t.Fatal(err)
	}
	return page.Sessions
}
