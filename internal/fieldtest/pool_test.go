package fieldtest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

const (
	poolSize    = 2
	poolClients = 6
	bouncer     = "bouncer1"
)

// pooled is a primary with a PgBouncer before it, and clients who ask all the time. Somebody opens transactions there and forgets them.
type pooled struct {
	*testbed.PostgresCluster
	pooler    *testbed.PgBouncer
	exporters []testbed.ScrapeTarget
	served    atomic.Int64
	seen      int64
	looked    time.Time
	good      bool
	leaked    []int // the backends of the forgotten transactions
	forgotten []*pgx.Conn
	left      string // how many of them there were still when the change had been made
	others    []int  // those of sessions that nothing may happen to
}

func startPool(t *testing.T, _ addresses) scene {
	t.Helper()
	s := &pooled{PostgresCluster: startCluster(t, -1)}
	s.pooler = testbed.StartPgBouncer(t, testbed.PgBouncerOptions{Target: s.Primary, PoolSize: poolSize})
	s.exporters = append(exporters(t, s.PostgresCluster), testbed.ScrapeTarget{Job: "pgbouncer", Addr: testbed.StartPgBouncerExporter(t, s.pooler).Addr,
		Labels: map[string]string{"cluster": "orders", "node": bouncer}})
	s.bystanders(t)
	s.clients(t, testbed.RoleApp)
	return s
}

// bystanders are sessions that look a little like those that leak: idle ones, and one of another role that is idle in its transaction.
func (s *pooled) bystanders(t *testing.T) {
	t.Helper()
	for role, first := range map[string]string{testbed.RoleApp: "select 1", testbed.RoleReader: "begin; select count(*) from items"} {
		_, pid := session(t, s.Primary.Addr, role, "bystander", first)
		s.others = append(s.others, pid)
	}
}

// clients ask through the pooler until the test ends, each again and again.
func (s *pooled) clients(t *testing.T, role string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	for range poolClients {
		work.Go(func() {
			for ctx.Err() == nil {
				s.visit(ctx, role)
				blackbox.Pause(ctx, 100*time.Millisecond)
			}
		})
	}
	stop = sync.OnceFunc(func() { cancel(); work.Wait() })
	t.Cleanup(stop)
	return stop
}

// visit is one connection, for as long as nobody ends it.
func (s *pooled) visit(ctx context.Context, role string) {
	conn, err := dial(ctx, s.pooler.Addr, role, "work")
	if err != nil {
		return
	}
	defer func() { _ = conn.PgConn().Conn().Close() }()
	for {
		if _, err := conn.Exec(ctx, "select note from items where id = 7"); err != nil {
			return
		}
		s.served.Add(1)
		if !blackbox.Pause(ctx, 50*time.Millisecond) {
			return
		}
	}
}

func (s *pooled) targets() []testbed.ScrapeTarget { return s.exporters }

func (s *pooled) policy(string) string {
	host, port, _ := strings.Cut(s.pooler.Addr, ":")
	return clusterPolicy(s.PostgresCluster) + fmt.Sprintf(`    pgbouncers:
      - {pgbouncer: %s, host: %q, port: %s, sslmode: disable, stats: {user: pgb_stats, password: %q}, admin: {user: pgb_admin, password: %q}}
handlers:
  poolexhaustion:
    mode: auto
    thresholds: {max_wait: 1s, leak_age: 2s, sample_every: 1s, verify_within: 20s, hold_for: 2s}
    clusters:
      - cluster: orders
        fix: {allow: [end_leaked], roles: [%s], limit: 1m, timeout: 3s}
`, bouncer, host, port, testbed.Password("pgb_stats"), testbed.Password("pgb_admin"), testbed.RoleApp)
}

// well says that some dozens were served in the last second.
func (s *pooled) well() bool {
	if now := time.Now(); now.Sub(s.looked) > time.Second {
		n := s.served.Load()
		s.good, s.seen, s.looked = n-s.seen > 20 && !s.looked.IsZero(), n, now
	}
	return s.good
}

func (s *pooled) begin(t *testing.T) time.Time {
	t.Helper()
	s.leak(t, testbed.RoleApp)
	s.good = false
	return time.Now()
}

// leak takes all connections of a role's pool for transactions that nobody will end. The pooler stays the same one: what clients waited in
// the leak before is in its totals, and must not make this one look usual.
func (s *pooled) leak(t *testing.T, role string) {
	t.Helper()
	before := s.served.Load()
	testbed.Await(t, blackbox.Within, "the clients to be served", func() bool { return s.served.Load() > before+100 })
	s.leaked, s.forgotten = nil, nil
	for i := range poolSize {
		conn, pid := session(t, s.pooler.Addr, role, "checkout", fmt.Sprintf("begin; select note from items where id = %d", 10+i))
		s.leaked, s.forgotten = append(s.leaked, pid), append(s.forgotten, conn)
	}
}

// mend ends what the application has forgotten and one action may not end: no more than half of a pool.
func (s *pooled) mend(t *testing.T) {
	t.Helper()
	s.left = s.alive(t, s.leaked)
	for _, conn := range s.forgotten {
		_ = conn.PgConn().Conn().Close() // one of them was ended
	}
}

// alive counts those backends that are still there.
func (s *pooled) alive(t *testing.T, pids []int) string {
	t.Helper()
	list := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(pids)), ","), "[]")
	return s.Primary.Value(t, "select count(*) from pg_stat_activity where pid in ("+list+")")
}

func (s *pooled) judge(t *testing.T) (wrongs []string) {
	t.Helper()
	if want := fmt.Sprint(poolSize - 1); s.left != want {
		wrongs = append(wrongs, fmt.Sprintf("%s of the %d sessions that leaked were left after the change, want %s", s.left, len(s.leaked), want))
	}
	return append(wrongs, s.spared(t)...)
}

// spared says which sessions are missing that nothing should have happened to.
func (s *pooled) spared(t *testing.T) (wrongs []string) {
	t.Helper()
	if n := s.alive(t, s.others); n != fmt.Sprint(len(s.others)) {
		wrongs = append(wrongs, fmt.Sprintf("%s of %d sessions are left that nothing should have happened to", n, len(s.others)))
	}
	return wrongs
}

// leakOfOthers is a leak by a role whose sessions the policy does not let Firebreak end. A person ends them.
func leakOfOthers(t *testing.T, here scene) *left {
	t.Helper()
	s, ok := here.(*pooled)
	if !ok {
		t.Fatalf("%T has no pool", here)
	}
	s.leak(t, testbed.RoleReader)
	stop := s.clients(t, testbed.RoleReader)
	leaked := s.leaked
	return &left{cause: "leak", end: func(t *testing.T) {
		t.Helper()
		if n := s.alive(t, leaked); n != fmt.Sprint(len(leaked)) {
			t.Errorf("%s of %d sessions are left, and nobody but a person may end them", n, len(leaked))
		}
		for _, pid := range leaked {
			s.Primary.Exec(t, fmt.Sprintf("select pg_terminate_backend(%d)", pid))
		}
		stop()
	}}
}
