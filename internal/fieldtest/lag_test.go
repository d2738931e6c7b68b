package fieldtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// lagging is a primary with two standbys, and readers spread over these by HAProxy. The replay of one of them gets no processor any more.
type lagging struct {
	*testbed.PostgresCluster
	pool      *testbed.HAProxy
	exporters []testbed.ScrapeTarget
	reads     *trail
	goOn      func() // gives replay the processor back
	stop      func() // ends what is written meanwhile
}

func startLag(t *testing.T, _ addresses) scene {
	t.Helper()
	s := &lagging{PostgresCluster: startCluster(t, 2,
		"create table counters (id int primary key, n bigint not null default 0); insert into counters (id) select generate_series(1, 20000)")}
	readers := map[string]string{}
	for _, n := range s.Standbys {
		readers[n.Name] = n.Addr
	}
	s.pool = testbed.StartHAProxy(t, testbed.HAProxyOptions{Servers: readers, Check: true})
	s.exporters = exporters(t, s.PostgresCluster)
	return s
}

func (s *lagging) victim() *testbed.PostgresNode { return s.Standbys[0] }

func (s *lagging) targets() []testbed.ScrapeTarget { return s.exporters }

func (s *lagging) policy(string) string {
	return clusterPolicy(s.PostgresCluster) + fmt.Sprintf(`    reads: {haproxy: {address: %q, backend: %s}, min_ready: 1}
handlers:
  replicationlag:
    mode: auto
    thresholds: {slo: 2s, sample_every: 1s, catch_up_within: 2s, verify_within: 20s, hold_for: 3s}
    clusters:
      - cluster: orders
        fix: {allow: [drain], limit: 2m, timeout: 3s}
`, s.pool.Socket, s.pool.Backend)
}

func (s *lagging) well() bool {
	return says(s.Primary, `select count(*) = 2 from pg_stat_replication
		where state = 'streaming' and pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) < 65536`)
}

// readersOf is what each server of the read pool was told to be.
func (s *lagging) readersOf() (string, error) {
	text, err := s.pool.Command("show servers state " + s.pool.Backend)
	if err != nil {
		return "", err
	}
	var all []string
	for line := range strings.Lines(text) {
		// The seventh field is the administrative state; 0 is ready, 8 drained.
		if f := strings.Fields(line); len(f) > 6 && f[1] == s.pool.Backend {
			all = append(all, f[3]+" "+map[string]string{"0": "ready", "8": "drain"}[f[6]])
		}
	}
	return strings.Join(all, ", "), nil
}

func (s *lagging) begin(t *testing.T) time.Time {
	t.Helper()
	s.reads = follow(t, s.readersOf)
	load, _ := session(t, s.Primary.Addr, testbed.RoleSuperuser, "load", "set synchronous_commit = local")
	const message = "select pg_logical_emit_message(true, 'load', repeat('x', 20000))"
	s.stop = again(t, 100*time.Millisecond, func(ctx context.Context) error {
		_, err := load.Exec(ctx, message)
		return err
	})
	began := s.hang(t)
	testbed.Await(t, blackbox.Within, "the standby to be late", func() bool {
		return says(s.Primary, `select pg_wal_lsn_diff(flush_lsn, replay_lsn) > 400000 from pg_stat_replication where application_name = '`+
			s.victim().ApplicationName+`'`)
	})
	return began
}

// hang takes the processor from the victim's replay while that has much to do. Whether it was at work then, and not waiting for more, is what
// its last word about itself says: if not, it is given more to do. So it is if it holds a lock that everybody needs: then the whole server
// hangs, which is another fault.
func (s *lagging) hang(t *testing.T) time.Time {
	t.Helper()
	pid := s.victim().StartupPID()
	send := func(signal syscall.Signal) {
		if err := s.victim().SignalChild(pid, signal); err != nil {
			t.Fatalf("signal the replay of %s: %v", s.victim().Name, err)
		}
	}
	s.goOn = func() { _ = s.victim().SignalChild(pid, syscall.SIGCONT) } // it may have ended
	t.Cleanup(s.goOn)
	var began time.Time
	testbed.Await(t, blackbox.Within, "replay to be stopped at work", func() bool {
		s.Primary.Exec(t, "update counters set n = n + 1")
		send(syscall.SIGSTOP)
		began = time.Now()
		atWork := answers(s.victim()) &&
			says(s.victim(), "select coalesce(wait_event_type, '') in ('', 'IO', 'LWLock') from pg_stat_activity where backend_type = 'startup'")
		if !atWork {
			send(syscall.SIGCONT)
		}
		return atWork
	})
	return began
}

// answers says whether a server lets somebody new in and tells of all that those who measure it ask for.
func answers(n *testbed.PostgresNode) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	conn, err := dial(ctx, n.Addr, testbed.RoleSuperuser, "answers")
	if err != nil {
		return false
	}
	defer func() { _ = conn.PgConn().Conn().Close() }() // it may be in the middle of something that does not end
	for _, view := range []string{"pg_stat_activity", "pg_locks", "pg_stat_database", "pg_stat_database_conflicts", "pg_stat_wal_receiver",
		"pg_control_checkpoint()", "pg_control_system()", "pg_settings", "pg_class", "pg_attribute", "pg_stats", "items", "counters"} {
		if _, err := conn.Exec(ctx, "select count(*) from "+view); err != nil {
			return false
		}
	}
	return true
}

// mend gives replay the processor back, when its readers are safe.
func (s *lagging) mend(*testing.T) {
	s.stop()
	s.goOn()
}

func (s *lagging) judge(*testing.T) (wrongs []string) {
	been, err := s.reads.end()
	if want := []string{"pg2 ready, pg3 ready", "pg2 drain, pg3 ready", "pg2 ready, pg3 ready"}; err != nil || !slices.Equal(been, want) {
		wrongs = append(wrongs, fmt.Sprintf("the readers' servers were %q (%v), want %q", been, err, want))
	}
	return wrongs
}
