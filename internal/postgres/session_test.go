package postgres_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/postgres"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// settingsOf is what a session runs with.
func settingsOf(got map[string]string) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY ($1)`, []string{
			"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "synchronous_commit",
			"default_transaction_read_only", "search_path", "application_name"})
		if err != nil {
			return err
		}
		var name, value string
		_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error { got[name] = value; return nil })
		return err
	}
}

// Every session is bounded, cannot wait for a standby, and says whose it is; one that looks cannot write.
func TestSessionsHaveTheirSettings(t *testing.T) {
	t.Parallel()
	server := start(t, testbed.PostgresOptions{})
	f := open(t, nodeAt(server.Port))
	want := map[string]string{"statement_timeout": "5s", "lock_timeout": "1s", "idle_in_transaction_session_timeout": "10s",
		"synchronous_commit": "local", "default_transaction_read_only": "on", "search_path": "pg_catalog", "application_name": "firebreak/probe"}
	got := map[string]string{}
	if err := f.Look(within(t, patience), pg, settingsOf(got)); err != nil || !maps.Equal(got, want) {
		t.Errorf("a look has %v (%v), want %v", got, err, want)
	}
	want["default_transaction_read_only"], want["application_name"] = "off", "firebreak/end-session.01"
	for range 2 {
		got = map[string]string{}
		if err := f.Act(within(t, patience), pg, "end-session.01", settingsOf(got)); err != nil || !maps.Equal(got, want) {
			t.Errorf("an act has %v (%v), want %v", got, err, want)
		}
		name := server.Value(t, "SELECT application_name FROM pg_stat_activity WHERE usename = '"+testbed.RoleApp+"'")
		if name != "firebreak/idle" {
			t.Errorf("after an act the session is called %q", name)
		}
	}

	err := f.Look(within(t, patience), pg, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CREATE TEMPORARY TABLE t ()")
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "25006") {
		t.Errorf("a look wrote: %v", err)
	}
	// What one use sets is not there for the next one.
	sloppy := func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SET statement_timeout = 0")
		return err
	}
	if err := f.Act(within(t, patience), pg, "sloppy", sloppy); err != nil {
		t.Fatal(err)
	}
	want["application_name"] = "firebreak/next"
	if err := f.Act(within(t, patience), pg, "next", settingsOf(got)); err != nil || !maps.Equal(got, want) {
		t.Errorf("the next act has %v (%v), want %v", got, err, want)
	}
}

// What a use leaves open is an error, is rolled back, and is not there for the next one.
func TestNothingIsLeftOpen(t *testing.T) {
	t.Parallel()
	server := start(t, testbed.PostgresOptions{})
	f := open(t, nodeAt(server.Port))
	before := act(t, f)
	err := f.Act(within(t, patience), pg, "begin", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "BEGIN; INSERT INTO public.items (id) VALUES (1001)")
		return err
	})
	if !errors.Is(err, postgres.ErrLeftOpen) {
		t.Errorf("got %v, want ErrLeftOpen", err)
	}
	if after := act(t, f); after == before {
		t.Error("the session that was left in a transaction is used again")
	}
	if n := server.Value(t, "SELECT count(*) FROM items WHERE id = 1001"); n != "0" {
		t.Error("what was left open was committed")
	}
	err = f.Look(within(t, patience), pg, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Query(ctx, "SELECT generate_series(1, 10)")
		return err
	})
	if !errors.Is(err, postgres.ErrLeftOpen) {
		t.Errorf("got %v, want ErrLeftOpen", err)
	}
	look(t, f)
	// A panic goes to the caller, and the session is free again.
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = f.Look(within(t, patience), pg, func(context.Context, *pgx.Conn) error { panic("as a mistake would") })
	}()
	look(t, f)
}

// A session has one user at a time, and who waits for it stops waiting with his context.
func TestOneUserAtATime(t *testing.T) {
	t.Parallel()
	server := start(t, testbed.PostgresOptions{})
	f := open(t, nodeAt(server.Port))
	inside, leave, left := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		left <- f.Look(context.Background(), pg, func(context.Context, *pgx.Conn) error {
			close(inside)
			<-leave
			return nil
		})
	}()
	<-inside
	impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	called := false
	err := f.Look(impatient, pg, func(context.Context, *pgx.Conn) error { called = true; return nil })
	if !errors.Is(err, context.DeadlineExceeded) || called {
		t.Errorf("the second look ended with %v, and its fn was called: %t", err, called)
	}
	act(t, f) // the other session is free
	close(leave)
	if err := <-left; err != nil {
		t.Error(err)
	}
	look(t, f)
}

// Closing ends what is idle, and what is in use when its user is done.
func TestCloseEndsAllSessions(t *testing.T) {
	t.Parallel()
	server := start(t, testbed.PostgresOptions{})
	f := open(t, nodeAt(server.Port))
	act(t, f)
	closed := make(chan struct{})
	err := f.Look(within(t, patience), pg, func(ctx context.Context, conn *pgx.Conn) error {
		go func() { defer close(closed); f.Close() }()
		testbed.Await(t, patience, "the idle session to end", func() bool { return sessions(t, server) == "firebreak/probe" })
		var one int
		return conn.QueryRow(ctx, "SELECT 1").Scan(&one)
	})
	if err != nil {
		t.Errorf("the look that was under way ended with %v", err)
	}
	<-closed
	testbed.Await(t, patience, "all sessions to end", func() bool { return sessions(t, server) == "" })
}

// Close does not wait for ever for a user who takes too long, and his session ends with him.
func TestCloseLeavesTheLastUserToEndHisSession(t *testing.T) {
	t.Parallel()
	server := start(t, testbed.PostgresOptions{})
	f := open(t, nodeAt(server.Port))
	err := f.Look(within(t, patience), pg, func(ctx context.Context, conn *pgx.Conn) error {
		f.Close() // which waits for us, in vain
		var one int
		return conn.QueryRow(ctx, "SELECT 1").Scan(&one)
	})
	if err != nil {
		t.Errorf("the look that was under way ended with %v", err)
	}
	testbed.Await(t, patience, "the session to end", func() bool { return sessions(t, server) == "" })
}

// sessions are the names of our sessions at a server.
func sessions(t *testing.T, server *testbed.PostgresNode) string {
	t.Helper()
	return server.Value(t, `SELECT coalesce(string_agg(application_name, ' ' ORDER BY application_name), '') FROM pg_stat_activity
		WHERE application_name LIKE 'firebreak/%'`)
}
