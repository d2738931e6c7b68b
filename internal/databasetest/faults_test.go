package databasetest

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// What follows produces faults. Each one waits until PostgreSQL itself shows that it is there, and ends with the run at the latest.

// load writes so many bytes a second at the primary, in transactions, until it is called off.
func (r *run) load(bytesPerSecond int) (stop func()) {
	r.t.Helper()
	const each = 50 * time.Millisecond
	app := r.open(r.Primary, testbed.RoleApp, "load")
	r.do(app, "set synchronous_commit = local") // a standby that hangs does not hold the load up
	size := max(64, int(int64(bytesPerSecond)*int64(each)/int64(time.Second)))
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		for blackbox.Pause(ctx, each) {
			if _, err := app.conn.Exec(context.WithoutCancel(ctx), message(size)); err != nil {
				return // that it was ended is found by its pid
			}
		}
	})
	stop = sync.OnceFunc(func() { cancel(); work.Wait() })
	r.t.Cleanup(stop)
	return stop
}

// message writes so many bytes of WAL. It is WAL as any other, and leaves nothing in a table.
func message(bytes int) string {
	return fmt.Sprintf("select pg_logical_emit_message(true, 'load', repeat('x', %d))", bytes)
}

// measured waits until the primary knows how late the victim is, as it does while something is written.
func (r *run) measured() {
	r.t.Helper()
	r.await("the lag to be measured", func() bool {
		v, err := r.Primary.Ask("select replay_lag < interval '1 s' from pg_stat_replication where application_name = '" +
			r.victim().ApplicationName + "'")
		return err == nil && v == "t"
	})
}

// count changes thousands of rows again and again, about ten megabytes of WAL a second, until it is called off.
func (r *run) count(app *session) (stop func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		for blackbox.Pause(ctx, 40*time.Millisecond) {
			if _, err := app.conn.Exec(context.WithoutCancel(ctx), "update counters set n = n + 1"); err != nil {
				return // that it was ended is found by its pid
			}
		}
	})
	stop = sync.OnceFunc(func() { cancel(); work.Wait() })
	r.t.Cleanup(stop)
	return stop
}

// write writes so many bytes at once.
func (b *lab) write(bytes int) {
	const piece = 64 << 10
	b.Primary.Exec(b, fmt.Sprintf("%s from generate_series(1, %d)", message(piece), 1+bytes/piece))
}

// waits waits until the startup process of a standby waits for something, as "IPC/RecoveryConflictSnapshot".
func (b *lab) waits(n *testbed.PostgresNode, what string) {
	b.await(n.Name+" to wait for "+what, func() bool {
		v, err := n.Ask("select wait_event_type || '/' || wait_event from pg_stat_activity where backend_type = 'startup'")
		return err == nil && v == what
	})
}

// holdSnapshot opens a session that keeps a snapshot of what facts was.
func (r *run) holdSnapshot(n *testbed.PostgresNode, role, name string) *session {
	r.t.Helper()
	s := r.open(n, role, name)
	r.do(s, "begin isolation level repeatable read; select count(*) from facts")
	return s
}

// collide removes on the primary what a snapshot on the standby still needs, and waits until replay waits for that.
func (r *run) collide(nodes ...*testbed.PostgresNode) {
	r.t.Helper()
	r.Primary.Exec(r.t, "update facts set version = version + 1")
	r.Primary.Exec(r.t, "vacuum facts")
	for _, n := range nodes {
		r.waits(n, "IPC/RecoveryConflictSnapshot")
	}
}

// holdLock opens a session that has read a table and sits idle in that transaction.
func (r *run) holdLock(n *testbed.PostgresNode, role, name string) *session {
	r.t.Helper()
	s := r.open(n, role, name)
	r.do(s, "begin; select count(*) from facts")
	return s
}

// alter changes that table on the primary, and waits until its replay waits for the reader.
func (r *run) alter(n *testbed.PostgresNode) {
	r.t.Helper()
	r.Primary.Exec(r.t, "alter table facts alter column version set default 1; alter table facts alter column version set default 0")
	r.waits(n, "Lock/relation")
}

// hang stops a process of a server until the run ends, or until it is called off.
func (r *run) hang(n *testbed.PostgresNode, pid int) (goOn func()) {
	r.t.Helper()
	if err := n.SignalChild(pid, syscall.SIGSTOP); err != nil || pid == 0 {
		r.t.Fatalf("stop process %d of %s: %v", pid, n.Name, err)
	}
	goOn = sync.OnceFunc(func() {
		// It may have ended meanwhile.
		_ = n.SignalChild(pid, syscall.SIGCONT)
	})
	r.t.Cleanup(goOn)
	return goOn
}

// starve lets the process that replays have the processor for a hundredth of the time, as on a machine that does much else.
func (r *run) starve(n *testbed.PostgresNode) (stop func()) {
	r.t.Helper()
	pid := n.StartupPID()
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		defer func() { _ = n.SignalChild(pid, syscall.SIGCONT) }()
		for {
			if err := n.SignalChild(pid, syscall.SIGSTOP); err != nil || !blackbox.Pause(ctx, 99*time.Millisecond) {
				return
			}
			if err := n.SignalChild(pid, syscall.SIGCONT); err != nil || !blackbox.Pause(ctx, time.Millisecond) {
				return
			}
		}
	})
	stop = sync.OnceFunc(func() { cancel(); work.Wait() })
	r.t.Cleanup(stop)
	return stop
}

// behind waits until a standby is behind by more than so many bytes.
func (b *lab) behind(n *testbed.PostgresNode, bytes int) {
	b.await(fmt.Sprintf("%s to be %d bytes behind", n.Name, bytes), func() bool {
		position, err := n.Ask("select pg_last_wal_replay_lsn()")
		if err != nil {
			return false
		}
		v, err := b.Primary.Ask(fmt.Sprintf("select pg_wal_lsn_diff(pg_current_wal_lsn(), '%s') > %d", position, bytes))
		return err == nil && v == "t"
	})
}
