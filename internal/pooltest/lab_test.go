// Package pooltest holds the whole product against exhausted connection pools. It builds the real binary, runs it as a process of its own
// beside PostgreSQL and PgBouncer, produces each cause of waiting for real, tells the binary by its webhook as Alertmanager would, and holds
// what it did against what the servers and the poolers themselves say.
//
// It stands outside: it speaks HTTP, SQL and PgBouncer's console, and imports nothing that decides or changes anything.
package pooltest

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
	listed                   = testbed.RoleApp    // whose sessions the policy lets Firebreak end
	unlisted                 = testbed.RoleReader // whose sessions it does not
)

// lane is one place where runs follow each other: a cluster, which outlives many runs. It is the testbed's test: what is started for the
// lane ends with the lane, and what fails does so in the run that is under way.
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

// lab is a primary with one standby. Each run puts poolers of its own before it.
type lab struct {
	*lane
	*testbed.PostgresCluster
}

// usable is how many of the primary's connections are for everybody. More are for superusers: the runs ask as one while the server is full.
const usable = 97

// startLab starts a cluster with Firebreak's roles in it.
func startLab(l *lane) *lab {
	c := testbed.StartPostgres(l, testbed.PostgresOptions{
		Standbys: 1,
		Config: map[string]string{
			"autovacuum": "off", "checkpoint_timeout": "1h", "log_timezone": "UTC",
			"max_connections": "107", "superuser_reserved_connections": "10", "max_prepared_transactions": "5",
			"wal_sender_timeout": "60s", "wal_receiver_timeout": "60s",
			// A run whose client has gone is over, whatever it was in the middle of.
			"client_connection_check_interval": "200ms",
		},
		HBA: []string{"host all " + probeUser + "," + actUser + " 127.0.0.1/32 scram-sha-256"},
		Init: []string{
			"grant select, update on items to " + unlisted,
			"create table facts (id int primary key); insert into facts (id) select generate_series(1, 4000); alter table facts owner to " + listed,
			// It takes its time without the processor's: an index over it is made for as long as a run takes.
			"create function slow(id int) returns int language plpgsql immutable as 'begin perform pg_sleep(0.05); return id; end'",
		},
	})
	b := &lab{lane: l, PostgresCluster: c}
	b.grant()
	b.await("the standby to have all of it", b.streams)
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
	testbed.Await(b, within, what, seldom(cond))
}

// lookEvery is how often something is looked at that is awaited. A look is a session of its own at a server, or a whole record.
const lookEvery = 100 * time.Millisecond

// seldom looks no more often than that.
func seldom(cond func() bool) func() bool {
	var next time.Time
	return func() bool {
		if time.Now().Before(next) {
			return false
		}
		is := cond()
		next = time.Now().Add(lookEvery)
		return is
	}
}

// says waits until the primary answers a question with "t".
func (b *lab) says(what, question string) {
	b.await(what, func() bool {
		v, err := b.Primary.Ask(question)
		return err == nil && v == "t"
	})
}

// streams says that the standby streams.
func (b *lab) streams() bool {
	v, err := b.Primary.Ask("select count(*) > 0 from pg_stat_replication where state = 'streaming'")
	return err == nil && v == "t"
}

// heal brings the lab back to where runs begin.
func (b *lab) heal() {
	b.Standbys[0].Proxy.Heal()
	b.await("the standby to stream", b.streams)
	const left = "from pg_stat_activity where usename in ('" + listed + "', '" + unlisted + "')"
	b.Primary.Exec(b, "select pg_terminate_backend(pid) "+left)
	b.says("the sessions of earlier runs to have gone", "select count(*) = 0 "+left)
}
