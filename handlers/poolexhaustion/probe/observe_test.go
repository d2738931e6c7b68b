package probe

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/handlers/poolexhaustion"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
)

// TestObserve looks at a real pooler and its servers while one thing after the other is wrong with them, each mended before the next. Its
// subtests share them and so are not parallel.
func TestObserve(t *testing.T) {
	t.Parallel()
	l := startLab(t)
	for _, c := range []struct {
		name string
		is   func(*testing.T, *lab)
	}{
		{"healthy", healthy}, {"versions", olderVersions}, {"bounded", bounded}, {"exhausted by a leak", exhausted}, {"paused", paused}, {"disabled", disabled},
		{"lock convoy", lockConvoy}, {"may not ask", mayNotAsk}, {"copy blocks", copyBlocks},
		{"prepared transaction", preparedTransaction},
		{"synchronous standby missing", syncStandbyMissing}, {"server full", serverFull}, {"no pg_monitor", noMonitor},
		{"other cluster", otherCluster}, {"server down", serverDown}, {"pooler hangs", poolerHangs}, {"login refused", loginRefused},
		{"nothing answers", nothingAnswers}, {"two primaries", twoPrimaries},
	} {
		if !t.Run(c.name, func(t *testing.T) { c.is(t, l) }) {
			return // what comes next would look at what is left of this
		}
	}
}

// healthy holds everything that is read where nobody waits, by a user of the console who may only look.
func healthy(t *testing.T, l *lab) {
	config, err := pgx.ParseConfig(l.pooler.URL(testbed.RoleApp, testbed.Database) + "&application_name=checkout")
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	client, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	must(t, client, "update items set version = version + 1 where id = 1")
	w := l.watch(t)
	o := w.until("the client's pool", func(o view) bool {
		return o.calm() && o.pool().Active == 1 && o.app().Totals.Transactions > 0 && o.Server.Commits > 0
	})
	p, d := o.Poolers[0], o.app()
	if p.Name != "bouncer1" || !strings.HasPrefix(p.Version, "PgBouncer 1.") || p.ReadAt.IsZero() || p.Problem != "" || p.ClientsTotal < 2 {
		t.Errorf("got %s", asJSON(p))
	}
	for key, want := range map[string]string{"max_client_conn": "100", "default_pool_size": "4", "query_wait_timeout": "120", "server_login_retry": "1"} {
		if p.Config[key] != want {
			t.Errorf("got %s = %q, want %q", key, p.Config[key], want)
		}
	}
	if d.Host != "127.0.0.1" || d.Port != l.Primary.Port || d.Backend != testbed.Database || d.Mode != "transaction" || d.Size != 4 ||
		d.Connections != 1 || d.Totals.Queries == 0 || d.Totals.QueryTime <= 0 || d.Totals.XactTime <= 0 {
		t.Errorf("got %s", asJSON(d))
	}
	if pool := o.pool(); pool.ServersIdle+pool.ServersUsed+pool.ServersTested != 1 || pool.MaxWait != 0 {
		t.Errorf("got %s", asJSON(pool))
	}
	want := poolexhaustion.Clients{Database: testbed.Database, User: testbed.RoleApp, App: "checkout", Addr: "127.0.0.1", Count: 1}
	if len(p.Clients) < 2 || p.Clients[0] != want && p.Clients[1] != want {
		t.Errorf("got clients %s", asJSON(p.Clients))
	}
	s := o.Server
	if s.Node != "pg1" || len(s.Primaries) != 1 || s.Unread != nil || s.Full || s.Hidden || s.Version < 150000 || s.SystemIdentifier == "" ||
		s.Usable != usable || s.Used != 2 || s.Idle != 1 || s.Running != 0 || s.BlockersProblem != "" || len(s.Sessions) != 0 {
		t.Errorf("got %s", asJSON(s))
	}
	if s.ReadAt.IsZero() || s.Clock.Location() != time.UTC || s.Clock.Sub(s.ReadAt).Abs() > 10*time.Second {
		t.Errorf("got read at %s, its clock %s", s.ReadAt, s.Clock)
	}
	closeNow(t, client)
}

// exhausted holds a pool whose sessions are all in transactions that do nothing.
func exhausted(t *testing.T, l *lab) {
	var leaks, waiters []*pgx.Conn
	for i := range 6 {
		conn := l.pooler.SimpleSession(t, testbed.RoleApp)
		if i < 4 {
			must(t, conn, "begin; select count(*), 'card 4242' from items")
			leaks = append(leaks, conn)
			continue
		}
		waiters = append(waiters, conn)
	}
	one, two := begun(t, waiters[0], "select 1"), begun(t, waiters[1], "select 1")
	w := l.watch(t)
	o := w.until("the queue", func(o view) bool { return o.pool().Waiting == 2 && o.pool().MaxWait > 1 })
	if p, d := o.pool(), o.app(); p.Active != 4 || p.ServersActive != 4 || p.ServersIdle != 0 || d.Connections != 4 || d.Paused {
		t.Errorf("got %s", asJSON(d))
	}
	if o.Poolers[0].ClientsTotal < 7 || o.Poolers[0].Clients[0].Count != 6 {
		t.Errorf("got %d clients, %s", o.Poolers[0].ClientsTotal, asJSON(o.Poolers[0].Clients))
	}
	s := o.Server
	if s.Leaked != 4 || s.Running != 0 || s.LockWaiting != 0 || len(s.Sessions) != 4 || s.Blockers != nil || s.BlockersProblem != "" {
		t.Errorf("got %s", asJSON(s))
	}
	for i, x := range s.Sessions {
		if x.User != testbed.RoleApp || x.Database != testbed.Database || x.State != "idle in transaction" || x.BackendType != "client backend" ||
			x.BackendStart.IsZero() || x.XactStart.Before(x.BackendStart) || x.XactAge <= 0 || x.StateAge <= 0 || x.StateAge > x.XactAge ||
			x.Superuser || x.Replication || x.Progress != "" || x.WaitEvent != "ClientRead" || x.ClientAddr != "127.0.0.1" ||
			x.Query != "begin; select count(*), ? from items" {
			t.Errorf("got %s", asJSON(x))
		}
		if i > 0 && x.XactStart.Before(s.Sessions[i-1].XactStart) {
			t.Error("the oldest transaction is not the first")
		}
	}
	for _, conn := range leaks {
		must(t, conn, "rollback")
	}
	ended(t, one, two)
	closeNow(t, append(leaks, waiters...)...)
	w.until("calm", view.calm)
}

// paused holds a database that somebody paused, with a client that waits for it.
func paused(t *testing.T, l *lab) {
	client := l.pooler.SimpleSession(t, testbed.RoleApp)
	command(t, l, "PAUSE "+testbed.Database)
	waits := begun(t, client, "select 1")
	w := l.watch(t)
	o := w.until("the pause", func(o view) bool { return o.app().Paused && o.pool().Waiting == 1 })
	if d := o.app(); d.Disabled || o.pool().ServersActive != 0 || o.Server.Problem != "" {
		t.Errorf("got %s", asJSON(d))
	}
	command(t, l, "RESUME "+testbed.Database)
	ended(t, waits)
	closeNow(t, client)
	w.until("calm", view.calm)
}

// disabled holds a database that lets no new client in.
func disabled(t *testing.T, l *lab) {
	command(t, l, "DISABLE "+testbed.Database)
	w := l.watch(t)
	o := w.until("it to be disabled", func(o view) bool { return o.app().Disabled })
	if d := o.app(); d.Paused || d.Name != testbed.Database {
		t.Errorf("got %s", asJSON(d))
	}
	command(t, l, "ENABLE "+testbed.Database)
	w.until("calm", view.calm)
}

func command(t *testing.T, l *lab, text string) {
	t.Helper()
	if _, err := l.pooler.Admin(text); err != nil {
		t.Fatal(err)
	}
}

// poolerHangs holds that a pooler that does not answer costs no more than its time, whether its console was open or not, and that the
// server is read.
func poolerHangs(t *testing.T, l *lab) {
	const timeout = 3 * time.Second
	short := func(c *policy.PostgresCluster) { c.Connect.Timeout = policy.Duration(timeout) }
	warm, cold := l.watch(t, short), l.watch(t, short)
	warm.until("an open console", view.calm)
	l.pooler.Signal(syscall.SIGSTOP)
	defer l.pooler.Signal(syscall.SIGCONT)
	for name, w := range map[string]*watcher{"warm": warm, "cold": cold} {
		began := time.Now()
		o, err := w.look()
		if took := time.Since(began); err != nil || took > 2*timeout {
			t.Errorf("%s: took %s and got %v", name, took, err)
		}
		if p := o.Poolers[0]; p.Name != "bouncer1" || p.Databases != nil || p.Config != nil || !p.ReadAt.IsZero() || !strings.Contains(p.Problem, "no answer within 3s") {
			t.Errorf("%s: got %s", name, asJSON(p))
		}
		if o.Server.Node != "pg1" || o.Server.Used == 0 {
			t.Errorf("%s: got %s", name, asJSON(o.Server))
		}
	}
	l.pooler.Signal(syscall.SIGCONT)
	warm.until("it to be read again", view.calm)
}

// loginRefused holds what is said of a pooler that does not take our password, which is not told.
func loginRefused(t *testing.T, l *lab) {
	o, err := l.watch(t, func(c *policy.PostgresCluster) { c.PgBouncers[0].Stats.Password = "wrong-password" }).look()
	if err != nil {
		t.Fatal(err)
	}
	if p := o.Poolers[0]; !strings.Contains(p.Problem, "pgb_stats") || p.Version != "" {
		t.Errorf("got %s", asJSON(p))
	}
}

// nothingAnswers holds the one error of a look, which says why of every part.
func nothingAnswers(t *testing.T, l *lab) {
	p := l.policy(t)
	p.Postgres[0].Connect.Database = "nowhere"
	_, p.Postgres[0].PgBouncers[0].Port = hostPort(t, testbed.Addr(t))
	p.Handlers.PoolExhaustion.Clusters[0].Apps = []policy.AppPool{{App: "checkout", Prometheus: policy.AppPoolMetrics{URL: "http://" + testbed.Addr(t)}}}
	w := watchWith(t, p)
	o, err := w.look()
	if !errors.Is(err, ErrUnreadable) || len(o.Poolers) != 1 || len(o.Apps) != 1 || len(o.Server.Unread) != 2 {
		t.Fatalf("got %v, %s", err, asJSON(o))
	}
	for _, want := range []string{`pg1: `, `pg2: `, `database "nowhere" does not exist`, "bouncer1: ", "checkout: waiting: get http://", "connection refused"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	if _, err := w.prober.Observe(t.Context(), "billing"); !errors.Is(err, ErrUnknownTarget) {
		t.Errorf("a cluster that is not named: got %v", err)
	}
}
