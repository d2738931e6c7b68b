package probe_test

import (
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	fleet "github.com/firebreak-sre/firebreak/internal/postgres"
	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/postgres"
	"github.com/firebreak-sre/firebreak/internal/sessions/postgres/prompt"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// postgresBench is a real cluster with an application's sessions in it, and links between us and its standbys.
type postgresBench struct {
	*testbed.PostgresCluster
	app   *pgx.Conn
	store *postgres.Store
	links map[string]*testbed.Link
}

func newPostgres(t *testing.T, standbys int, members []member) *postgresBench {
	t.Helper()
	b := &postgresBench{links: map[string]*testbed.Link{}, PostgresCluster: testbed.StartPostgres(t, testbed.PostgresOptions{
		Standbys: standbys, Init: []string{"create role firebreak_probe login; grant pg_monitor to firebreak_probe; create role firebreak_act login"}})}
	// The tables are those that are shipped, with the rights that are shipped.
	out, err := exec.CommandContext(t.Context(), "psql", "-X", "-d", b.Primary.URL(testbed.RoleSuperuser, testbed.Database),
		"-f", "../../../deploy/sessions/postgres.sql").CombinedOutput()
	if err != nil {
		t.Fatalf("make the tables: %v\n%s", err, out)
	}
	b.app = b.Primary.Session(t, testbed.RoleSuperuser, testbed.Database)
	c := postgres.Config{TTL: ttl}
	var nodes []fleet.Node
	// The standbys come first, so that one that hangs is asked before the primary is.
	for _, n := range append(append([]*testbed.PostgresNode{}, b.Standbys...), b.Primary) {
		link := testbed.Proxy(t, testbed.ProxyConfig{Target: n.Addr})
		b.links[n.Name] = link
		c.Nodes = append(c.Nodes, postgres.Node{Name: n.Name, Server: "orders/" + n.Name})
		nodes = append(nodes, nodeAt(t, "orders/"+n.Name, link.Addr))
	}
	f, err := fleet.Open(nodes, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	servers := prompt.New(f)
	t.Cleanup(servers.Close)
	c.Servers = servers
	if b.store, err = postgres.New(c); err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		b.exec(t, "insert into session_nodes values ($1, $2, now() - interval '1 hour', now() + $3::float8 * interval '1 second', $4)",
			m.name, m.epoch, m.lease.Seconds(), append([]string{}, m.sees...))
	}
	return b
}

func nodeAt(t *testing.T, name, addr string) fleet.Node {
	t.Helper()
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return fleet.Node{Name: name, Host: host, Port: port, Database: testbed.Database, SSLMode: "disable",
		Probe: fleet.Login{User: "firebreak_probe"}, Act: fleet.Login{User: "firebreak_act"}, Timeout: 5 * time.Second}
}

func (b *postgresBench) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := b.app.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// fill writes sessions; an id may name a copy, id@node.
func (b *postgresBench) fill(t *testing.T, lists ...[]made) {
	t.Helper()
	batch := &pgx.Batch{}
	for _, list := range lists {
		for _, m := range list {
			id, copied, _ := strings.Cut(m.id, "@")
			batch.Queue("insert into sessions (session_id, copy, owner, epoch, version, lease_expires_at, priority) values "+
				"($1, $2, $3, $4, $5, now() + $6::float8 * interval '1 second', $7)", id, copied, m.owner, m.epoch, m.version, m.lease.Seconds(), m.priority)
		}
	}
	if err := b.app.SendBatch(t.Context(), batch).Close(); err != nil {
		t.Fatal(err)
	}
	end := b.Primary.Value(t, "select pg_current_wal_lsn()")
	for _, n := range b.Standbys {
		testbed.Await(t, patience, n.Name+" to follow", func() bool {
			return n.Value(t, fmt.Sprintf("select pg_last_wal_replay_lsn() >= '%s'", end)) == "t"
		})
	}
}

// TestPostgresLook: all parts of a look at a whole cluster, and copies that are torn.
func TestPostgresLook(t *testing.T) {
	t.Parallel()
	members := whole()
	members[2].lease = -time.Hour // c is silent: the others hear it still
	b := newPostgres(t, 1, members)
	b.fill(t, some(100, "live", "a", time.Minute), some(20, "orphan", "dead", -time.Hour), some(30, "silent", "c", -time.Hour), []made{
		{id: "torn@a", owner: "a", version: "a=2,b=1", epoch: 7, lease: time.Minute, priority: "low"},
		{id: "torn@b", owner: "a", version: "a=1,b=2", epoch: 7, lease: time.Minute, priority: "low"},
	})
	o := look(t, prober(t, b.store, nil))
	isWell(t, o)
	if m := o.Members; !m.Quorum || m.Epoch != 7 || len(m.Members) != 3 || m.Is("c") != sessions.Silent {
		t.Errorf("members: %+v", m)
	}
	if r := o.Orphans; r.Read != 152 || !r.Complete || r.Expired != 50 || r.Count != 20 || r.ByOwner["c"] != 30 || len(r.Oldest) != 20 {
		t.Errorf("orphans: %+v", r)
	}
	if c := o.Contents; len(c.Replicas) != 1 || c.Cut.IsZero() || c.Replicas[0].Name != "pg2" || c.Replicas[0].Buckets != 0 {
		t.Errorf("contents: %+v", c)
	}
	if len(o.Copies.Concurrent) != 1 || len(o.Copies.Dominated) != 0 {
		t.Fatalf("copies: %+v", o.Copies)
	}
	same(t, "concurrent", ids(o.Copies.Concurrent[0]), []string{"torn@a", "torn@b"})
}

// TestPostgresBehind: a standby that does not replay is behind, and is not called different.
func TestPostgresBehind(t *testing.T) {
	t.Parallel()
	b := newPostgres(t, 1, whole())
	b.fill(t, some(50, "live", "a", time.Minute))
	b.Standbys[0].Exec(t, "select pg_wal_replay_pause()")
	b.exec(t, "update sessions set version = '2' where session_id = 'live-00003'")
	o := look(t, prober(t, b.store, nil))
	if r := o.Replicas.Replicas; len(r) != 1 || r[0].LagUnits == 0 {
		t.Errorf("replicas: %+v", o.Replicas)
	}
	if r := o.Contents.Replicas; len(r) != 1 || !strings.Contains(r[0].Problem, "has not reached that position") || len(r[0].Differences) != 0 {
		t.Errorf("contents: %+v", o.Contents)
	}
	if o.Orphans.Read != 50 || !o.Orphans.Complete {
		t.Errorf("orphans: %+v", o.Orphans)
	}
}

// TestPostgresHangs: a standby that lets nothing pass costs the look neither its end nor the rest, though it is asked first who the primary is.
func TestPostgresHangs(t *testing.T) {
	t.Parallel()
	b := newPostgres(t, 2, whole())
	b.fill(t, some(100, "live", "a", time.Minute), some(10, "orphan", "dead", -time.Hour))
	p := prober(t, b.store, nil)
	isWell(t, look(t, p))
	b.links["pg2"].Hold()
	for i := range 2 {
		start := time.Now()
		o := look(t, p)
		t.Logf("look %d with a standby that hangs took %s", i+1, time.Since(start))
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("the look took %s, more than the loop allows", took)
		}
		if o.Members.Problem != "" || o.Orphans.Count != 10 || !o.Orphans.Complete || o.Replicas.Problem != "" {
			t.Errorf("what does not hang was not read:\n%s", problems(o))
		}
		if r := o.Replicas.Replicas; len(r) != 2 || r[0].Name != "pg2" || r[0].State != "unreachable" || !r[1].Known {
			t.Errorf("replicas: %+v", r)
		}
		if r := o.Contents.Replicas; len(r) != 2 || r[0].Problem == "" || r[1].Problem != "" {
			t.Errorf("contents: %+v", o.Contents)
		}
	}
}

// TestPostgresTenThousand measures a look at ten thousand sessions.
func TestPostgresTenThousand(t *testing.T) {
	t.Parallel()
	b := newPostgres(t, 1, whole())
	b.fill(t, some(9900, "live", "a", time.Minute), some(100, "orphan", "dead", -time.Hour))
	p := prober(t, b.store, nil)
	start := time.Now()
	o := look(t, p)
	t.Logf("a look at %d sessions took %s", o.Orphans.Read, time.Since(start))
	isWell(t, o)
	if o.Orphans.Read != 10_000 || !o.Orphans.Complete || o.Orphans.Count != 100 {
		t.Errorf("got %d, complete %t, %d orphans", o.Orphans.Read, o.Orphans.Complete, o.Orphans.Count)
	}
}
