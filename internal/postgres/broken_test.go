package postgres_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/postgres"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// A server that does not answer holds nobody longer than his context, and its session is not used again.
func TestHungServerEndsWithTheContext(t *testing.T) {
	t.Parallel()
	server := start(t, testbed.PostgresOptions{})
	f := open(t, nodeAt(server.Port))
	var hung uint32
	ctx, cancel := context.WithCancel(within(t, patience))
	err := f.Look(ctx, pg, func(ctx context.Context, conn *pgx.Conn) error {
		if err := pidOf(&hung)(ctx, conn); err != nil {
			return err
		}
		if err := server.SignalChild(int(hung), syscall.SIGSTOP); err != nil {
			return err
		}
		time.AfterFunc(100*time.Millisecond, cancel)
		_, err := conn.Exec(ctx, "SELECT 1")
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	if pid := look(t, f); pid == hung {
		t.Error("the hung session was used again")
	}

	// One that hangs while nobody uses it is found before anything is sent to it.
	idle := act(t, f)
	if err := server.SignalChild(int(idle), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	called := false
	err = f.Act(within(t, 200*time.Millisecond), pg, "x", func(context.Context, *pgx.Conn) error { called = true; return nil })
	if !errors.Is(err, context.DeadlineExceeded) || called {
		t.Errorf("got %v, and fn was called: %t", err, called)
	}
	if pid := act(t, f); pid == idle {
		t.Error("the hung session was used again")
	}
}

// A whole server that hangs lets nobody in, and nobody waits for it longer than he said.
func TestHungServerDoesNotHoldWhoDials(t *testing.T) {
	t.Parallel()
	server := start(t, testbed.PostgresOptions{})
	brief, slow := nodeAt(server.Port), nodeAt(server.Port)
	brief.Name, brief.Timeout = "orders/brief", 200*time.Millisecond
	f := open(t, brief, slow)
	server.Signal(syscall.SIGSTOP)
	var pid uint32
	err := f.Look(within(t, patience), brief.Name, pidOf(&pid))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "not connected within 200ms") {
		t.Errorf("a look with a timeout got %v", err)
	}
	if err := f.Look(within(t, 200*time.Millisecond), pg, pidOf(&pid)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a look with a context got %v", err)
	}
	server.Signal(syscall.SIGCONT)
	look(t, f)
}

// After a server was restarted both sessions work at once, and each fn ran once: the sessions were replaced before anything was sent.
func TestRestartIsNotNoticed(t *testing.T) {
	t.Parallel()
	server := start(t, testbed.PostgresOptions{})
	f := open(t, nodeAt(server.Port))
	looked, acted := look(t, f), act(t, f)
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	if look(t, f) == looked || act(t, f) == acted {
		t.Error("a session outlived its server")
	}
	calls := 0
	server.Exec(t, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE 'firebreak/%'")
	err := f.Act(within(t, patience), pg, "insert", func(ctx context.Context, conn *pgx.Conn) error {
		calls++
		_, err := conn.Exec(ctx, "INSERT INTO public.items (id) VALUES (1002)")
		return err
	})
	if err != nil || calls != 1 {
		t.Errorf("an act on a session that had ended: %v, %d calls", err, calls)
	}
}

// An act whose answer is lost was done, is reported as an error, and is never sent again, nor is one whose session ends under it.
func TestActIsNeverSentTwice(t *testing.T) {
	t.Parallel()
	server := start(t, testbed.PostgresOptions{Init: []string{"CREATE SEQUENCE sent; GRANT USAGE ON sent TO " + testbed.RoleApp}})
	link := testbed.Proxy(t, testbed.ProxyConfig{Target: server.Addr})
	_, port, _ := strings.Cut(link.Addr, ":")
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, nodeAt(number))
	act(t, f)
	// A sequence counts also what was rolled back.
	sent := func() string {
		return server.Value(t, "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM sent")
	}

	ctx, cancel := context.WithCancel(within(t, patience))
	calls := 0
	err = f.Act(ctx, pg, "lost", func(ctx context.Context, conn *pgx.Conn) error {
		calls++
		link.Hold(testbed.FromTarget)
		ended := make(chan error, 1)
		go func() {
			_, err := conn.Exec(ctx, "SELECT nextval('public.sent')", pgx.QueryExecModeSimpleProtocol)
			ended <- err
		}()
		testbed.Await(t, patience, "the act to arrive", func() bool { return sent() == "1" })
		cancel()
		return <-ended
	})
	link.Heal()
	if !errors.Is(err, context.Canceled) || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
	act(t, f)

	calls = 0
	err = f.Act(within(t, patience), pg, "ended", func(ctx context.Context, conn *pgx.Conn) error {
		calls++
		_, err := conn.Exec(ctx, "SELECT nextval('public.sent'), pg_terminate_backend(pg_backend_pid()), pg_sleep(4)")
		return err
	})
	if err == nil || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
	act(t, f)
	if n := sent(); n != "2" {
		t.Errorf("two acts were sent %s times", n)
	}
}

// A password that the server refuses is not told, nor is the one that was right.
func TestErrorsTellNoPassword(t *testing.T) {
	t.Parallel()
	server := start(t, testbed.PostgresOptions{HBA: []string{"host all " + testbed.RoleApp + "," + testbed.RoleReader + " 127.0.0.1/32 scram-sha-256"}})
	right, wrong := nodeAt(server.Port), nodeAt(server.Port)
	wrong.Name, wrong.Act.Password = "orders/wrong", `it's "secret" \ and:long@`
	f := open(t, right, wrong)
	look(t, f)
	act(t, f)
	var pid uint32
	err := f.Act(within(t, patience), wrong.Name, "x", pidOf(&pid))
	if err == nil || !strings.Contains(err.Error(), "28P01") || !strings.Contains(err.Error(), testbed.RoleApp) {
		t.Errorf("got %v, want the server's refusal of the login", err)
	}
	if err != nil && strings.Contains(err.Error(), "secret") {
		t.Errorf("the error tells the password: %v", err)
	}
	nobody := nodeAt(testbed.Port(t))
	nobody.Host = "nowhere.invalid"
	for name, n := range map[string]postgres.Node{"an unknown host": nobody, "a port where nobody listens": nodeAt(testbed.Port(t))} {
		if err := open(t, n).Look(within(t, patience), pg, pidOf(&pid)); err == nil || strings.Contains(err.Error(), "-password") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
