package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/postgres"
)

// What is forbidden is tried on a real server, and nothing happens to anybody: the session that is named is still there afterwards, in the
// same transaction.
func TestNeverEnded(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.PostgresOptions{Standbys: 1, Config: map[string]string{
		"synchronous_commit": "local", "synchronous_standby_names": "nobody", "autovacuum_naptime": "1s"}})
	p := b.Primary
	t.Run("one word of the plan is wrong", func(t *testing.T) { wrongWords(t, b) })
	t.Run("who it is", func(t *testing.T) { spared(t, b) })
	t.Run("what it does", func(t *testing.T) { sparedAtWork(t, b) })

	t.Run("walsender", func(t *testing.T) {
		v := identity(t, p, uint32(number32(t, p, "select pid from pg_stat_replication")))
		v.XactStart = v.BackendStart
		e := b.ends(v)
		e.Roles = append(e.Roles, testbed.RoleReplicator)
		refused(t, b.rem, order(t, "pg1", postgres.FixEndLeaked, e), "no client's session")
		e.CancelFirst, e.Terminate = true, true
		refused(t, b.rem, order(t, "pg1", postgres.FixEndBlocker, e), "no client's session")
		if now, there := find(t, p, v.PID); !there || !now.BackendStart.Equal(v.BackendStart) {
			t.Error("the walsender has gone")
		}
	})
	t.Run("autovacuum", func(t *testing.T) {
		p.Exec(t, `create table dusty (id int)
				with (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1);
			insert into dusty select generate_series(1, 50000)`)
		p.Exec(t, "delete from dusty where id % 2 = 0")
		const worker = "select pid from pg_stat_activity where backend_type = 'autovacuum worker' and query ~ 'dusty' and xact_start is not null"
		testbed.Await(t, patience, "autovacuum of the table", func() bool {
			v, err := p.Ask(worker)
			return err == nil && v != ""
		})
		v := identity(t, p, uint32(number32(t, p, worker)))
		v.User = testbed.RoleApp
		e := b.ends(v)
		e.CancelFirst, e.Terminate = true, true
		refused(t, b.rem, order(t, "pg1", postgres.FixEndBlocker, e), "no client's session")
		if !is(t, p, v) {
			t.Error("autovacuum was ended")
		}
	})
	t.Run("our own", func(t *testing.T) { sparedOurs(t, b) })
	t.Run("rights that are missing", func(t *testing.T) { weakLogin(t, b) })
}

func number32(t *testing.T, n *testbed.PostgresNode, sql string) int {
	t.Helper()
	var v int
	if _, err := fmt.Sscan(n.Value(t, sql), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// wrongWords changes one word of a plan at a time. The plan without that change works, as is shown last.
func wrongWords(t *testing.T, b *bench) {
	p := b.Primary
	_, v := leaked(t, p, testbed.RoleApp, "checkout")
	_, other := leaked(t, p, testbed.RoleApp, "bystander")
	for _, c := range []struct {
		name, words string
		change      func(*ends)
	}{
		{"pid of nobody", "gone already", func(e *ends) { e.Sessions[0].PID = 4_000_000 }},
		{"pid of somebody else", "another session has its pid", func(e *ends) { e.Sessions[0].PID = other.PID }},
		{"backend_start", "another session has its pid", func(e *ends) { e.Sessions[0].BackendStart = v.BackendStart.Add(time.Microsecond) }},
		{"xact_start", "another transaction", func(e *ends) { e.Sessions[0].XactStart = v.XactStart.Add(-time.Microsecond) }},
		{"system_identifier", "another server", func(e *ends) { e.SystemIdentifier = "7000000000000000001" }},
		{"user", "not the plan's", func(e *ends) { e.Sessions[0].User = testbed.RoleReader }},
		{"role not listed", "not listed", func(e *ends) { e.Roles = []string{testbed.RoleReader} }},
		{"no roles", "roles are 0", func(e *ends) { e.Roles = nil }},
		{"more sessions than max", "not 1 to max", func(e *ends) { e.Sessions, e.Max = append(e.Sessions, other), 1 }},
		{"max over the bound", "not 1 to 3", func(e *ends) { e.Max = 4 }},
		{"a standby", "not what the plan says", func(e *ends) { yes := true; e.Standby = &yes }},
	} {
		e := b.ends(v)
		c.change(&e)
		for _, fix := range []string{postgres.FixEndLeaked, postgres.FixEndBlocker} {
			refused(t, b.rem, order(t, "pg1", fix, e), c.words)
		}
		if !is(t, p, v) || !is(t, p, other) {
			t.Fatalf("%s: a session was touched", c.name)
		}
	}
	refused(t, b.rem, order(t, "pg1", postgres.FixEndConflict, b.ends(v)), "not what the plan says")
	refused(t, b.rem, order(t, "pg9", postgres.FixEndLeaked, b.ends(v)), "nothing was sent", "unknown node")
	for name, change := range map[string]func(*remediations.Order){
		"deadline passed": func(o *remediations.Order) { o.Deadline = time.Now().Add(-time.Millisecond) },
		"not once":        func(o *remediations.Order) { o.Once = false },
		"limit":           func(o *remediations.Order) { o.Limit *= 100 },
		"no action":       func(o *remediations.Order) { o.Action = "" },
		"no such fix":     func(o *remediations.Order) { o.Fix = "drop_database" },
		"not absent":      func(o *remediations.Order) { o.Seen.State = remediations.Satisfied },
		"never looked at": func(o *remediations.Order) { o.Seen.State = "" },
	} {
		o := order(t, "pg1", postgres.FixEndLeaked, b.ends(v))
		change(&o)
		refused(t, b.rem, o)
		if !is(t, p, v) {
			t.Fatalf("%s: the session was touched", name)
		}
	}
	late := order(t, "pg1", postgres.FixEndLeaked, b.ends(v))
	late.Deadline = time.Now().Add(200 * time.Millisecond)
	slow := remedy(t, b.fleet, actsLate{b.fleet, late.Deadline.Add(time.Millisecond)})
	refused(t, slow, late, "deadline has passed by the server's clock")
	if !is(t, p, v) {
		t.Fatal("a command that came after its deadline touched the session")
	}
	applied(t, b.rem, order(t, "pg1", postgres.FixEndLeaked, b.ends(v)))
	gone(t, p, v)
}

// spared are sessions that nobody may end, by what they are.
func spared(t *testing.T, b *bench) {
	p := b.Primary
	p.Exec(t, "create role boss login superuser")
	for _, c := range []struct{ role, name, words string }{
		{"boss", "checkout", "superuser"},
		{testbed.RoleSuperuser, "checkout", "superuser"},
		{feed, "checkout", "REPLICATION"},
		{testbed.RoleApp, "pg_dump", "tool"},
		{testbed.RoleApp, "pg_basebackup", "tool"},
		{testbed.RoleApp, "Patroni", "tool"},
		{testbed.RoleApp, "barman_streaming_backup", "tool"},
		{testbed.RoleApp, "pgBackRest [backup]", "tool"},
		{testbed.RoleApp, "wal-g", "tool"},
		{testbed.RoleApp, "/usr/bin/wal-g daemon", "tool"},
		{testbed.RoleApp, "firebreak/0123", "tool"},
	} {
		_, v := leaked(t, p, c.role, c.name)
		e := b.ends(v)
		e.Roles = append(e.Roles, "boss", testbed.RoleSuperuser, feed)
		refused(t, b.rem, order(t, "pg1", postgres.FixEndLeaked, e), c.words)
		e.CancelFirst, e.Terminate = true, true
		refused(t, b.rem, order(t, "pg1", postgres.FixEndBlocker, e), c.words)
		if !is(t, p, v) {
			t.Errorf("the session of %s (%s) was ended", c.role, c.name)
		}
	}
	// A name that only looks like one is no tool.
	_, v := leaked(t, p, testbed.RoleApp, "withdrawal-engine")
	applied(t, b.rem, order(t, "pg1", postgres.FixEndLeaked, b.ends(v)))
	gone(t, p, v)
}

// sparedAtWork are sessions that nobody may end or cancel, by what they do.
func sparedAtWork(t *testing.T, b *bench) {
	p := b.Primary
	p.Exec(t, `create function slow(bigint) returns bigint immutable language plpgsql as 'begin perform pg_sleep(1); return $1; end';
		create table locked (id int); insert into locked values (1); grant all on locked to app;
		create table wide (id bigint); insert into wide select generate_series(1, 100); alter table wide owner to app;
		grant create on schema public to app`)
	// A root that runs a statement, and one that waits behind it.
	root, _ := busy(t, p, testbed.RoleApp, "begin; update locked set id = 2", "select pg_sleep(600)", "wait_event = 'PgSleep'")
	waits, _ := busy(t, p, testbed.RoleApp, "begin", "update locked set id = 3", "wait_event_type = 'Lock'")
	index, _ := busy(t, p, testbed.RoleApp, "select 1", "create index on wide (slow(id))",
		"exists (select from pg_stat_progress_create_index i where i.pid = a.pid)")
	const syncRep = "update items set note = 'waits' where id = 7"
	sync, committed := busy(t, p, testbed.RoleApp, "set synchronous_commit = on", syncRep, "wait_event = 'SyncRep'")
	for _, c := range []struct {
		name, words string
		v           victim
	}{{"it waits for a lock itself", "waits for a lock itself", waits},
		{"create index", "pg_stat_progress_create_index", index},
		{"a commit that waits for a standby", "SyncRep", sync}} {
		e := b.ends(c.v)
		refused(t, b.rem, order(t, "pg1", postgres.FixEndLeaked, e))
		e.CancelFirst, e.Terminate = true, true
		refused(t, b.rem, order(t, "pg1", postgres.FixEndBlocker, e), c.words)
		if !is(t, p, c.v) {
			t.Errorf("%s: it was touched", c.name)
		}
	}
	refused(t, b.rem, order(t, "pg1", postgres.FixEndLeaked, b.ends(root)), "not idle in its transaction")
	refused(t, b.rem, order(t, "pg1", postgres.FixEndBlocker, b.ends(root)), "not idle in its transaction")
	if !is(t, p, root) {
		t.Error("a session that runs a statement was touched by a plan that does not say so")
	}
	// What waited for its standby waits still: it was neither acknowledged nor told that it is local only.
	select {
	case err := <-committed:
		t.Errorf("the commit that waits for a standby was answered: %v", err)
	default:
	}
	still := fmt.Sprintf("select wait_event = 'SyncRep' from pg_stat_activity where pid = %d", sync.PID)
	if got := p.Value(t, still); got != "t" {
		t.Errorf("the commit no longer waits: %q", got)
	}
	if log := p.Log(); strings.Contains(log, "committed locally") || strings.Contains(log, "canceling the wait for synchronous") {
		t.Error("a commit was cut short")
	}
}

// sparedOurs are our own sessions, by login and by name.
func sparedOurs(t *testing.T, b *bench) {
	p := b.Primary
	var own, looks uint32
	pid := func(into *uint32) func(context.Context, *pgx.Conn) error {
		return func(_ context.Context, c *pgx.Conn) error { *into = c.PgConn().PID(); return nil }
	}
	if err := b.fleet.Act(t.Context(), "orders/pg1", "x", pid(&own)); err != nil {
		t.Fatal(err)
	}
	if err := b.fleet.Look(t.Context(), "orders/pg1", pid(&looks)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pid   uint32
		words string
	}{{own, "it is our own"}, {looks, "tool"}} {
		v := identity(t, p, c.pid)
		v.XactStart = v.BackendStart
		e := b.ends(v)
		e.Roles, e.CancelFirst, e.Terminate = []string{act, probe}, true, true
		refused(t, b.rem, order(t, "pg1", postgres.FixEndBlocker, e), c.words)
		if now, there := find(t, p, v.PID); !there || !now.BackendStart.Equal(v.BackendStart) {
			t.Errorf("our own session %d was ended", v.PID)
		}
	}
}

// weakLogin: what a login may not do is refused, and the words say what to grant.
func weakLogin(t *testing.T, b *bench) {
	_, v := leaked(t, b.Primary, testbed.RoleApp, "checkout")
	for actor, grant := range map[string]string{
		weak:  `GRANT pg_signal_backend TO "fb_weak"`,
		batch: `GRANT pg_read_all_stats TO "batch"`,
	} {
		f := b.open(t, actor, nil)
		refused(t, remedy(t, f, f), order(t, "pg1", postgres.FixEndLeaked, b.ends(v)), grant)
	}
	b.Primary.Exec(t, "revoke execute on function pg_terminate_backend(int, bigint) from public")
	refused(t, b.rem, order(t, "pg1", postgres.FixEndLeaked, b.ends(v)), `GRANT EXECUTE ON FUNCTION pg_terminate_backend(integer, bigint) TO "fb_act"`)
	b.Primary.Exec(t, "grant execute on function pg_terminate_backend(int, bigint) to public")
	if !is(t, b.Primary, v) {
		t.Error("the session was ended without the right")
	}
	// A login that cannot see must not say that nobody is there.
	blind := remedy(t, looksAs{b.open(t, batch, nil)}, b.fleet)
	p, err := blind.Check(t.Context(), order(t, "pg1", postgres.FixEndLeaked, b.ends(v)))
	if err == nil || p.State != remediations.Unknown || !strings.Contains(err.Error(), `GRANT pg_read_all_stats TO "batch"`) {
		t.Errorf("check of a login that sees nothing: got %+v, %v", p, err)
	}
}

// looksAs looks with the login that acts.
type looksAs struct{ acts postgres.Acts }

func (l looksAs) Look(ctx context.Context, node string, fn func(context.Context, *pgx.Conn) error) error {
	return l.acts.Act(ctx, node, "look", fn)
}
