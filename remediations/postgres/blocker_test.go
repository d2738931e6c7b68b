package postgres_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/postgres"
)

// stubborn is a statement that no cancel ends.
const stubborn = `do $$ begin loop begin perform pg_sleep(600); exception when query_canceled then null; end; end loop; end $$`

// holding makes a table that sessions can queue for, and takes it.
const holding = "begin; update locked set id = 2"

func lockBench(t *testing.T) *bench {
	b := newBench(t, testbed.PostgresOptions{Standbys: -1})
	b.Primary.Exec(t, "create table locked (id int); insert into locked values (1); grant all on locked to app")
	return b
}

// A root that is idle in its transaction is ended directly, and who waited goes on.
func TestEndBlockerThatIsIdle(t *testing.T) {
	t.Parallel()
	b := lockBench(t)
	p := b.Primary
	c, _ := leaked(t, p, testbed.RoleApp, "checkout")
	exec(t, c, "rollback; "+holding)
	root := identity(t, p, c.PgConn().PID())
	_, goesOn := busy(t, p, testbed.RoleApp, "begin", "update locked set id = 3", "wait_event_type = 'Lock'")
	o := order(t, "pg1", postgres.FixEndBlocker, b.ends(root))
	checked(t, b.rem, o, remediations.Absent, "1 of 1")
	applied(t, b.rem, o)
	if err := <-goesOn; err != nil {
		t.Errorf("who waited got %v", err)
	}
	gone(t, p, root)
	refused(t, b.rem, o, "gone already")
}

// A root that runs a statement loses the statement first. If that frees what it had, its session stays.
func TestEndBlockerCancelsFirst(t *testing.T) {
	t.Parallel()
	b := lockBench(t)
	p := b.Primary
	root, canceled := busy(t, p, testbed.RoleApp, holding, "select pg_sleep(600)", "wait_event = 'PgSleep'")
	_, goesOn := busy(t, p, testbed.RoleApp, "begin", "update locked set id = 3", "wait_event_type = 'Lock'")
	e := b.ends(root)
	e.CancelFirst, e.Terminate = true, true
	o := order(t, "pg1", postgres.FixEndBlocker, e)
	checked(t, b.rem, o, remediations.Absent, "1 of 1")
	r := applied(t, b.rem, o)
	if err := <-canceled; err == nil || !strings.Contains(err.Error(), "57014") {
		t.Errorf("the root got %v, want its statement cancelled", err)
	}
	if err := <-goesOn; err != nil {
		t.Errorf("who waited got %v", err)
	}
	if now, there := find(t, p, root.PID); !there || !now.BackendStart.Equal(root.BackendStart) || terminations(p, root) != 0 {
		t.Errorf("its session was ended, and did not have to be: %q", r.Note)
	}
	if !strings.Contains(r.Note, "cancelled") || strings.Contains(r.Note, "ended") {
		t.Errorf("got note %q", r.Note)
	}
	checked(t, b.rem, o, remediations.Satisfied, "in another transaction, or in none")
}

// A root that a cancel does not stop is ended only by a plan that says so.
func TestEndBlockerThatIsStubborn(t *testing.T) {
	t.Parallel()
	b := lockBench(t)
	p := b.Primary
	root, ended := busy(t, p, testbed.RoleApp, holding, stubborn, "wait_event = 'PgSleep'")
	e := b.ends(root)
	e.CancelFirst = true
	o := order(t, "pg1", postgres.FixEndBlocker, e)
	o.Deadline = time.Now().Add(1500 * time.Millisecond)
	r := applied(t, b.rem, o)
	if !is(t, p, root) || !strings.Contains(r.Note, "cancelled") {
		t.Errorf("it was ended without leave, or was not cancelled: %q", r.Note)
	}
	checked(t, b.rem, o, remediations.Absent, "1 of 1")

	e.Terminate = true
	o = order(t, "pg1", postgres.FixEndBlocker, e)
	o.Deadline = time.Now().Add(2 * time.Second)
	r = applied(t, b.rem, o)
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "57P01") {
		t.Errorf("it got %v, want its session ended", err)
	}
	if !strings.Contains(r.Note, "1 have ended") || terminations(p, root) != 1 {
		t.Errorf("got note %q", r.Note)
	}
	refused(t, b.rem, o, "gone already")
}

// A cancel in a transaction with a savepoint frees nothing of what was taken before it: the session is ended, if the plan says so.
func TestEndBlockerBehindASavepoint(t *testing.T) {
	t.Parallel()
	b := lockBench(t)
	p := b.Primary
	root, canceled := busy(t, p, testbed.RoleApp, holding+"; savepoint s", "select pg_sleep(600)", "wait_event = 'PgSleep'")
	_, goesOn := busy(t, p, testbed.RoleApp, "begin", "update locked set id = 3", "wait_event_type = 'Lock'")
	e := b.ends(root)
	e.CancelFirst, e.Terminate = true, true
	o := order(t, "pg1", postgres.FixEndBlocker, e)
	o.Deadline = time.Now().Add(2 * time.Second)
	applied(t, b.rem, o)
	if err := <-canceled; err == nil || !strings.Contains(err.Error(), "57014") {
		t.Errorf("the root got %v, want its statement cancelled", err)
	}
	if err := <-goesOn; err != nil {
		t.Errorf("who waited got %v", err)
	}
	gone(t, p, root)
}

// What a change that is over is told to take back is an error, and nothing happens.
func TestRevertSaysThatItIsOver(t *testing.T) {
	t.Parallel()
	rem := remedy(t, nobody{}, nobody{})
	o := order(t, "pg1", postgres.FixEndBlocker, ends{})
	if err := rem.Revert(t.Context(), o, remediations.Receipt{}); !errors.Is(err, postgres.ErrOver) {
		t.Errorf("got %v, want ErrOver", err)
	}
}
