package probe

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/handlers/poolexhaustion"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
)

// TestPrimary holds which node is the primary, and what is said where none is, or several.
func TestPrimary(t *testing.T) {
	t.Parallel()
	up := func(name, system string) node {
		return node{name: name, systemIdentifier: system, server: &poolexhaustion.Server{Node: name, Used: 7}}
	}
	standby := func(name, system string) node { return node{name: name, standby: true, systemIdentifier: system} }
	down := func(name string, full bool) node { return node{name: name, problem: "refused", full: full} }
	for _, c := range []struct {
		name  string
		nodes []node
		want  poolexhaustion.Server
	}{
		{"alone", []node{up("pg1", "1")}, poolexhaustion.Server{Node: "pg1", Used: 7, Primaries: []string{"pg1"}}},
		{"with a standby", []node{standby("pg1", "1"), up("pg2", "1")}, poolexhaustion.Server{Node: "pg2", Used: 7, Primaries: []string{"pg2"}}},
		{"with one that is not read", []node{down("pg1", true), up("pg2", "1")},
			poolexhaustion.Server{Node: "pg2", Used: 7, Primaries: []string{"pg2"}, Unread: []string{"pg1"}}},
		{"two", []node{up("pg1", "1"), down("pg2", true), up("pg3", "1")},
			poolexhaustion.Server{Problem: "several nodes take writes: pg1, pg3", Primaries: []string{"pg1", "pg3"}, Unread: []string{"pg2"}}},
		{"of two clusters", []node{up("pg1", "1"), standby("pg2", "2")},
			poolexhaustion.Server{Problem: "the nodes are of different clusters: their system identifiers differ", Primaries: []string{"pg1"}}},
		{"none", []node{standby("pg1", "1"), standby("pg2", "1")},
			poolexhaustion.Server{Problem: "no node takes writes: pg1: it is a standby; pg2: it is a standby"}},
		{"full", []node{down("pg1", true), standby("pg2", "1")},
			poolexhaustion.Server{Problem: "no node takes writes: pg1: refused; pg2: it is a standby", Unread: []string{"pg1"}, Full: true}},
		{"a full one beside one that is down", []node{down("pg1", true), down("pg2", false)},
			poolexhaustion.Server{Problem: "no node takes writes: pg1: refused; pg2: refused", Unread: []string{"pg1", "pg2"}}},
	} {
		if got := primary(c.nodes); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.name, asJSON(got), asJSON(c.want))
		}
	}
}

// TestVersions holds that no version is asked for what it does not have. What each has is said by its manual; 15 alone is tried here.
func TestVersions(t *testing.T) {
	t.Parallel()
	since := []struct {
		from int // first version that has it
		name string
	}{
		{12, "pg_stat_progress_vacuum"}, {12, "pg_stat_progress_cluster"}, {12, "pg_stat_progress_create_index"}, {12, "pg_blocking_pids"},
		{13, "leader_pid"}, {13, "pg_stat_progress_analyze"}, {13, "pg_stat_progress_basebackup"}, {14, "pg_stat_progress_copy"},
	}
	for version := 12; version <= 17; version++ {
		all := everythingAsked(version*10000 + 4)
		for _, s := range since {
			if got, want := strings.Contains(all, s.name), version >= s.from; got != want {
				t.Errorf("version %d: asked for %s %t, want %t", version, s.name, got, want)
			}
		}
		// A setting that is there from 16 on, and is asked for so that others do not mind.
		if !strings.Contains(all, "coalesce(current_setting('reserved_connections', true), '0')") {
			t.Errorf("version %d is not asked for what it keeps for the reserved", version)
		}
		for _, late := range []string{"query_id", "transaction_timeout", "sessions_killed", "pg_stat_io"} {
			if strings.Contains(all, late) {
				t.Errorf("version %d is asked for %s", version, late)
			}
		}
	}
	if everythingAsked(150000) != everythingAsked(170002) {
		t.Error("15, which is tried here, is asked something else than 17")
	}
}

// everythingAsked is the text of all statements for a version.
func everythingAsked(version int) string {
	return strings.Join([]string{identitySQL, countsSQL, preparedSQL, blockersSQL(version), sessionsSQL(version)}, ";\n")
}

// olderVersions runs what older versions are asked where this one can answer it: it gives the same columns and rows.
func olderVersions(t *testing.T, l *lab) {
	holder, waiter := l.Primary.Session(t, testbed.RoleApp, testbed.Database), l.Primary.Session(t, testbed.RoleApp, testbed.Database)
	must(t, holder, "begin; update items set version = 1 where id = 1")
	waits := begun(t, waiter, "update items set version = 2 where id = 1")
	w := l.watch(t)
	w.until("the wait", func(o view) bool { return o.Server.LockWaiting == 1 })
	pid := int(holder.PgConn().PID())
	err := w.prober.looks.Look(t.Context(), "orders/pg1", func(ctx context.Context, conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			for _, version := range []int{120000, 130000, 140000, 160000, 170000} {
				roots, err := many[poolexhaustion.Blocker](ctx, tx, blockersSQL(version))
				if err != nil || len(roots) != 1 || roots[0] != (poolexhaustion.Blocker{PID: pid, Victims: 1}) {
					t.Errorf("%d: got %v, %v", version, roots, err)
				}
				sessions, err := many[poolexhaustion.Session](ctx, tx, sessionsSQL(version), []int{pid})
				if err != nil || len(sessions) != 1 || sessions[0].PID != pid {
					t.Errorf("%d: got %s, %v", version, asJSON(sessions), err)
				}
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	must(t, holder, "rollback")
	ended(t, waits)
	closeNow(t, holder, waiter)
	w.until("calm", view.calm)
}

// bounded holds that a statement that takes too long is ended by the server: its transaction goes on after a savepoint, and the session
// stays as it is.
func bounded(t *testing.T, l *lab) {
	w := l.watch(t)
	var pids []string
	look := func() {
		t.Helper()
		err := w.prober.looks.Look(t.Context(), "orders/pg1", func(ctx context.Context, conn *pgx.Conn) error {
			return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
				part, err := tx.Begin(ctx)
				if err != nil {
					return err
				}
				_, err = ask[struct{ Slept string }](ctx, part, 50*time.Millisecond, "SELECT pg_sleep(30)::text AS slept")
				if err == nil || !strings.Contains(err.Error(), "57014") {
					t.Errorf("got %v", err)
				}
				if err := part.Rollback(ctx); err != nil {
					return err
				}
				back, err := one[struct{ Bound, PID string }](ctx, tx, "SELECT current_setting('statement_timeout') AS bound, pg_backend_pid()::text AS pid")
				pids = append(pids, back.PID)
				if back.Bound != "5s" {
					t.Errorf("the bound is left at %s", back.Bound)
				}
				return err
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	look()
	if look(); pids[0] != pids[1] {
		t.Errorf("the session was lost: got %v", pids)
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if _, err := ask[identity](ctx, nil, time.Second, identitySQL); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without any time left: got %v", err)
	}
}

// syncStandbyMissing holds a commit that waits for a synchronous standby that has gone.
func syncStandbyMissing(t *testing.T, l *lab) {
	l.Primary.ReloadWith(map[string]string{"synchronous_standby_names": "pg2"})
	w := l.watch(t)
	o := w.until("the standby to be synchronous", func(o view) bool { return o.Server.SyncStandbys == 1 })
	if s := o.Server; s.SyncNames != "pg2" || s.SyncRep != 0 {
		t.Errorf("got %s", asJSON(s))
	}
	l.Standbys[0].Proxy.Cut()
	conn := l.Primary.Session(t, testbed.RoleApp, testbed.Database)
	waits := begun(t, conn, "update items set version = version + 1 where id = 2")
	o = w.until("the wait", func(o view) bool { return o.Server.SyncRep == 1 && o.Server.SyncStandbys == 0 })
	if s := o.Server; s.SyncNames != "pg2" || s.Running != 0 || s.LockWaiting != 0 || len(s.Sessions) != 0 {
		t.Errorf("got %s", asJSON(s))
	}
	l.Standbys[0].Proxy.Heal()
	ended(t, waits)
	l.Primary.ReloadWith(map[string]string{"synchronous_standby_names": ""})
	closeNow(t, conn)
	w.until("calm", func(o view) bool { return o.calm() && o.Server.SyncNames == "" && o.Server.SyncStandbys == 0 })
}

// serverFull holds that a session that was open before is let look at a server that has no slot left, and that a new one is told so, which
// is no error of the look.
func serverFull(t *testing.T, l *lab) {
	warm, cold := l.watch(t), l.watch(t)
	warm.until("an open session", view.calm)
	var taken []*pgx.Conn
	testbed.Await(t, seenWithin, "all slots to be taken", func() bool {
		conn, err := pgx.Connect(t.Context(), l.Primary.URL(testbed.RoleApp, testbed.Database))
		if err == nil {
			taken = append(taken, conn)
			return false
		}
		return strings.Contains(err.Error(), "53300")
	})
	o, err := warm.look()
	if s := o.Server; err != nil || s.Problem != "" || s.Full || s.Usable != usable || s.Used != usable || s.Idle < len(taken) {
		t.Errorf("the open session: got %v, %s", err, asJSON(s))
	}
	o, err = cold.look()
	if s := o.Server; err != nil || !s.Full || s.Node != "" || len(s.Primaries) != 0 || len(s.Unread) != 1 || !strings.Contains(s.Problem, "pg1: ") ||
		!strings.Contains(s.Problem, "no free connection slot") || s.Usable != 0 {
		t.Errorf("a new session: got %v, %s", err, asJSON(s))
	}
	if o.Poolers[0].Problem != "" {
		t.Errorf("got %s", asJSON(o.Poolers[0]))
	}
	closeNow(t, taken...)
	cold.until("calm", view.calm)
}

// noMonitor holds that a login without pg_monitor is told from a server where nobody waits.
func noMonitor(t *testing.T, l *lab) {
	o, err := l.watch(t, func(c *policy.PostgresCluster) { c.Connect.Probe = policy.PostgresLogin{User: blindUser} }).look()
	if s := o.Server; err != nil || !s.Hidden || s.Node != "pg1" || s.Usable != usable || s.Problem != "" {
		t.Errorf("got %v, %s", err, asJSON(s))
	}
}

// otherCluster holds that a server that is not the cluster's is not looked at.
func otherCluster(t *testing.T, l *lab) {
	o, err := l.watch(t, func(c *policy.PostgresCluster) { c.SystemIdentifier = "7000000000000000001" }).look()
	if s := o.Server; err != nil || s.Node != "" || len(s.Unread) != 2 || s.Usable != 0 || !strings.Contains(s.Problem, "the policy says 7000000000000000001") {
		t.Errorf("got %v, %s", err, asJSON(s))
	}
}

// serverDown holds a server that has gone behind a pooler that lives: its clients wait, and no session of it works.
func serverDown(t *testing.T, l *lab) {
	client := l.pooler.SimpleSession(t, testbed.RoleApp)
	w := l.watch(t)
	w.until("calm", view.calm)
	l.Primary.Stop()
	waits := begun(t, client, "select 1")
	o := w.until("the queue", func(o view) bool { return o.pool().Waiting == 1 && o.Server.Problem != "" })
	s, p := o.Server, o.pool()
	if s.Node != "" || s.Full || len(s.Primaries) != 0 || len(s.Unread) != 1 || s.Unread[0] != "pg1" || !strings.Contains(s.Problem, "pg2: it is a standby") ||
		!strings.Contains(s.Problem, "connection refused") || s.Usable != 0 {
		t.Errorf("got %s", asJSON(s))
	}
	if p.ServersActive+p.ServersIdle != 0 {
		t.Errorf("got %s", asJSON(p))
	}
	if err := l.Primary.Restart(); err != nil {
		t.Fatal(err)
	}
	<-waits // answered, or refused by the pooler as long as the server was down
	closeNow(t, client)
	w.until("calm", view.calm)
}

// twoPrimaries holds a standby that somebody promoted beside its primary: neither is counted. It is not mended.
func twoPrimaries(t *testing.T, l *lab) {
	w := l.watch(t)
	w.until("one primary", func(o view) bool { return o.Server.Node == "pg1" })
	l.Standbys[0].Exec(t, "select pg_promote()")
	o := w.until("two", func(o view) bool { return len(o.Server.Primaries) == 2 })
	if s := o.Server; s.Node != "" || s.Problem != "several nodes take writes: pg1, pg2" || s.Usable != 0 || s.Sessions != nil {
		t.Errorf("got %s", asJSON(s))
	}
}
