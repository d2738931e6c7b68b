package testbed

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// row is how the primary sees a standby, "" where it does not see it.
func row(c *PostgresCluster, n *PostgresNode) func() string {
	return func() string {
		v, err := c.Primary.Ask("select state from pg_stat_replication where application_name = '" + n.ApplicationName + "'")
		if err != nil {
			return err.Error()
		}
		return v
	}
}

// has is true when a node has an item with this note.
func has(n *PostgresNode, note string) func() bool {
	return func() bool {
		v, err := n.Ask("select count(*) from items where note = '" + note + "'")
		return err == nil && v == "1"
	}
}

// A cluster is what it says: standbys that have what Init made, stream through their own slot, refuse writes, and serve the roles.
func TestPostgresStreams(t *testing.T) {
	t.Parallel()
	c := StartPostgres(t, PostgresOptions{
		Config:        map[string]string{"max_connections": "40"},
		StandbyConfig: map[string]string{"max_connections": "45"},
		Init:          []string{"create role responder login", "grant pg_monitor to responder"},
		HBA:           []string{"host app app_ro 127.0.0.1/32 scram-sha-256"},
	})
	if len(c.Standbys) != 2 || len(c.Nodes()) != 3 {
		t.Fatalf("got %d standbys of %d nodes, want 2 of 3", len(c.Standbys), len(c.Nodes()))
	}
	for _, n := range c.Standbys {
		if got := n.Value(t, "select pg_is_in_recovery() and rolname = 'responder' from pg_roles where rolname = 'responder'"); got != "t" {
			t.Errorf("%s: got %q for being a standby with the role, want t", n.Name, got)
		}
		if got := n.Value(t, "show max_connections"); got != "45" {
			t.Errorf("%s: got max_connections %s, want the standbys' own", n.Name, got)
		}
		active := "select active from pg_replication_slots where slot_name = '" + n.Slot + "'"
		if got := c.Primary.Value(t, active); got != "t" || row(c, n)() != "streaming" {
			t.Errorf("%s: got slot active %q and state %q", n.Name, got, row(c, n)())
		}
		if _, err := n.Ask("delete from items"); err == nil || !strings.Contains(err.Error(), "25006") {
			t.Errorf("%s: a write got %v, want it refused as read-only", n.Name, err)
		}
	}
	if got := c.Primary.Value(t, "show max_connections"); got != "40" {
		t.Errorf("got max_connections %s at the primary, want 40", got)
	}

	app := c.Primary.Session(t, RoleApp, Database)
	if _, err := app.Exec(t.Context(), "update items set note = 'written' where id = 7"); err != nil {
		t.Errorf("the application writes: %v", err)
	}
	for _, n := range c.Standbys {
		Await(t, within, "the row at "+n.Name, has(n, "written"))
		reader := n.Session(t, RoleReader, Database)
		var count int
		if err := reader.QueryRow(t.Context(), "select count(*) from items").Scan(&count); err != nil || count != 100 {
			t.Errorf("%s: the reader sees %d rows and %v, want 100", n.Name, count, err)
		}
	}
	wrong := strings.Replace(c.Primary.URL(RoleReader, Database), Password(RoleReader), "wrong", 1)
	if _, err := pgx.Connect(t.Context(), wrong); err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("a wrong password got %v, want it refused where the rules ask for one", err)
	}
}

// A link that is cut takes its standby's row from the primary, and only that one; what was written meanwhile arrives when it is mended.
func TestPostgresLinkCut(t *testing.T) {
	t.Parallel()
	c := StartPostgres(t, PostgresOptions{})
	cut, other := c.Standbys[0], c.Standbys[1]
	cut.Proxy.Cut()
	Await(t, within, "the row to go", func() bool { return row(c, cut)() == "" })
	c.Primary.Exec(t, "update items set note = 'meanwhile' where id = 1")
	Await(t, within, "the other standby to go on", has(other, "meanwhile"))
	if got := cut.Value(t, "select count(*) from pg_stat_wal_receiver"); has(cut, "meanwhile")() {
		t.Errorf("with %s receivers and no link it has what was written", got)
	}
	if got := row(c, other)(); got != "streaming" {
		t.Errorf("the other standby is %q, want it streaming", got)
	}
	cut.Proxy.Heal()
	Await(t, within, "what was written meanwhile", has(cut, "meanwhile"))
}

// Exactly one process of a standby can be made to hang: the one that receives, or the one that replays.
func TestPostgresProcessHangs(t *testing.T) {
	t.Parallel()
	c := StartPostgres(t, PostgresOptions{Standbys: 1, Config: map[string]string{"wal_sender_timeout": "1s"}})
	n := c.Standbys[0]
	if err := n.SignalChild(os.Getpid(), syscall.SIGSTOP); err == nil {
		t.Fatal("it stopped a process that is not the node's")
	}
	if pid := c.Primary.WalReceiverPID() + c.Primary.StartupPID(); pid != 0 {
		t.Errorf("the primary has a process of a standby, %d", pid)
	}
	signal := func(pid int, s syscall.Signal) {
		t.Helper()
		if err := n.SignalChild(pid, s); pid == 0 || err != nil {
			t.Fatalf("%v process %d: %v", s, pid, err)
		}
	}

	receiver := n.WalReceiverPID()
	signal(receiver, syscall.SIGSTOP)
	Await(t, within, "the primary to give it up", func() bool { return row(c, n)() == "" })
	if got := n.Value(t, "select status from pg_stat_wal_receiver"); got != "streaming" {
		t.Errorf("a receiver that hangs says %q, want it to think that it streams", got)
	}
	signal(receiver, syscall.SIGCONT)
	Await(t, within, "it to stream again", c.streams)

	startup := n.StartupPID()
	signal(startup, syscall.SIGSTOP)
	c.Primary.Exec(t, "update items set note = 'received' where id = 1")
	Await(t, within, "it to be received but not replayed", func() bool {
		v, err := c.Primary.Ask("select flush_lsn = pg_current_wal_lsn() and replay_lsn < flush_lsn from pg_stat_replication")
		return err == nil && v == "t"
	})
	if has(n, "received")() {
		t.Error("what was not replayed is visible")
	}
	signal(startup, syscall.SIGCONT)
	Await(t, within, "it to be replayed", has(n, "received"))
	signal(n.StartupPID(), syscall.SIGSTOP) // and the test ends: see TestPostgresLeavesNothing
}

// Nodes survive a restart and a crash, and take new settings while they run.
func TestPostgresRestarts(t *testing.T) {
	t.Parallel()
	c := StartPostgres(t, PostgresOptions{Standbys: 1})
	n := c.Standbys[0]
	n.ReloadWith(map[string]string{"max_standby_streaming_delay": "3s", "log_line_prefix": `a'b\c `})
	if got := n.Value(t, "show max_standby_streaming_delay"); got != "3s" {
		t.Errorf("got %s after the reload, want 3s", got)
	}
	if got := n.Value(t, "show log_line_prefix"); got != `a'b\c ` {
		t.Errorf("got %q after the reload", got)
	}
	for _, node := range c.Nodes() {
		n.Session(t, RoleApp, Database) // which does not keep it from ending
		if err := node.Restart(); err != nil {
			t.Fatal(err)
		}
		Await(t, within, "the standby to stream after the restart of "+node.Name, c.streams)
		node.Kill9()
		if err := node.Restart(); err != nil {
			t.Fatal(err)
		}
		Await(t, within, "the standby to stream after the crash of "+node.Name, c.streams)
	}
}

// Whatever a test did to its nodes, nothing is left of them when it ends: no process, no folder, no shared memory.
func TestPostgresLeavesNothing(t *testing.T) {
	t.Parallel()
	var dir string
	var pids, segments []int
	t.Run("inner", func(t *testing.T) {
		c := StartPostgres(t, PostgresOptions{Standbys: 2})
		dir = c.dir
		for _, n := range c.Nodes() {
			pids = append(pids, n.PID())
			for _, child := range childrenOf(n.PID()) {
				pids = append(pids, child.pid)
			}
			_, segment, _ := n.postmasterFile()
			segments = append(segments, segment)
			if used, err := sharedMemoryExists(segment); !used || err != nil {
				t.Errorf("%s: segment %d is not used while it runs: %v", n.Name, segment, err)
			}
		}
		c.Primary.Kill9()
		if err := c.Standbys[0].SignalChild(c.Standbys[0].StartupPID(), syscall.SIGSTOP); err != nil {
			t.Error(err)
		}
		c.Standbys[1].Signal(syscall.SIGSTOP)
	})
	if len(pids) < 9 || len(segments) != 3 {
		t.Fatalf("found only processes %v and segments %v of three nodes", pids, segments)
	}
	for _, pid := range pids {
		if isAlive(pid) {
			t.Errorf("process %d is left", pid)
		}
	}
	for _, id := range segments {
		if used, err := sharedMemoryExists(id); used || err != nil {
			t.Errorf("segment %d is left, or not known: %v", id, err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is left, or not known: %v", err)
	}
}

// A setting that the server refuses fails the test with the server's own words, and leaves no folder.
func TestPostgresRefusedSettingIsShown(t *testing.T) {
	t.Parallel()
	var logged []string
	t.Run("inner", func(t *testing.T) {
		got := fails(t, func(tb TB) {
			StartPostgres(loggingTB{TB: tb, log: func(s string) { logged = append(logged, s) }},
				PostgresOptions{Standbys: -1, Config: map[string]string{"wal_level": "nonsense"}})
		})
		if want := "await pg1: it ended before it was ready"; !strings.Contains(got, want) {
			t.Errorf("failed with %q, want it to contain %q", got, want)
		}
	})
	if all := strings.Join(logged, "\n"); !strings.Contains(all, `invalid value for parameter "wal_level"`) {
		t.Errorf("the server's log was not shown, only:\n%s", all)
	}
}
