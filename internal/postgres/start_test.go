package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/internal/postgres"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// pg is the name of the node in tests that have one.
const pg = "orders/pg1"

// patience is more than anything here takes on a busy machine.
const patience = 30 * time.Second

// start starts one server without standbys.
func start(t *testing.T, o testbed.PostgresOptions) *testbed.PostgresNode {
	t.Helper()
	o.Standbys = -1
	return testbed.StartPostgres(t, o).Primary
}

// nodeAt is the test bed's server at a port: the reader looks, the application acts.
func nodeAt(port int) postgres.Node {
	return postgres.Node{
		Name: pg, Host: "127.0.0.1", Port: port, Database: testbed.Database, SSLMode: "disable",
		Probe:   postgres.Login{User: testbed.RoleReader, Password: testbed.Password(testbed.RoleReader)},
		Act:     postgres.Login{User: testbed.RoleApp, Password: testbed.Password(testbed.RoleApp)},
		Timeout: patience,
	}
}

// open opens a fleet that is closed when the test ends.
func open(t *testing.T, nodes ...postgres.Node) *postgres.Fleet {
	t.Helper()
	f, err := postgres.Open(nodes, zerolog.New(zerolog.NewTestWriter(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// run runs a fleet until the test ends, or the returned function is called, which waits.
func run(t *testing.T, f *postgres.Fleet) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	stopped := false
	stop = func() {
		t.Helper()
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run ended with %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// within is a context with enough time.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// pidOf is a fn for a use of a session that only says which it was.
func pidOf(pid *uint32) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(pid)
	}
}

// look fails the test if a look does not work, and says which session did it.
func look(t *testing.T, f *postgres.Fleet) (pid uint32) {
	t.Helper()
	if err := f.Look(within(t, patience), pg, pidOf(&pid)); err != nil {
		t.Fatal(err)
	}
	return pid
}

// act fails the test if an act does not work, and says which session did it.
func act(t *testing.T, f *postgres.Fleet) (pid uint32) {
	t.Helper()
	if err := f.Act(within(t, patience), pg, "test", pidOf(&pid)); err != nil {
		t.Fatal(err)
	}
	return pid
}
