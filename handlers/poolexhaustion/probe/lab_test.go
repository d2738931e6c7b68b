package probe

import (
	"context"
	"encoding/json"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/handlers/poolexhaustion"
	"github.com/firebreak-sre/firebreak/internal/pgbouncer"
	"github.com/firebreak-sre/firebreak/internal/postgres"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
)

// seenWithin is how long something may take to be seen, on a machine that has much else to do.
const seenWithin = 60 * time.Second

const (
	probeUser     = "firebreak_probe"
	probePassword = "probe-password"
	blindUser     = "firebreak_blind" // has no pg_monitor
)

// lab is a primary with one standby, and a pooler before it, that this package looks at.
type lab struct {
	*testbed.PostgresCluster
	pooler *testbed.PgBouncer
}

// usable is how many connections the lab's server has for everybody: it keeps three of its own.
const usable = 17

func startLab(t *testing.T) *lab {
	t.Helper()
	c := testbed.StartPostgres(t, testbed.PostgresOptions{Standbys: 1,
		Config: map[string]string{"max_connections": "20", "max_prepared_transactions": "5"},
		Init: []string{"create role " + probeUser + " login password '" + probePassword + "'", "grant pg_monitor to " + probeUser,
			"create role " + blindUser + " login"}})
	return &lab{PostgresCluster: c, pooler: testbed.StartPgBouncer(t, testbed.PgBouncerOptions{Target: c.Primary})}
}

// policy is what an operator would write about the lab.
func (l *lab) policy(t *testing.T) policy.Policy {
	t.Helper()
	c := policy.PostgresCluster{Cluster: "orders", Connect: policy.PostgresConnect{
		Database: testbed.Database, SSLMode: "disable", Probe: policy.PostgresLogin{User: probeUser, Password: probePassword},
		Timeout: policy.Duration(20 * time.Second),
	}}
	for _, n := range l.Nodes() {
		c.Nodes = append(c.Nodes, policy.PostgresNode{Node: n.Name, Host: "127.0.0.1", Port: n.Port})
	}
	host, port := hostPort(t, l.pooler.Addr)
	c.PgBouncers = []policy.PgBouncer{{PgBouncer: "bouncer1", Host: host, Port: port, SSLMode: "disable",
		Stats: policy.PostgresLogin{User: "pgb_stats", Password: policy.Secret(testbed.Password("pgb_stats"))}}}
	return policy.Policy{Postgres: []policy.PostgresCluster{c}, Handlers: policy.Handlers{
		PoolExhaustion: policy.PoolExhaustion{Mode: policy.Observe, Clusters: []policy.PoolCluster{{Cluster: "orders"}}}}}
}

func hostPort(t *testing.T, addr string) (string, int) {
	t.Helper()
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

// view is one look, and what this package asks of it.
type view struct{ poolexhaustion.Observation }

// watcher looks at a lab with sessions of its own.
type watcher struct {
	t      *testing.T
	prober *Prober
}

// watch opens sessions as the policy says, with changes to it.
func (l *lab) watch(t *testing.T, changes ...func(*policy.PostgresCluster)) *watcher {
	t.Helper()
	p := l.policy(t)
	for _, change := range changes {
		change(&p.Postgres[0])
	}
	return watchWith(t, p)
}

func watchWith(t *testing.T, p policy.Policy) *watcher {
	t.Helper()
	c := p.Postgres[0]
	var nodes []postgres.Node
	for _, n := range c.Nodes {
		nodes = append(nodes, postgres.Node{Name: "orders/" + n.Node, Host: n.Host, Port: n.Port, Database: c.Connect.Database,
			SSLMode: c.Connect.SSLMode, Probe: postgres.Login{User: c.Connect.Probe.User, Password: c.Connect.Probe.Password.Reveal()},
			Timeout: c.Connect.Timeout.D()})
	}
	fleet, err := postgres.Open(nodes, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fleet.Close)
	consoles := map[string]Console{}
	for _, b := range c.PgBouncers {
		console, err := pgbouncer.New(pgbouncer.Config{Host: b.Host, Port: b.Port, SSLMode: b.SSLMode, User: b.Stats.User,
			Password: b.Stats.Password.Reveal(), Timeout: c.Connect.Timeout.D()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(console.Close)
		consoles["orders/"+b.PgBouncer] = console
	}
	prober, err := New(p, fleet, consoles, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &watcher{t: t, prober: prober}
}

// look looks once. Whatever is seen goes through JSON and back, as it is recorded, and tells no password.
func (w *watcher) look() (view, error) {
	w.t.Helper()
	o, err := w.prober.Observe(context.WithoutCancel(w.t.Context()), "orders")
	text := asJSON(o)
	if err != nil {
		text += err.Error()
	}
	if strings.Contains(text, "-password") {
		w.t.Fatalf("a password is told in %s", text)
	}
	var back view
	if wrong := json.Unmarshal([]byte(asJSON(o)), &back); wrong != nil {
		w.t.Fatal(wrong)
	}
	return back, err
}

// until looks until it is so, and returns that look. What was seen last is said if it never is.
func (w *watcher) until(what string, is func(view) bool) view {
	w.t.Helper()
	var last view
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("looking for %s, last seen: %s", what, asJSON(last))
		}
	})
	testbed.Await(w.t, seenWithin, what, func() bool {
		var err error
		last, err = w.look()
		return err == nil && is(last)
	})
	return last
}

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// app is the application's database at the lab's pooler; empty if it does not show.
func (o view) app() poolexhaustion.Database {
	for _, p := range o.Poolers {
		for _, d := range p.Databases {
			if d.Name == testbed.Database {
				return d
			}
		}
	}
	return poolexhaustion.Database{}
}

// pool is the pool of the application's role there.
func (o view) pool() poolexhaustion.Pool {
	for _, p := range o.app().Pools {
		if p.User == testbed.RoleApp {
			return p
		}
	}
	return poolexhaustion.Pool{}
}

// calm says that nobody waits, and nothing is held.
func (o view) calm() bool {
	s, p := o.Server, o.pool()
	return s.Problem == "" && s.LockWaiting+s.SyncRep+s.Leaked == 0 && len(s.Prepared) == 0 && p.Waiting == 0 && p.ServersActive == 0 &&
		!o.app().Paused && !o.app().Disabled
}

// session is that of a pid, in a look; empty if it is not kept.
func (o view) session(conn *pgx.Conn) poolexhaustion.Session {
	i := slices.IndexFunc(o.Server.Sessions, func(s poolexhaustion.Session) bool { return s.PID == int(conn.PgConn().PID()) })
	if i < 0 {
		return poolexhaustion.Session{}
	}
	return o.Server.Sessions[i]
}

// must runs statements.
func must(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// begun runs statements that will wait. What they end with comes on the channel.
func begun(t *testing.T, conn *pgx.Conn, sql string) <-chan error {
	t.Helper()
	end := make(chan error, 1)
	ctx := context.WithoutCancel(t.Context())
	go func() { // ends with the statement, or with the session when the test ends
		_, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
		end <- err
	}()
	return end
}

// ended waits for what had begun.
func ended(t *testing.T, all ...<-chan error) {
	t.Helper()
	deadline := time.After(seenWithin)
	for _, end := range all {
		select {
		case err := <-end:
			if err != nil {
				t.Errorf("a statement that waited: %v", err)
			}
		case <-deadline:
			t.Fatal("a statement still waits")
		}
	}
}

// closeNow ends sessions before the test does.
func closeNow(t *testing.T, all ...*pgx.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, c := range all {
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	}
}
