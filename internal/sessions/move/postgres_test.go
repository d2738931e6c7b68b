package move_test

import (
	"context"
	"os/exec"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	fleet "github.com/firebreak-sre/firebreak/internal/postgres"
	"github.com/firebreak-sre/firebreak/internal/sessions/move"
	"github.com/firebreak-sre/firebreak/internal/sessions/postgres"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// newTable is a cluster with the tables that are shipped, and sessions in them.
func newTable(t *testing.T, crowd int) (*testbed.PostgresCluster, *postgres.Store) {
	t.Helper()
	b := testbed.StartPostgres(t, testbed.PostgresOptions{Standbys: 1, Init: []string{
		"create role firebreak_probe login; grant pg_monitor to firebreak_probe; create role firebreak_act login",
	}})
	out, err := exec.CommandContext(t.Context(), "psql", "-X", "-d", b.Primary.URL(testbed.RoleSuperuser, testbed.Database),
		"-f", "../../../deploy/sessions/postgres.sql").CombinedOutput()
	if err != nil {
		t.Fatalf("make the tables: %v\n%s", err, out)
	}
	app := b.Primary.Session(t, testbed.RoleSuperuser, testbed.Database)
	_, err = app.Exec(t.Context(), `insert into sessions (session_id, owner, epoch, version, lease_expires_at, data)
		select 'user-' || i, 'a', 5, '1', now() + interval '1 hour', to_jsonb('contents of ' || i) from generate_series(1, $1) as i`, crowd)
	if err != nil {
		t.Fatal(err)
	}
	c := postgres.Config{TTL: ttl, Wait: patience}
	var nodes []fleet.Node
	for _, n := range b.Nodes() {
		c.Nodes = append(c.Nodes, postgres.Node{Name: n.Name, Server: "orders/" + n.Name})
		nodes = append(nodes, fleet.Node{Name: "orders/" + n.Name, Host: "127.0.0.1", Port: n.Port, Database: testbed.Database, SSLMode: "disable",
			Probe: fleet.Login{User: "firebreak_probe"}, Act: fleet.Login{User: "firebreak_act"}, Timeout: patience})
	}
	f, err := fleet.Open(nodes, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	c.Servers = f
	s, err := postgres.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return b, s
}

// Around a switchover that somebody else makes, a snapshot of the old primary and a reading of the new one show what became of each
// session: here one was written, one was changed behind the application's back, and one is gone.
func TestAroundASwitchover(t *testing.T) {
	t.Parallel()
	b, store := newTable(t, 250)
	before, sides, err := move.Both(t.Context(), store, "pg2", 1000)
	if err != nil || !sides.OK() || sides.Sessions != 250 || !before.Contents {
		t.Fatalf("before: %+v, %v", sides, err)
	}
	b.Primary.Exec(t, "update sessions set version = '2', data = '\"new\"' where session_id = 'user-1'")
	b.Primary.Exec(t, "update sessions set lease_expires_at = now() where session_id = 'user-2'")
	b.Primary.Stop() // it sends everything before it ends
	b.Standbys[0].Exec(t, "select pg_promote()")
	after, err := move.Take(t.Context(), store, "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	c, err := move.Compare(t.Context(), store, before, after)
	if err != nil || !c.OK() || c.Kept != 249 || c.Written != 1 || !c.Contents || after.From.History == before.From.History {
		t.Errorf("after the switchover: %+v, %v", c, err)
	}
	app, err := pgx.Connect(context.Background(), b.Standbys[0].URL(testbed.RoleSuperuser, testbed.Database))
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close(context.Background())
	_, err = app.Exec(t.Context(), "update sessions set data = '\"other\"' where session_id = 'user-3'; delete from sessions where session_id = 'user-4'")
	if err != nil {
		t.Fatal(err)
	}
	if after, err = move.Take(t.Context(), store, "", 1000); err != nil {
		t.Fatal(err)
	}
	c, err = move.Compare(t.Context(), store, before, after)
	if err != nil || c.Count[move.Changed] != 1 || c.Count[move.Lost] != 1 || len(c.Named) != 2 {
		t.Errorf("after harm was done: %+v, %v", c, err)
	}
}
