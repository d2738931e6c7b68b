package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/postgres"
	"github.com/firebreak-sre/firebreak/internal/sessions/sessionstest"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// A real primary with a standby keeps the contract, with the tables and the rights that are shipped.
func TestConforms(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	report := sessionstest.Run(t.Context(), b.store, sessionstest.Options{Bench: b, Within: 2 * patience})
	t.Logf("\n%s", report)
	if !report.OK() || report.Count(sessionstest.Skipped) > 0 {
		t.Error("the store does not keep the contract")
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	good := func() postgres.Config {
		return postgres.Config{Servers: (*pgxServers)(nil), Nodes: []postgres.Node{{Name: "pg1", Server: "a/pg1"}}, TTL: ttl}
	}
	if _, err := postgres.New(good()); err != nil {
		t.Errorf("what works is refused: %v", err)
	}
	for name, change := range map[string]func(*postgres.Config){
		"no servers":   func(c *postgres.Config) { c.Servers = nil },
		"no nodes":     func(c *postgres.Config) { c.Nodes = nil },
		"no ttl":       func(c *postgres.Config) { c.TTL = 0 },
		"no schema":    func(c *postgres.Config) { c.Table = "sessions" },
		"version type": func(c *postgres.Config) { c.Columns.VersionType = "text; drop table x" },
		"twice":        func(c *postgres.Config) { c.Nodes = append(c.Nodes, c.Nodes[0]) },
	} {
		c := good()
		change(&c)
		if _, err := postgres.New(c); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// pgxServers is never used.
type pgxServers struct{ postgres.Servers }

// digests are those of both sides, without waiting for anything.
func digests(t *testing.T, b *bench) (primary, standby sessions.Digest) {
	t.Helper()
	primary, err := b.store.Digest(t.Context(), sessions.Primary, sessions.Cut{})
	if err != nil {
		t.Fatal(err)
	}
	standby, err = b.store.Digest(t.Context(), "pg2", sessions.Cut{})
	if err != nil {
		t.Fatal(err)
	}
	return primary, standby
}

func lag(t *testing.T, b *bench) sessions.Replica {
	t.Helper()
	r, err := b.store.Replication(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r.Replicas[0]
}

func same(t *testing.T, b *bench) {
	t.Helper()
	testbed.Await(t, patience, "both sides to be the same at a cut", func() bool {
		cut, err := b.store.Cut(t.Context())
		if err != nil {
			return false
		}
		primary, err := b.store.Digest(t.Context(), sessions.Primary, cut)
		if err != nil {
			return false
		}
		standby, err := b.store.Digest(t.Context(), "pg2", cut)
		return err == nil && len(sessions.Differ(primary, standby)) == 0 && primary.Count() > 0
	})
}

// A link that is cut, or held, shows as lag, the digests differ in what was written meanwhile, a cut is not reached, and a sync says that it
// is not complete. When it is mended everything is the same again.
func TestLinkFails(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	b.fill(t, 200)
	for name, fail := range map[string]func(*testbed.Link){
		"cut": func(l *testbed.Link) { l.Cut() }, "held": func(l *testbed.Link) { l.Hold() },
	} {
		same(t, b)
		link := b.Standbys[0].Proxy
		fail(link)
		b.Primary.Exec(t, "update sessions set version = (version::bigint + 1)::text where session_id in ('user-3', 'user-77')")
		testbed.Await(t, patience, "lag", func() bool { r := lag(t, b); return r.Known && r.LagUnits > 0 })
		primary, standby := digests(t, b)
		if differ := sessions.Differ(primary, standby); len(differ) < 1 || len(differ) > 2 {
			t.Errorf("%s: buckets %v differ", name, differ)
		}
		cut, err := b.store.Cut(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.store.Digest(t.Context(), "pg2", cut); !errors.Is(err, sessions.ErrBehind) {
			t.Errorf("%s: a digest at a cut that is not reached: %v", name, err)
		}
		o := sessions.Sync{Order: order(t, b.store, name+"-1", 1), IDs: []string{id(3)}, Within: sessions.Seconds(200 * time.Millisecond)}
		synced, err := b.store.Sync(t.Context(), o)
		if err != nil || synced.Complete || synced.Replicas[0].Has {
			t.Errorf("%s: a sync over a broken link: %+v, %v", name, synced, err)
		}
		link.Heal()
		same(t, b)
		testbed.Await(t, patience, "no lag", func() bool { r := lag(t, b); return r.Known && r.LagUnits == 0 && r.State == "streaming" })
		o.Order, o.Within = order(t, b.store, name+"-2", 1), sessions.Seconds(sessions.LongestWait)
		if again, err := b.store.Sync(t.Context(), o); err != nil || !again.Complete {
			t.Errorf("%s: a sync over a mended link: %+v, %v", name, again, err)
		}
	}
}

// What is only on its way is no drift.
func TestExamineInFlight(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	b.fill(t, 200)
	same(t, b)
	b.Standbys[0].Exec(t, "select pg_wal_replay_pause()")
	b.Primary.Exec(t, "update sessions set version = '2' where session_id = 'user-3'; delete from sessions where session_id = 'user-4'")
	primary, standby := digests(t, b)
	differ := sessions.Differ(primary, standby)
	if len(differ) == 0 {
		t.Fatal("nothing differs")
	}
	if _, err := sessions.Examine(t.Context(), b.store, "pg2", differ[0], 1000); !errors.Is(err, sessions.ErrBehind) {
		t.Errorf("a standby that is behind is judged: %v", err)
	}
	b.Standbys[0].Exec(t, "select pg_wal_replay_resume()")
	for _, bucket := range differ {
		testbed.Await(t, patience, "the standby", func() bool {
			found, err := sessions.Examine(t.Context(), b.store, "pg2", bucket, 1000)
			if err == nil && len(found) > 0 {
				t.Errorf("found %v", found)
			}
			return err == nil
		})
	}
}

// A row that somebody holds is left alone, and what is another's is not waited for.
func TestLockedRow(t *testing.T) {
	t.Parallel()
	b := newBench(t, -1)
	b.fill(t, 300)
	seen := list(t, b.store, id(0), id(1))
	tx, err := b.app.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "update sessions set version = '2' where session_id = $1", id(0)); err != nil {
		t.Fatal(err)
	}
	a, err := b.store.Quarantine(t.Context(), sessions.Quarantine{Order: order(t, b.store, "act", 2), Sessions: seen})
	if err != nil || a.Of(seen[0].Key) != sessions.Changed || a.Of(seen[1].Key) != sessions.Done {
		t.Errorf("got %+v, %v", a, err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Another application's names, and a bigint as version, work as well.
func TestOtherNames(t *testing.T) {
	t.Parallel()
	b := newBench(t, -1)
	b.Primary.Exec(t, `create schema "Shop"; create table "Shop"."user sessions" (sid bigint primary key, node text, "gen" bigint, rev bigint,
		until timestamptz, q_at timestamptz, q_by text, data text);
		insert into "Shop"."user sessions" select i, 'dead', 5, 1, now() - interval '1 hour', null, null, 'x' from generate_series(1, 300) as i;
		grant usage on schema "Shop" to firebreak_probe, firebreak_act; grant select on "Shop"."user sessions" to firebreak_probe, firebreak_act;
		grant update on "Shop"."user sessions" to firebreak_act`)
	c := b.config(t, b.servers())
	c.Table = "Shop.user sessions"
	c.Columns = postgres.Columns{ID: "sid", Copy: "-", Owner: "node", Epoch: "gen", Version: "rev", VersionType: "bigint", Lease: "until",
		Priority: "-", UpdatedAt: "-", QuarantinedAt: "q_at", QuarantinedBy: "q_by"}
	s := open(t, c)
	seen := list(t, s, "1", "2", "3")
	a, err := s.Quarantine(t.Context(), sessions.Quarantine{Order: order(t, s, "take", 3), Sessions: seen})
	if err != nil || a.Count(sessions.Done) != 3 {
		t.Errorf("quarantine: %+v, %v", a, err)
	}
	four := list(t, s, "4")
	r := sessions.Recover{Order: order(t, s, "give", 1), Stage: sessions.Normal, To: "a", Sessions: four}
	if a, err := s.Recover(t.Context(), r); err != nil || a.Count(sessions.Done) != 1 {
		t.Errorf("recover: %+v, %v", a, err)
	}
	if got := b.Primary.Value(t, `select node || gen || rev from "Shop"."user sessions" where sid = 4`); got != "a72" {
		t.Errorf("it is %s", got)
	}
	for _, undo := range []string{"take", "give"} {
		o := sessions.Restore{Order: order(t, s, "undo-"+undo, 50), Undo: undo}
		if a, err := s.Restore(t.Context(), o); err != nil || a.Count(sessions.Done) == 0 {
			t.Errorf("restore %s: %+v, %v", undo, a, err)
		}
	}
	same := b.Primary.Value(t, `select count(*) from "Shop"."user sessions" where q_at is null and q_by is null and node = 'dead' and rev = 1`)
	if same != "300" {
		t.Errorf("%s are as they were", same)
	}
}

// Where there is no primary, or there are two, nothing is done.
func TestPrimaries(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	b.fill(t, 1)
	seen, o := list(t, b.store, id(0)), order(t, b.store, "act", 1)
	ports := b.servers()
	ports["pg2"] = ports["pg1"] // two that say they are
	q := sessions.Quarantine{Order: o, Sessions: seen}
	if _, err := open(t, b.config(t, ports)).Quarantine(t.Context(), q); !errors.Is(err, sessions.ErrBusy) {
		t.Errorf("with two primaries: %v", err)
	}
	ports["pg1"], ports["pg2"] = b.Standbys[0].Port, b.Standbys[0].Port
	if _, err := open(t, b.config(t, ports)).Quarantine(t.Context(), q); !errors.Is(err, sessions.ErrBusy) {
		t.Errorf("without a primary: %v", err)
	}
	var left int
	err := b.app.QueryRow(t.Context(), "select count(*) from sessions where quarantined_at is null").Scan(&left)
	if err != nil || left != 1 {
		t.Errorf("%d are left, %v", left, err)
	}
}
