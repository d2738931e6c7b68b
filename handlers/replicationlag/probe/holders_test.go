package probe

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
)

// reading opens a session at a standby that has read the table in a transaction that stays open. Its statement has a literal.
func reading(t *testing.T, n *testbed.PostgresNode, role, isolation string) *pgx.Conn {
	t.Helper()
	conn := n.Session(t, role, testbed.Database)
	if _, err := conn.Exec(t.Context(), "begin isolation level "+isolation); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "select count(*), 'card 4242' from items", pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	return conn
}

// snapshotConflict holds readers whose snapshots need rows that the primary has removed: the oldest transaction first, and whose role is a
// superuser's.
func snapshotConflict(t *testing.T, l *lab) {
	n := l.Standbys[0]
	w := l.watch(t)
	w.until("it to be well", func(o view) bool { return o.well("pg2") })
	first := reading(t, n, testbed.RoleReader, "repeatable read")
	second := reading(t, n, testbed.RoleSuperuser, "repeatable read")
	idle := n.Session(t, testbed.RoleReader, testbed.Database) // has no snapshot
	l.Primary.Exec(t, "update items set version = version + 1")
	l.Primary.Exec(t, "vacuum items")
	o := w.until("the conflict", func(o view) bool { return o.waits("pg2") == "IPC/RecoveryConflictSnapshot" })
	s := o.at("pg2").Standby
	if len(s.Holders) != 2 || s.HoldersProblem != "" || s.Startup.LockWait != nil || s.Startup.LockOn != "" {
		t.Fatalf("got %s", asJSON(s))
	}
	h := s.Holders[0]
	if h.PID != int(first.PgConn().PID()) || h.User != testbed.RoleReader || h.Database != testbed.Database || h.BackendType != "client backend" ||
		h.State != "idle in transaction" || h.Holds != "snapshot" || h.Superuser || h.ClientAddr != "127.0.0.1" ||
		h.BackendStart.IsZero() || h.XactStart.Before(h.BackendStart) || h.XactAge <= 0 || h.StateAge <= 0 || h.StateAge > h.XactAge {
		t.Errorf("got the first as %s", asJSON(h))
	}
	if h.Query != "select count(*), ? from items" {
		t.Errorf("got query %q", h.Query)
	}
	if h := s.Holders[1]; h.PID != int(second.PgConn().PID()) || !h.Superuser || h.XactStart.Before(s.Holders[0].XactStart) {
		t.Errorf("got the second as %s", asJSON(h))
	}
	closeNow(t, first, second, idle)
	w.until("it to be well again", func(o view) bool { return o.well("pg2") })
}

// bufferPin holds a reader whose cursor stands on a page that replay has to clean up. Its snapshot is younger than what is cleaned up, so
// it is no conflict of snapshots; that it cannot be told who has the pin is said.
func bufferPin(t *testing.T, l *lab) {
	n := l.Standbys[0]
	l.Primary.Exec(t, "update items set version = version + 1 where id = 1")
	w := l.watch(t)
	w.until("it to be well", func(o view) bool { return o.well("pg2") })
	reader := n.Session(t, testbed.RoleReader, testbed.Database)
	const cursor = "begin; declare c cursor for select note from items; fetch 1 from c"
	if _, err := reader.Exec(t.Context(), cursor, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	l.Primary.Exec(t, "vacuum items")
	o := w.until("the pin", func(o view) bool { return o.waits("pg2") == "BufferPin/BufferPin" })
	if s := o.at("pg2").Standby; len(s.Holders) != 1 || s.Holders[0].PID != int(reader.PgConn().PID()) ||
		!strings.Contains(s.HoldersProblem, "does not say which session") {
		t.Errorf("got %s", asJSON(s))
	}
	closeNow(t, reader)
	w.until("it to be well again", func(o view) bool { return o.well("pg2") })
}

// lockConflict holds a reader whose lock stands in the way of a change of the table, and nobody else.
func lockConflict(t *testing.T, l *lab) {
	n := l.Standbys[0]
	w := l.watch(t)
	w.until("it to be well", func(o view) bool { return o.well("pg2") })
	first := reading(t, n, testbed.RoleReader, "read committed")
	bystander := n.Session(t, testbed.RoleReader, testbed.Database)
	if _, err := bystander.Exec(t.Context(), "begin; select count(*) from pg_class"); err != nil {
		t.Fatal(err)
	}
	l.Primary.Exec(t, "alter table items add column extra int; alter table items drop column extra")
	o := w.until("the conflict", func(o view) bool {
		s := o.at("pg2").Standby
		return o.waits("pg2") == "Lock/relation" && s.Startup.LockWait != nil && *s.Startup.LockWait > 0
	})
	s := o.at("pg2").Standby
	if s.Startup.LockOn != "items" || len(s.Holders) != 1 || s.HoldersProblem != "" {
		t.Fatalf("got %s", asJSON(s))
	}
	if h := s.Holders[0]; h.PID != int(first.PgConn().PID()) || h.Holds != "lock" || h.User != testbed.RoleReader || h.State != "idle in transaction" ||
		h.Superuser || h.XactStart.IsZero() || strings.Contains(h.Query, "4242") {
		t.Errorf("got %s", asJSON(h))
	}
	elsewhere := l.watch(t, func(c *policy.PostgresCluster) { c.Connect.Database = "postgres" })
	o = elsewhere.until("the conflict from another database", func(o view) bool { return o.waits("pg2") == "Lock/relation" })
	want := n.Value(t, "select 'items'::regclass::oid")
	if s := o.at("pg2").Standby; s.Startup.LockOn != want || len(s.Holders) != 1 {
		t.Errorf("got %s, want the lock on %s", asJSON(s), want)
	}
	closeNow(t, first, bystander)
	w.until("it to be well again", func(o view) bool { return o.well("pg2") })
}

// closeNow ends sessions before the test does.
func closeNow(t *testing.T, all ...*pgx.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, c := range all {
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	}
}
