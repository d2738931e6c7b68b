package testbed

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// askWithin is how long a statement of the test bed's own may take.
const askWithin = 30 * time.Second

// PostgresNode is one server of a cluster. Stop ends its sessions and stops it in order. Its methods are for one goroutine at a time,
// but for those that only ask.
type PostgresNode struct {
	*Process
	// Name is pg1, pg2, …
	Name string
	// Addr is where it answers, on the port Port.
	Addr string
	Port int
	// Proxy is the link through which a standby reaches its primary; the primary has none.
	Proxy *Link
	// Slot is the standby's replication slot on its primary, ApplicationName what it calls itself there.
	Slot            string
	ApplicationName string

	t        TB
	cluster  *PostgresCluster
	dir      string // its data
	settings map[string]string
}

// URL is how a role reaches a database of this node. An empty database is the one that is named as the role.
func (n *PostgresNode) URL(role, database string) string { return PostgresURL(n.Addr, role, database) }

// PostgresURL is how a role of a cluster reaches a database at an address, be it a node, a link to one or a pool before it.
func PostgresURL(addr, role, database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(role, Password(role)), Host: addr, Path: "/" + database,
		RawQuery: "sslmode=disable"}
	return u.String()
}

// Ask runs statements in the database "app" as superuser, in a session of their own, and gives the first value of the last one's
// result: "" where that is null, or there is none.
func (n *PostgresNode) Ask(sql string) (string, error) { return n.ask(Database, sql) }

// Value is Ask, and fails the test where that fails.
func (n *PostgresNode) Value(t TB, sql string) string {
	t.Helper()
	v, err := n.Ask(sql)
	if err != nil {
		t.Fatalf("testbed: %v", err)
	}
	return v
}

// Exec runs statements in the database "app" as superuser, in a session of their own.
func (n *PostgresNode) Exec(t TB, sql string) {
	t.Helper()
	n.Value(t, sql)
}

// Session opens a session that lasts until the test ends or somebody ends it.
func (n *PostgresNode) Session(t TB, role, database string) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	conn, err := pgx.Connect(ctx, n.URL(role, database))
	if err != nil {
		t.Fatalf("testbed: open a session at %s: %v", n.Name, err)
		return nil
	}
	t.Cleanup(func() { closeSession(conn) })
	return conn
}

func (n *PostgresNode) ask(database, sql string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	conn, err := pgx.Connect(ctx, n.URL(RoleSuperuser, database))
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", n.Name, err)
	}
	defer closeSession(conn)
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return "", fmt.Errorf("ask %s: %s: %w", n.Name, sql, err)
	}
	if len(results) == 0 {
		return "", nil
	}
	rows := results[len(results)-1].Rows
	if len(rows) == 0 || len(rows[0]) == 0 {
		return "", nil
	}
	return string(rows[0][0]), nil
}

// closeSession ends a session. It may have ended already, which is all that the error could say.
func closeSession(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// Restart stops it in order and starts it again with its settings. It returns when it accepts sessions; call Kill9 before it to restart
// after a crash instead.
func (n *PostgresNode) Restart() error {
	n.Stop()
	if err := n.Start(); err != nil {
		return err
	}
	return n.awaitReady(readyWithin, n.accepts)
}

// Kill9 ends it as a crash of its machine would: every process of it at once, with no chance to write anything.
func (n *PostgresNode) Kill9() {
	// While the first process stands still it starts no other one.
	n.Signal(syscall.SIGSTOP)
	children := childrenOf(n.PID())
	for _, c := range children {
		// It may have ended by itself.
		_ = signalChild(n.PID(), c.pid, syscall.SIGKILL)
	}
	n.Process.Kill9()
	// Until the last one has gone its memory is in use, and a new start refuses that.
	Await(n.t, askWithin, "the processes of "+n.Name+" to end", func() bool {
		return !slices.ContainsFunc(children, func(c child) bool { return isAlive(c.pid) })
	})
}

// Stop ends its sessions and stops it in order. Processes of it that hang go on, since it would wait for them.
func (n *PostgresNode) Stop() {
	n.resume()
	n.Process.Stop()
}

// ReloadWith changes settings while it runs, and returns when new sessions have them; other processes of it take them a moment later.
// Settings that need a restart wait for [PostgresNode.Restart]. A setting that it refuses fails the test.
func (n *PostgresNode) ReloadWith(settings map[string]string) {
	n.t.Helper()
	const loaded = "select extract(epoch from pg_conf_load_time())"
	before := n.Value(n.t, loaded)
	maps.Copy(n.settings, settings)
	if err := n.writeSettings(); err != nil {
		n.t.Fatalf("testbed: %v", err)
	}
	n.Signal(syscall.SIGHUP)
	Await(n.t, askWithin, n.Name+" to read its configuration", func() bool {
		now, err := n.Ask(loaded)
		return err == nil && now != before
	})
	refused := n.Value(n.t, `select string_agg(coalesce(name, '') || ': ' || error, '; ') from pg_file_settings
		where error is not null and error <> 'setting could not be applied'`)
	if refused != "" {
		n.t.Fatalf("testbed: %s refuses settings: %s", n.Name, refused)
	}
}

// WalReceiverPID is the process that receives what the primary writes, 0 where none runs, as on a primary or without a link. Only Linux
// knows.
func (n *PostgresNode) WalReceiverPID() int { return n.pidOf("walreceiver") }

// StartupPID is the process that replays what was received, 0 on a primary. Only Linux knows.
func (n *PostgresNode) StartupPID() int { return n.pidOf("startup") }

// SignalChild sends a signal to a process of this node, e.g. SIGSTOP and SIGCONT to make it hang and go on. It refuses a process that is
// not one of this node's. What hangs goes on when the test ends.
func (n *PostgresNode) SignalChild(pid int, s syscall.Signal) error {
	return signalChild(n.PID(), pid, s)
}

// pidOf finds a process of this node by what PostgreSQL calls it: "postgres: pg2: walreceiver streaming 0/3000148".
func (n *PostgresNode) pidOf(role string) int {
	for _, c := range childrenOf(n.PID()) {
		what, ok := strings.CutPrefix(c.title, "postgres: "+n.Name+": ")
		if word, _, _ := strings.Cut(what, " "); ok && word == role {
			return c.pid
		}
	}
	return 0
}

// resume lets the processes of it that hang go on.
func (n *PostgresNode) resume() {
	for _, c := range childrenOf(n.PID()) {
		if c.state == 'T' {
			// It may have ended meanwhile.
			_ = signalChild(n.PID(), c.pid, syscall.SIGCONT)
		}
	}
}

// quit makes it drop everything and end, which takes a moment; who stops the process waits for that.
func (n *PostgresNode) quit() {
	n.Signal(syscall.SIGQUIT)
	n.Signal(syscall.SIGCONT)
	n.resume()
}

// removeSegment removes the shared memory of a node that was killed. One that ended by itself has removed it, and the file that names it.
func (n *PostgresNode) removeSegment() {
	_, id, _ := n.postmasterFile()
	if id < 0 {
		return
	}
	if err := removeSharedMemory(id); err != nil {
		n.t.Logf("testbed: clean up after %s: %v", n.Name, err)
	}
}

func (n *PostgresNode) program(name string) string { return filepath.Join(n.cluster.binaries, name) }

// makeDir makes a folder that PostgreSQL's user owns.
func makeDir(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	return give(path, postgresUser)
}
