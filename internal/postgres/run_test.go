package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/internal/postgres"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

const bothIdle = "firebreak/idle firebreak/probe"

// fill opens sessions of an application until the server has no slot left for it.
func fill(t *testing.T, server *testbed.PostgresNode) {
	t.Helper()
	for {
		conn, err := pgx.Connect(within(t, patience), server.URL(testbed.RoleApp, testbed.Database))
		var said *pgconn.PgError
		if errors.As(err, &said) && said.Code == "53300" {
			return
		}
		if err != nil {
			t.Fatalf("fill the server: %v", err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
	}
}

// When all slots of a server are taken, what was kept open still gets in and can make room; what was not is told why it cannot, and what
// would help.
func TestAFullServer(t *testing.T) {
	t.Parallel()
	server := start(t, testbed.PostgresOptions{Config: map[string]string{"max_connections": "12"}})
	warm, cold := open(t, nodeAt(server.Port)), open(t, nodeAt(server.Port))
	run(t, warm)
	testbed.Await(t, patience, "both sessions to be kept open", func() bool { return sessions(t, server) == bothIdle })
	fill(t, server)

	var pid uint32
	coldAct := func() error { return cold.Act(within(t, patience), pg, "x", pidOf(&pid)) }
	for name, err := range map[string]error{"act": coldAct(), "look": cold.Look(within(t, patience), pg, pidOf(&pid))} {
		var said *pgconn.PgError
		if !errors.Is(err, postgres.ErrServerFull) || !errors.As(err, &said) || said.Code != "53300" {
			t.Errorf("a cold %s got %v, want ErrServerFull", name, err)
			continue
		}
		for _, words := range []string{"SQLSTATE 53300", "reserved_connections", "pg_use_reserved_connections", pg} {
			if !strings.Contains(err.Error(), words) {
				t.Errorf("the error of a cold %s has no %q: %v", name, words, err)
			}
		}
	}
	look(t, warm)
	err := warm.Act(within(t, patience), pg, "make-room", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `SELECT pg_terminate_backend(pid, 4000) FROM pg_stat_activity
			WHERE usename = current_user AND application_name NOT LIKE 'firebreak/%' LIMIT 1`)
		return err
	})
	if err != nil {
		t.Fatalf("a warm act: %v", err)
	}
	testbed.Await(t, patience, "the room that was made", func() bool { return coldAct() == nil })
}

// Sessions are kept open through whatever ends them, also while nobody uses them; losing a server is said once, and its return once. They
// end with Run, and what comes after that dials again.
func TestRunKeepsSessionsOpen(t *testing.T) {
	t.Parallel()
	server := start(t, testbed.PostgresOptions{})
	var log lockedBuffer
	f, err := postgres.Open([]postgres.Node{nodeAt(server.Port)}, zerolog.New(&log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	server.Stop()
	stop := run(t, f)
	lost, found := `"login":"app","error":`, `"login":"app","message":"PostgreSQL is reached again"`
	testbed.Await(t, patience, "a word about the server that is away", func() bool { return log.count(lost) == 1 })
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	testbed.Await(t, patience, "both sessions to be kept open", func() bool { return sessions(t, server) == bothIdle })
	testbed.Await(t, patience, "a word about its return", func() bool { return log.count(found) == 1 })

	// A use that breaks its session has another one opened for the next.
	err = f.Act(within(t, patience), pg, "end-itself", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(4)")
		return err
	})
	if err == nil {
		t.Error("a session that was ended in the middle of an act did not say so")
	}
	// The next probe of what is open would be 15 s later.
	testbed.Await(t, 10*time.Second, "a new session", func() bool { return sessions(t, server) == bothIdle })
	if log.count(lost) != 1 || log.count(found) != 1 || strings.Contains(log.String(), "-password") {
		t.Errorf("the log says more than it should:\n%s", log.String())
	}

	stop()
	testbed.Await(t, patience, "the sessions to end", func() bool { return sessions(t, server) == "" })
	act(t, f)
}

// However often a server that is away is dialled, it is said once.
func TestALostServerIsSaidOnce(t *testing.T) {
	t.Parallel()
	gate, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var dialled atomic.Int32
	shut := make(chan struct{})
	go func() {
		defer close(shut)
		for {
			conn, err := gate.Accept()
			if err != nil {
				return
			}
			dialled.Add(1)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = gate.Close(); <-shut })
	var log lockedBuffer
	n := nodeAt(gate.Addr().(*net.TCPAddr).Port)
	n.Act = postgres.Login{}
	f, err := postgres.Open([]postgres.Node{n}, zerolog.New(&log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	stop := run(t, f)
	testbed.Await(t, patience, "several tries", func() bool { return dialled.Load() >= 5 })
	stop()
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"node":"orders/pg1","login":"app_ro","error":`) {
		t.Errorf("the log says:\n%s", got)
	}
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *lockedBuffer) count(words string) int { return strings.Count(b.String(), words) }
