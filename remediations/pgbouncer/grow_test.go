package pgbouncer_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer"
)

const growApp = `{"database":"app","from":20,"to":23,"usable":60}`

func TestGrow(t *testing.T) {
	t.Parallel()
	pg := postgres(t)
	for name, test := range map[string]func(*testing.T, *bench){
		"clients feel it": felt, "reserve is felt": reserveFelt, "person's value": personsValue, "reload between": reloadBetween,
		"restart between": restartBetween, "person in the same moment": sameMoment, "own size": ownSize, "own size, seen as the default": ownAsDefault,
		"ceiling": ceiling, "rights": growRights, "hung": growHung, "standing before": standingBefore,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t, pg))
		})
	}
}

// sessions opens clients that each hold a session of the server, or wait for one.
func sessions(t *testing.T, b *bench, database string, n int) {
	t.Helper()
	for range n {
		config, err := pgx.ParseConfig(b.URL(testbed.RoleApp, database))
		if err != nil {
			t.Fatal(err)
		}
		config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { // ends with the test's context, which is over before the cleanup
			defer close(ended)
			_, _ = conn.Exec(t.Context(), "begin; select pg_sleep(600)")
			_ = conn.Close(t.Context())
		}()
		t.Cleanup(func() { <-ended })
	}
}

// busy is how many sessions of the server the clients of a database have.
func busy(t *testing.T, b *bench, database string, want string) {
	t.Helper()
	testbed.Await(t, patience, database+" to have "+want+" sessions", func() bool {
		rows, err := b.Admin("SHOW POOLS")
		if err != nil {
			return false
		}
		for _, row := range rows {
			if row["database"] == database {
				return row["sv_active"] == want
			}
		}
		return false
	})
}

// Clients that waited get the sessions that are new.
func felt(t *testing.T, b *bench) {
	sessions(t, b, "app", 25)
	busy(t, b, "app", "20")
	r := b.admin()
	o := order(step(pgbouncer.FixGrow, growApp), "a1")
	receipt := mustApply(t, r, o)
	busy(t, b, "app", "23")
	says(t, receipt.Note, "default_pool_size is 23; database app has pool_size 23 and reserve 0")
	says(t, string(receipt.Before), `{"default_pool_size":20}`)
	direct := map[string]pgbouncer.Pooler{"orders/bouncer1": {Console: consoleAt(t, b.Addr, "pgb_stats")}}
	straight, err := pgbouncer.New(pgbouncer.Config{Poolers: direct})
	if err != nil {
		t.Fatal(err)
	}
	p, err := straight.Check(t.Context(), o) // by the wire the pooler sees another address of us
	if off := time.Since(p.Clock); err != nil || off < -3*time.Second || off > 10*time.Second || p.ClockWithin.D() != time.Second {
		t.Errorf("the pooler's clock: got %s within %s, %v", p.Clock, p.ClockWithin, err)
	}
	mustRevert(t, r, o)
	if got := b.shows("app", "pool_size"); got != "20" {
		t.Errorf("after all pool_size is %s", got)
	}
}

// A database with a size of its own grows by the reserve.
func reserveFelt(t *testing.T, b *bench) {
	b.edit("[pgbouncer]", "[pgbouncer]\nreserve_pool_timeout = 1")
	sessions(t, b, "own", 11)
	busy(t, b, "own", "8")
	r := b.admin()
	o := order(step(pgbouncer.FixGrow, `{"database":"own","from":8,"to":10,"usable":60,"means":"reserve_pool_size"}`), "a1")
	mustApply(t, r, o)
	busy(t, b, "own", "10")
	mustRevert(t, r, o)
	if got := b.shows("own", "reserve_pool"); got != "0" {
		t.Errorf("after all the reserve is %s", got)
	}
	b.edit("reserve_pool_timeout = 1", "reserve_pool_timeout = 0")
	_, err := r.Apply(t.Context(), order(o.Step, "a2"))
	refused(t, err, "reserve_pool_timeout is 0")
}

// A value that a person set is never overwritten, before or after ours.
func personsValue(t *testing.T, b *bench) {
	r := b.admin()
	o := order(step(pgbouncer.FixGrow, growApp), "a1")
	b.by("SET default_pool_size = 25")
	_, err := r.Apply(t.Context(), o)
	refused(t, err, "default_pool_size is 25")
	is(t, r, o, remediations.Foreign, "somebody else set that")
	b.by("SET default_pool_size = 20")
	mustApply(t, r, o)
	b.by("SET default_pool_size = 25")
	if err := r.Revert(t.Context(), o, remediations.Receipt{}); !errors.Is(err, remediations.ErrNotOurs) {
		t.Errorf("revert: got %v, want ErrNotOurs", err)
	}
	if got := b.setting("default_pool_size"); got != "25" {
		t.Errorf("after all it is %s", got)
	}
}

// A RELOAD ends ours; what the file says by then is left alone.
func reloadBetween(t *testing.T, b *bench) {
	r := b.admin()
	o := order(step(pgbouncer.FixGrow, growApp), "a1")
	mustApply(t, r, o)
	b.by("RELOAD")
	is(t, r, o, remediations.Absent, "pool_size 20")
	mustRevert(t, r, o)
	if n := b.wire.count("SET default_pool_size = 20"); n != 0 {
		t.Errorf("what was absent was set back %d times", n)
	}
	mustApply(t, r, o)
	b.edit("default_pool_size = 20", "default_pool_size = 30")
	if err := r.Revert(t.Context(), o, remediations.Receipt{}); !errors.Is(err, remediations.ErrNotOurs) {
		t.Errorf("revert: got %v, want ErrNotOurs", err)
	}
	if got := b.setting("default_pool_size"); got != "30" {
		t.Errorf("after all it is %s", got)
	}
}

// A restart between the change and its undo ends it, and neither hangs over it.
func restartBetween(t *testing.T, b *bench) {
	r := b.admin()
	o := order(step(pgbouncer.FixGrow, growApp), "a1")
	mustApply(t, r, o)
	b.Kill9()
	if err := r.Revert(t.Context(), o, remediations.Receipt{}); err == nil || errors.Is(err, remediations.ErrNotOurs) {
		t.Errorf("revert at a dead pooler: got %v, want doubt", err)
	}
	if p, err := r.Check(t.Context(), o); err == nil || p.State != remediations.Unknown {
		t.Errorf("check of a dead pooler: got %+v, %v, want unknown", p, err)
	}
	if err := b.Restart(); err != nil {
		t.Fatal(err)
	}
	is(t, r, o, remediations.Absent, "pool_size 20")
	mustRevert(t, r, o)
}

// This is the race that stays, as it is written down: a value that a person sets between our look and our SET is overwritten.
func sameMoment(t *testing.T, b *bench) {
	r := b.admin()
	o := order(step(pgbouncer.FixGrow, growApp), "a1")
	b.wire.meeting(func(string) { _, _ = b.Admin("SET default_pool_size = 25") })
	mustApply(t, r, o)
	b.wire.meeting(nil)
	is(t, r, o, remediations.Ours, "default_pool_size is 23")
	mustRevert(t, r, o)
	if got := b.setting("default_pool_size"); got != "20" {
		t.Errorf("after all it is %s", got)
	}
}

// A database with a size of its own is not grown by the default.
func ownSize(t *testing.T, b *bench) {
	r := b.admin()
	o := order(step(pgbouncer.FixGrow, `{"database":"own","from":20,"to":23,"usable":60}`), "a1")
	is(t, r, o, remediations.Foreign, "database own has pool_size 8 and reserve 0: it has its own")
	_, err := r.Apply(t.Context(), o)
	refused(t, err, "it has its own")
	if n := b.wire.count("SET"); n != 0 {
		t.Errorf("%d were sent", n)
	}
}

// Where its own size is just the default, PgBouncer does not say so: the SET is found to be without effect, and is taken back.
func ownAsDefault(t *testing.T, b *bench) {
	b.edit("pool_size=8", "pool_size=20")
	r := b.admin()
	o := order(step(pgbouncer.FixGrow, `{"database":"own","from":20,"to":23,"usable":60}`), "a1")
	is(t, r, o, remediations.Absent, "pool_size 20")
	_, err := r.Apply(t.Context(), o)
	doubtful(t, err, "it was taken back at once: default_pool_size is 23; database own has pool_size 20")
	is(t, r, o, remediations.Absent, "default_pool_size is 20")
	b.by("SET default_pool_size = 23") // as if we had died before it was taken back
	is(t, r, o, remediations.Ours, "without effect")
	mustRevert(t, r, o)
	if got := b.setting("default_pool_size"); got != "20" {
		t.Errorf("after all it is %s", got)
	}
}

// Over all pools no more sessions may come to be than the plan may use, and what cannot have an effect is not done.
func ceiling(t *testing.T, b *bench) {
	r := b.admin()
	sessions(t, b, "own", 1)
	busy(t, b, "own", "1")
	_, err := r.Apply(t.Context(), order(step(pgbouncer.FixGrow, `{"database":"app","from":20,"to":23,"usable":30}`), "a1"))
	refused(t, err, "all pools together might take 31 sessions, and 30 are usable")
	_, err = r.Apply(t.Context(), order(step(pgbouncer.FixGrow, `{"database":"app","from":20,"to":26,"usable":60}`), "a1"))
	refused(t, err, "more than a quarter")
	if n := b.wire.count("SET"); n != 0 {
		t.Errorf("%d were sent", n)
	}
	o := order(step(pgbouncer.FixGrow, `{"database":"app","from":20,"to":23,"usable":31}`), "a1")
	mustApply(t, r, o)
	mustRevert(t, r, o)
	b.by("SET max_db_connections = 22")
	_, err = r.Apply(t.Context(), order(step(pgbouncer.FixGrow, growApp), "a1"))
	refused(t, err, "max_db_connections keeps database app at 22")
}

// Who may only look changes nothing, and is told so; neither does who is not let in.
func growRights(t *testing.T, b *bench) {
	o := order(step(pgbouncer.FixGrow, growApp), "a1")
	_, err := b.poolers("pgb_stats", nil).Apply(t.Context(), o)
	refused(t, err, "not in admin_users")
	_, err = b.poolers(testbed.RoleApp, nil).Apply(t.Context(), o)
	refused(t, err, "not allowed")
	if n := b.wire.count("SET"); n != 0 {
		t.Errorf("%d were sent", n)
	}
}

// A pooler that hangs is not changed later by a command that was given up before it was sent.
func growHung(t *testing.T, b *bench) {
	r := b.admin()
	o := order(step(pgbouncer.FixGrow, growApp), "a1")
	is(t, r, o, remediations.Absent, "20")
	b.Signal(syscall.SIGSTOP)
	o.Timeout = policy.Duration(500 * time.Millisecond)
	_, err := r.Apply(t.Context(), o)
	refused(t, err, "nothing was sent")
	if p, err := r.Check(t.Context(), o); err == nil || p.State != remediations.Unknown {
		t.Errorf("check: got %+v, %v, want unknown", p, err)
	}
	b.Signal(syscall.SIGCONT)
	o.Timeout = policy.Duration(5 * time.Second)
	is(t, r, o, remediations.Absent, "20")

	// One that hangs with the command on its way carries it out late, and it is ours.
	b.wire.meeting(func(string) { b.Signal(syscall.SIGSTOP) })
	o.Timeout = policy.Duration(2 * time.Second)
	_, err = r.Apply(t.Context(), o)
	doubtful(t, err, "in doubt")
	b.wire.meeting(nil)
	b.Signal(syscall.SIGCONT)
	o.Timeout = policy.Duration(5 * time.Second)
	testbed.Await(t, patience, "the late command", func() bool {
		p, err := r.Check(t.Context(), o)
		return err == nil && p.State == remediations.Ours
	})
	mustRevert(t, r, o)
	if got := b.setting("default_pool_size"); got != "20" {
		t.Errorf("after all it is %s", got)
	}
}

// Our value, where it stood before anything was ordered, is not ours.
func standingBefore(t *testing.T, b *bench) {
	r := b.admin()
	b.by("SET default_pool_size = 23")
	o := order(step(pgbouncer.FixGrow, growApp), "a1")
	o.Seen = remediations.Presence{}
	is(t, r, o, remediations.Foreign, "somebody else set that")
	if err := r.Revert(t.Context(), o, remediations.Receipt{}); !errors.Is(err, remediations.ErrNotOurs) {
		t.Errorf("revert: got %v, want ErrNotOurs", err)
	}
	unknown := order(step(pgbouncer.FixGrow, strings.Replace(growApp, "app", "ap", 1)), "a1")
	if p, err := r.Check(t.Context(), unknown); err == nil || p.State != remediations.Unknown {
		t.Errorf("a database that is not there: got %+v, %v, want unknown", p, err)
	}
	_, err := r.Apply(t.Context(), unknown)
	refused(t, err, "no such database")
}
