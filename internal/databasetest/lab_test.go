// Package databasetest holds the whole product against real databases. It builds the real binary, runs it as a process of its own beside a
// PostgreSQL primary with two standbys and HAProxy before them, produces each cause of lag for real, tells the binary by its webhook as
// Alertmanager would, and holds what it did against what the servers themselves say.
//
// It stands outside: it speaks HTTP, SQL and HAProxy's runtime API, and imports nothing of the product.
package databasetest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// within is how long a thing may take that usually takes a moment, on a machine that has much else to do.
const within = 60 * time.Second

// The logins of Firebreak, as deploy/postgres/roles.sql makes them, and those of the sessions that the runs open.
const (
	probeUser, probePassword = "firebreak_probe", "probe-password-of-the-test"
	actUser, actPassword     = "firebreak_act", "act-password-of-the-test"
	listed                   = "report"           // whose sessions the policy lets Firebreak end
	unlisted                 = testbed.RoleReader // whose sessions it does not
)

// lane is one place where runs follow each other: a cluster and its read pool, which outlive many runs. It is the testbed's test: what is
// started for the lane ends with the lane, and what fails does so in the run that is under way.
type lane struct {
	root *testing.T

	mu       sync.Mutex // guards the fields below
	current  *testing.T
	failed   bool
	cleanups []func()
}

var _ testbed.TB = (*lane)(nil)

func (l *lane) now() *testing.T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current
}

// enter makes a run's test the one that fails, and returns what ends that.
func (l *lane) enter(t *testing.T) func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current = t
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failed = l.failed || t.Failed()
		l.current = l.root
	}
}

func (l *lane) Helper() {}

func (l *lane) Cleanup(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cleanups = append(l.cleanups, f)
}

func (l *lane) Failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed || l.current.Failed()
}

func (l *lane) Fatalf(format string, args ...any) {
	t := l.now()
	t.Helper()
	t.Fatalf(format, args...)
}

func (l *lane) Logf(format string, args ...any) { l.now().Logf(format, args...) }

func (l *lane) TempDir() string { return l.root.TempDir() }

// end stops everything that was started for the lane, the last first.
func (l *lane) end() {
	for {
		l.mu.Lock()
		n := len(l.cleanups)
		if n == 0 {
			l.mu.Unlock()
			return
		}
		f := l.cleanups[n-1]
		l.cleanups = l.cleanups[:n-1]
		l.mu.Unlock()
		f()
	}
}

// lab is a cluster with its read pool. The primary is reached by Firebreak through a link of its own, so that it can hang.
type lab struct {
	*lane
	*testbed.PostgresCluster
	pool *testbed.HAProxy
	door *testbed.Link
}

// servers are the settings of all nodes: nothing is written but by the runs, and a line that hangs is not given up by the servers before
// Firebreak has seen it.
func servers() map[string]string {
	return map[string]string{
		"autovacuum": "off", "checkpoint_timeout": "1h", "log_timezone": "UTC", "max_wal_size": "2GB", "max_slot_wal_keep_size": "20GB",
		"wal_sender_timeout": "60s", "wal_receiver_timeout": "60s", "max_connections": "100",
	}
}

// startLab starts all of it. The settings are the standbys' own.
func startLab(l *lane, standbys map[string]string) *lab {
	c := testbed.StartPostgres(l, testbed.PostgresOptions{
		Config: servers(), StandbyConfig: standbys,
		HBA: []string{"host all " + probeUser + "," + actUser + " 127.0.0.1/32 scram-sha-256"},
		Init: []string{
			"create role " + listed + " login; grant select on items to " + listed,
			"create table facts (id int primary key, version int not null default 0); insert into facts (id) select generate_series(1, 50); " +
				"grant select on facts to " + listed + ", " + unlisted,
			"create table counters (id int primary key, n bigint not null default 0); insert into counters (id) select generate_series(1, 3000); " +
				"grant select, update on counters to " + testbed.RoleApp,
		},
	})
	readers := map[string]string{}
	for _, n := range c.Standbys {
		readers[n.Name] = n.Addr
	}
	b := &lab{lane: l, PostgresCluster: c, pool: testbed.StartHAProxy(l, testbed.HAProxyOptions{Servers: readers, Check: true}),
		door: testbed.Proxy(l, testbed.ProxyConfig{Target: c.Primary.Addr})}
	b.grant()
	b.await("the standbys to have all of it", b.level)
	return b
}

// grant makes the roles as an operator does: with psql, from the file that is shipped.
func (b *lab) grant() {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	file := filepath.Join("..", "..", "deploy", "postgres", "roles.sql")
	cmd := exec.CommandContext(ctx, "psql", "-X", "-q", "-d", b.Primary.URL(testbed.RoleSuperuser, testbed.Database),
		"-v", "probe_password="+probePassword, "-v", "act_password="+actPassword, "-f", file)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("make the roles by %s: %v\n%s", file, err, out)
	}
}

// build builds Firebreak as it is, but for the crash points.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "firebreak")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "failpoint", "-o", bin, "./cmd/firebreak")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build firebreak with its crash points: %v\n%s", err, out)
	}
	return bin
}

// long says that every run is made often.
func long() bool { return os.Getenv("FIREBREAK_LONG") == "1" }

// await waits for something of the servers, and fails the run if it does not come.
func (b *lab) await(what string, cond func() bool) {
	testbed.Await(b, within, what, cond)
}

// level says that every standby has replayed all that was written.
func (b *lab) level() bool {
	for _, n := range b.Standbys {
		if !b.caughtUp(n) {
			return false
		}
	}
	return true
}

// caughtUp says that a standby streams and has replayed all but a little of what was written, by the primary's view.
func (b *lab) caughtUp(n *testbed.PostgresNode) bool {
	v, err := b.Primary.Ask(`select state = 'streaming' and pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) < 65536
		from pg_stat_replication where application_name = '` + n.ApplicationName + `'`)
	return err == nil && v == "t"
}

// heal brings the lab back to where runs begin.
func (b *lab) heal() {
	b.door.Heal()
	for _, n := range b.Standbys {
		n.Proxy.Heal()
		if v := n.Value(b, "select pg_get_wal_replay_pause_state()"); v != "not paused" {
			n.Exec(b, "select pg_wal_replay_resume()")
		}
		if got, err := b.pool.Command("set server " + b.pool.Backend + "/" + n.Name + " state ready"); err != nil || got != "" {
			b.Fatalf("make %s ready: %q, %v", n.Name, got, err)
		}
	}
	b.await("the standbys to have all of it", b.level)
}
