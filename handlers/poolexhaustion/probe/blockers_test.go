package probe

import (
	"context"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/poolexhaustion"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// TestTurns holds that a server is asked once in five seconds at most, each by itself, and how long a look waits for its turn.
func TestTurns(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		last time.Time
		want time.Duration
	}{{time.Time{}, 0}, {at, 5 * time.Second}, {at.Add(-3 * time.Second), 2 * time.Second}, {at.Add(-5 * time.Second), 0}} {
		if got := untilTurn(c.last, at); got != c.want {
			t.Errorf("asked last at %s: got %s, want %s", c.last, got, c.want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		turns, began := newTurns(), time.Now()
		take := func(place string, want bool) {
			t.Helper()
			if got := turns.take(place, time.Now()); got != want {
				t.Errorf("after %s: %s may be asked %t, want %t", time.Since(began), place, got, want)
			}
		}
		await := func(limit, want time.Duration) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			before := time.Now()
			if turns.await(ctx, "orders/pg1"); time.Since(before) != want {
				t.Errorf("waited %s, want %s", time.Since(before), want)
			}
		}
		await(time.Minute, 0) // never asked
		take("orders/pg1", true)
		take("orders/pg1", false)
		take("orders/pg2", true)
		await(time.Minute, 0) // too far away
		<-time.After(4500 * time.Millisecond)
		take("orders/pg1", false)
		await(900*time.Millisecond, 0) // the look would have no time left
		await(time.Minute, 500*time.Millisecond)
		take("orders/pg1", true)
	})
}

// lockConvoy holds a chain: one who does nothing, one who waits for it, and two who wait for that one. Only the first is the root, with all
// others as its victims; and asking again at once is left out, which loses nobody who runs a statement.
func lockConvoy(t *testing.T, l *lab) {
	root, middle := l.Primary.Session(t, testbed.RoleApp, testbed.Database), l.Primary.Session(t, testbed.RoleApp, testbed.Database)
	last, other := l.Primary.Session(t, testbed.RoleApp, testbed.Database), l.Primary.Session(t, testbed.RoleSuperuser, testbed.Database)
	bystander := l.Primary.Session(t, testbed.RoleSuperuser, testbed.Database)
	must(t, root, "begin; update items set note = 'secret' where id = 1")
	must(t, middle, "begin; update items set note = '' where id = 2")
	must(t, bystander, "begin; update items set note = '' where id = 9")
	first := begun(t, middle, "update items set note = '' where id = 1")
	w := l.watch(t)
	w.until("the first to wait", func(o view) bool { return o.Server.LockWaiting == 1 })
	second, third := begun(t, last, "update items set note = '' where id = 2"), begun(t, other, "update items set note = '' where id = 2")
	o := w.until("the chain", func(o view) bool {
		return o.Server.LockWaiting == 3 && len(o.Server.Blockers) == 1 && o.Server.Blockers[0].Victims == 3
	})
	s := o.Server
	if s.Blockers[0].PID != int(root.PgConn().PID()) || s.BlockersProblem != "" || s.Running != 0 || s.Leaked != 2 || len(s.Sessions) != 2 {
		t.Errorf("got %s", asJSON(s))
	}
	if x := o.session(root); x.State != "idle in transaction" || x.Superuser || x.Query != "begin; update items set note = ? where id = ?" {
		t.Errorf("got the root as %s", asJSON(x))
	}
	if x := o.session(bystander); !x.Superuser || !x.Replication {
		t.Errorf("got the superuser as %s", asJSON(x))
	}
	sleep := begun(t, root, "select pg_sleep(600)")
	w.until("the root to run a statement", func(o view) bool { return o.session(root).State == "active" })
	w.prober.asked.take("orders/pg1", time.Now().Add(time.Minute)) // as if it had been asked right now, however slow this machine is
	if o, err := w.look(); err != nil || o.Server.Blockers != nil || o.Server.LockWaiting != 3 ||
		!strings.Contains(o.Server.BlockersProblem, "left out: this server was asked less than 5s ago") || o.session(root).State != "active" {
		t.Errorf("asked again at once: got %v, %s", err, asJSON(o.Server))
	}
	l.Primary.Exec(t, "select pg_cancel_backend("+strconv.Itoa(int(root.PgConn().PID()))+")")
	<-sleep
	must(t, root, "rollback")
	ended(t, first)
	must(t, middle, "rollback")
	ended(t, second, third)
	closeNow(t, root, middle, last, other, bystander)
	w.until("calm", view.calm)
}

// mayNotAsk holds that the rest is read where nobody may be asked for blockers.
func mayNotAsk(t *testing.T, l *lab) {
	const who = " execute on function pg_blocking_pids(int) "
	l.Primary.Exec(t, "revoke"+who+"from public")
	holder, waiter := l.Primary.Session(t, testbed.RoleApp, testbed.Database), l.Primary.Session(t, testbed.RoleApp, testbed.Database)
	must(t, holder, "begin; update items set note = '' where id = 3")
	waits := begun(t, waiter, "update items set note = '' where id = 3")
	w := l.watch(t)
	o := w.until("the problem", func(o view) bool { return o.Server.LockWaiting == 1 && o.Server.BlockersProblem != "" })
	if s := o.Server; s.Problem != "" || s.Blockers != nil || !strings.Contains(s.BlockersProblem, "permission denied for function pg_blocking_pids") ||
		s.Leaked != 1 || o.session(holder).State != "idle in transaction" {
		t.Errorf("got %s", asJSON(s))
	}
	must(t, holder, "rollback")
	ended(t, waits)
	closeNow(t, holder, waiter)
	l.Primary.Exec(t, "grant"+who+"to public")
	w.until("calm", view.calm)
}

// copyBlocks holds a root that works, and what it works at.
func copyBlocks(t *testing.T, l *lab) {
	loader, waiter := l.Primary.Session(t, testbed.RoleApp, testbed.Database), l.Primary.Session(t, testbed.RoleApp, testbed.Database)
	rows, feed := io.Pipe()
	loaded := make(chan error, 1)
	ctx := context.WithoutCancel(t.Context())
	go func() { // ends when the pipe is closed
		_, err := loader.PgConn().CopyFrom(ctx, rows, "copy items (id) from stdin")
		loaded <- err
	}()
	defer feed.Close() //nolint:errcheck // A pipe in memory.
	w := l.watch(t)
	testbed.Await(t, seenWithin, "the copy to begin", func() bool {
		n, err := l.Primary.Ask("select count(*) from pg_stat_progress_copy")
		return err == nil && n == "1"
	})
	waits := begun(t, waiter, "begin; lock table items in access exclusive mode; commit")
	o := w.until("the wait", func(o view) bool { return len(o.Server.Blockers) == 1 })
	if x := o.session(loader); x.Progress != "COPY FROM" || x.State != "active" || x.XactStart.IsZero() || o.Server.Blockers[0].PID != x.PID {
		t.Errorf("got %s", asJSON(o.Server))
	}
	if err := feed.Close(); err != nil {
		t.Fatal(err)
	}
	ended(t, loaded, waits)
	closeNow(t, loader, waiter)
	w.until("calm", view.calm)
}

// preparedTransaction holds a root that no session has: one that was prepared, and that nobody commits.
func preparedTransaction(t *testing.T, l *lab) {
	conn, waiter := l.Primary.Session(t, testbed.RoleApp, testbed.Database), l.Primary.Session(t, testbed.RoleApp, testbed.Database)
	must(t, conn, "begin; update items set note = '' where id = 5")
	must(t, conn, "prepare transaction 'order 66'")
	waits := begun(t, waiter, "update items set note = '' where id = 5")
	w := l.watch(t)
	o := w.until("the root", func(o view) bool { return len(o.Server.Blockers) == 1 })
	s := o.Server
	if s.Blockers[0] != (poolexhaustion.Blocker{PID: 0, Victims: 1}) || len(s.Prepared) != 1 || len(s.Sessions) != 0 {
		t.Fatalf("got %s", asJSON(s))
	}
	if p := s.Prepared[0]; p.GID != "order 66" || p.Owner != testbed.RoleApp || p.Database != testbed.Database || p.Age <= 0 {
		t.Errorf("got %s", asJSON(p))
	}
	must(t, conn, "rollback prepared 'order 66'")
	ended(t, waits)
	closeNow(t, conn, waiter)
	w.until("calm", view.calm)
}
