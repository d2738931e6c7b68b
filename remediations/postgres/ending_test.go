package postgres_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/postgres"
)

// terminations counts how often the server says that it ended a session.
func terminations(n *testbed.PostgresNode, v victim) int {
	return strings.Count(n.Log(), fmt.Sprintf("[%d] client backend app FATAL:  terminating connection due to administrator command", v.PID))
}

// The sessions of the plan end, each once, and nobody else does. The same order again does nothing, nor does it when the sessions are back
// with other identities.
func TestEndLeaked(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.PostgresOptions{Standbys: -1})
	p := b.Primary
	var victims, others []victim
	for i := range 32 {
		_, v := leaked(t, p, testbed.RoleApp, "checkout")
		if i < 3 {
			victims = append(victims, v)
		} else {
			others = append(others, v)
		}
	}
	o := order(t, "pg1", postgres.FixEndLeaked, b.ends(victims...))
	checked(t, b.rem, o, remediations.Absent, "3 of 3 sessions are there")
	r := applied(t, b.rem, o)
	if !strings.Contains(r.Note, "3 of 3 sessions matched") || !strings.Contains(r.Note, "3 have ended") {
		t.Errorf("got note %q", r.Note)
	}
	for _, v := range victims {
		if _, there := find(t, p, v.PID); there {
			t.Errorf("session %d is there, and the receipt says %q", v.PID, r.Note)
		}
		if n := terminations(p, v); n != 1 {
			t.Errorf("session %d was ended %d times", v.PID, n)
		}
	}
	checked(t, b.rem, o, remediations.Satisfied, "has gone")
	leaked(t, p, testbed.RoleApp, "checkout")
	refused(t, b.rem, o, "gone already")
	for _, v := range others {
		if !is(t, p, v) {
			t.Errorf("bystander %d was touched", v.PID)
		}
	}
}

// At most a tenth of the client backends end, but one, in the order of the plan; the same order again does not take a second one. What has
// gone by itself counts.
func TestEndAtMostATenth(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.PostgresOptions{Standbys: -1})
	p := b.Primary
	_, first := leaked(t, p, testbed.RoleApp, "checkout")
	_, second := leaked(t, p, testbed.RoleApp, "checkout")
	third, gonesOwn := leaked(t, p, testbed.RoleApp, "checkout")
	o := order(t, "pg1", postgres.FixEndLeaked, b.ends(second, first))
	r := applied(t, b.rem, o)
	if !strings.Contains(r.Note, "1 of 2 sessions matched") || !strings.Contains(r.Note, "tenth of the client backends") {
		t.Errorf("got note %q", r.Note)
	}
	if _, there := find(t, p, second.PID); there || !is(t, p, first) {
		t.Error("not exactly the first of the plan has ended")
	}
	checked(t, b.rem, o, remediations.Absent, fmt.Sprintf("1 of 2 sessions are there as they were seen; pid %d has gone", second.PID))
	refused(t, b.rem, o, "tenth of the client backends")

	mixed := order(t, "pg1", postgres.FixEndLeaked, b.ends(gonesOwn, first))
	if err := third.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone(t, p, gonesOwn)
	refused(t, b.rem, mixed, "gone already", "tenth of the client backends")
	if !is(t, p, first) {
		t.Error("the bound was passed")
	}
}

// A session that has gone on is not the one that the plan saw: it is left alone, and what the plan wanted is so.
func TestEndLeakedThatWentOn(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.PostgresOptions{Standbys: -1})
	p := b.Primary
	c, v := leaked(t, p, testbed.RoleApp, "checkout")
	o := order(t, "pg1", postgres.FixEndLeaked, b.ends(v))
	exec(t, c, "commit; begin; select 1")
	checked(t, b.rem, o, remediations.Satisfied, "another transaction")
	refused(t, b.rem, o, "another transaction")
	exec(t, c, "commit")
	checked(t, b.rem, o, remediations.Satisfied, "or in none")
	refused(t, b.rem, o, "another transaction, or in none")
	exec(t, c, "select 1")

	other := b.ends(v)
	other.SystemIdentifier = "7000000000000000001"
	seen, err := b.rem.Check(t.Context(), order(t, "pg1", postgres.FixEndLeaked, other))
	if err == nil || seen.State != remediations.Unknown || !strings.Contains(err.Error(), "another server") {
		t.Errorf("check at another server: got %+v, %v", seen, err)
	}
}

// A conflict on a standby is ended there, a reader that runs a statement included, and only there.
func TestEndConflict(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.PostgresOptions{Standbys: 1})
	s := b.Standbys[0]
	_, bystander := leaked(t, s, testbed.RoleReader, "reports")
	reader, ended := busy(t, s, testbed.RoleReader, "begin transaction isolation level repeatable read; select count(*) from items",
		"select pg_sleep(600)", "wait_event = 'PgSleep'")
	no := false
	e := b.ends(reader)
	e.Standby = &no
	refused(t, b.rem, order(t, "pg2", postgres.FixEndConflict, e), "there is no conflict with replay")
	refused(t, b.rem, order(t, "pg2", postgres.FixEndLeaked, b.ends(bystander)), "not what the plan says")
	o := order(t, "pg2", postgres.FixEndConflict, b.ends(reader))
	checked(t, b.rem, o, remediations.Absent, "1 of 1")
	applied(t, b.rem, o)
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "57P01") {
		t.Errorf("the reader got %v, want its session ended", err)
	}
	checked(t, b.rem, o, remediations.Satisfied, "has gone")
	if !is(t, s, bystander) {
		t.Error("a bystander was touched")
	}
	// After a failover the plan is about what is no more: the session is there, and is left alone.
	_, later := leaked(t, s, testbed.RoleReader, "reports")
	o = order(t, "pg2", postgres.FixEndConflict, b.ends(later))
	s.Exec(t, "select pg_promote()")
	checked(t, b.rem, o, remediations.Foreign, "no standby")
	refused(t, b.rem, o, "not what the plan says")
	if !is(t, s, later) {
		t.Error("a session on a new primary was ended by a plan for a standby")
	}
}

// Two actions on the same sessions, from two processes at once: each session ends once, and who ended nothing says so.
func TestTwoActionsAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.PostgresOptions{Standbys: -1})
	p := b.Primary
	f := b.open(t, act, nil)
	second := remedy(t, f, f)
	for range 28 {
		leaked(t, p, testbed.RoleApp, "bystander")
	}
	for range 5 {
		_, one := leaked(t, p, testbed.RoleApp, "checkout")
		_, two := leaked(t, p, testbed.RoleApp, "checkout")
		orders := []remediations.Order{order(t, "pg1", postgres.FixEndLeaked, b.ends(one, two)), order(t, "pg1", postgres.FixEndBlocker, b.ends(two, one))}
		var errs [2]error
		var both sync.WaitGroup
		for i, rem := range []*postgres.Sessions{b.rem, second} {
			both.Go(func() { _, errs[i] = rem.Apply(t.Context(), orders[i]) })
		}
		both.Wait()
		if errs[0] != nil && errs[1] != nil {
			t.Fatalf("neither did it: %v; %v", errs[0], errs[1])
		}
		for _, err := range errs {
			if err != nil && !strings.Contains(err.Error(), remediations.ErrRefused.Error()) {
				t.Errorf("got %v, want it refused or done", err)
			}
		}
		for _, v := range []victim{one, two} {
			gone(t, p, v)
			if n := terminations(p, v); n != 1 {
				t.Errorf("session %d was ended %d times", v.PID, n)
			}
		}
	}
	if got := p.Value(t, "select count(*) from pg_stat_activity where application_name = 'bystander'"); got != "28" {
		t.Errorf("%s of 28 bystanders are left", got)
	}
}

// While another action is at work on the server, ours is not: it is refused at once, not queued.
func TestOneActionAtATime(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.PostgresOptions{Standbys: -1})
	holder := b.Primary.Session(t, act, testbed.Database)
	exec(t, holder, "begin; select pg_advisory_xact_lock(1179210309, 1)")
	_, v := leaked(t, b.Primary, testbed.RoleApp, "checkout")
	o := order(t, "pg1", postgres.FixEndLeaked, b.ends(v))
	refused(t, b.rem, o, "another action was at work")
	if !is(t, b.Primary, v) {
		t.Error("the session was ended beside another action")
	}
	exec(t, holder, "rollback")
	applied(t, b.rem, o)
	gone(t, b.Primary, v)
}
