package postgres_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	fleet "github.com/firebreak-sre/firebreak/internal/postgres"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/postgres"
)

// patience is more than anything here takes on a busy machine.
const patience = 30 * time.Second

// The roles that these tests add: two to look and to act, one to act that lacks the rights, and some to be ended or not.
const (
	probe = "fb_probe"
	act   = "fb_act"
	weak  = "fb_weak"
	batch = "batch"
	feed  = "feed"
)

func roles() []string {
	return []string{
		"create role fb_probe login; grant pg_monitor to fb_probe",
		"create role fb_act login; grant pg_read_all_stats, pg_signal_backend to fb_act; grant execute on function pg_wal_replay_resume() to fb_act",
		"create role fb_weak login; grant pg_read_all_stats to fb_weak",
		"create role batch login", "create role feed login replication",
	}
}

// bench is a real cluster with the remediation before it.
type bench struct {
	*testbed.PostgresCluster
	fleet *fleet.Fleet
	rem   *postgres.Sessions
	id    string
}

func newBench(t *testing.T, o testbed.PostgresOptions) *bench {
	t.Helper()
	o.Init = append(roles(), o.Init...)
	b := &bench{PostgresCluster: testbed.StartPostgres(t, o)}
	b.fleet = b.open(t, act, nil)
	b.rem = remedy(t, b.fleet, b.fleet)
	b.id = b.Primary.Value(t, "select system_identifier from pg_control_system()")
	return b
}

// open opens a fleet of all nodes. Nodes in via are reached at another address.
func (b *bench) open(t *testing.T, actor string, via map[string]string) *fleet.Fleet {
	t.Helper()
	var nodes []fleet.Node
	for _, n := range b.Nodes() {
		addr := n.Addr
		if link := via[n.Name]; link != "" {
			addr = link
		}
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		number, err := strconv.Atoi(port)
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, fleet.Node{Name: "orders/" + n.Name, Host: host, Port: number, Database: testbed.Database, SSLMode: "disable",
			Probe: fleet.Login{User: probe}, Act: fleet.Login{User: actor}, Timeout: patience})
	}
	f, err := fleet.Open(nodes, zerolog.New(zerolog.NewTestWriter(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func remedy(t *testing.T, looks postgres.Looks, acts postgres.Acts) *postgres.Sessions {
	t.Helper()
	s, err := postgres.New(postgres.Config{Looks: looks, Acts: acts, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// victim is a session as a plan names it.
type victim struct {
	PID          int       `json:"pid"`
	BackendStart time.Time `json:"backend_start"`
	XactStart    time.Time `json:"xact_start"`
	User         string    `json:"user"`
}

// ends are the settings of the fixes that end sessions.
type ends struct {
	SystemIdentifier string   `json:"system_identifier"`
	Sessions         []victim `json:"sessions"`
	Roles            []string `json:"roles"`
	Max              int      `json:"max"`
	Standby          *bool    `json:"standby,omitempty"`
	CancelFirst      bool     `json:"cancel_first"`
	Terminate        bool     `json:"terminate"`
}

func (b *bench) ends(of ...victim) ends {
	return ends{SystemIdentifier: b.id, Sessions: of, Roles: []string{testbed.RoleApp, testbed.RoleReader}, Max: 3}
}

// order is an order that may be carried out, each with an action of its own.
func order(t *testing.T, node, fix string, params any) remediations.Order {
	t.Helper()
	text, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	limit := policy.Duration(time.Minute)
	return remediations.Order{
		Step: remediations.Step{Remediation: postgres.Name, Cluster: "orders", Node: node, Fix: fix, Params: text, Once: true,
			TTL: limit, Limit: limit, Timeout: policy.Duration(5 * time.Second)},
		Action: "test-" + rand.Text()[:10], Incident: "incident-1", Fence: 5,
		Deadline: time.Now().Add(8 * time.Second), Until: time.Now().Add(time.Minute),
		Seen: remediations.Presence{State: remediations.Absent},
	}
}

// identity reads who a backend is, as the superuser.
func identity(t *testing.T, n *testbed.PostgresNode, pid uint32) victim {
	t.Helper()
	v, there := find(t, n, int(pid))
	if !there {
		t.Fatalf("there is no backend %d", pid)
	}
	return v
}

func find(t *testing.T, n *testbed.PostgresNode, pid int) (victim, bool) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), n.URL(testbed.RoleSuperuser, testbed.Database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	v := victim{PID: pid}
	var xact *time.Time
	err = conn.QueryRow(t.Context(), "select backend_start, xact_start, coalesce(usename, '') from pg_stat_activity where pid = $1", pid).
		Scan(&v.BackendStart, &xact, &v.User)
	if errors.Is(err, pgx.ErrNoRows) {
		return v, false
	}
	if err != nil {
		t.Fatal(err)
	}
	if xact != nil {
		v.XactStart = *xact
	}
	return v, true
}

// is says whether exactly this session is still in exactly this transaction.
func is(t *testing.T, n *testbed.PostgresNode, v victim) bool {
	t.Helper()
	now, there := find(t, n, v.PID)
	return there && now.BackendStart.Equal(v.BackendStart) && now.XactStart.Equal(v.XactStart)
}

// gone waits until a session has ended.
func gone(t *testing.T, n *testbed.PostgresNode, v victim) {
	t.Helper()
	testbed.Await(t, patience, fmt.Sprintf("session %d to end", v.PID), func() bool {
		now, there := find(t, n, v.PID)
		return !there || !now.BackendStart.Equal(v.BackendStart)
	})
}

func exec(t *testing.T, c *pgx.Conn, sql string) {
	t.Helper()
	if _, err := c.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
}

// leaked is a session that sits idle in a transaction.
func leaked(t *testing.T, n *testbed.PostgresNode, role, name string) (*pgx.Conn, victim) {
	t.Helper()
	c := n.Session(t, role, testbed.Database)
	exec(t, c, "set application_name = '"+name+"'; begin; select 1")
	exec(t, c, "select 1")
	return c, identity(t, n, c.PgConn().PID())
}

// busy is a session that runs a statement until the test ends. after is what it runs before, in the same transaction.
func busy(t *testing.T, n *testbed.PostgresNode, role, before, statement, shows string) (victim, <-chan error) {
	t.Helper()
	c := n.Session(t, role, testbed.Database)
	exec(t, c, before)
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		_, err := c.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol)
		ended <- err
	}()
	t.Cleanup(func() { cancel(); <-finished })
	pid := c.PgConn().PID()
	testbed.Await(t, patience, statement, func() bool {
		v, err := n.Ask(fmt.Sprintf("select count(*) from pg_stat_activity a where pid = %d and state = 'active' and (%s)", pid, shows))
		return err == nil && v == "1"
	})
	return identity(t, n, pid), ended
}

// refused applies an order that must be refused, with words.
func refused(t *testing.T, rem *postgres.Sessions, o remediations.Order, words ...string) {
	t.Helper()
	_, err := rem.Apply(t.Context(), o)
	if !errors.Is(err, remediations.ErrRefused) {
		t.Errorf("apply: got %v, want it refused", err)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("apply: got %q, want it to say %q", err, w)
		}
	}
}

func applied(t *testing.T, rem *postgres.Sessions, o remediations.Order) remediations.Receipt {
	t.Helper()
	r, err := rem.Apply(t.Context(), o)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return r
}

// checked looks and wants a state, with words.
func checked(t *testing.T, rem *postgres.Sessions, o remediations.Order, state remediations.State, words string) {
	t.Helper()
	p, err := rem.Check(t.Context(), o)
	if err != nil || p.State != state || !strings.Contains(p.Detail, words) {
		t.Errorf("check: got %+v, %v, want %s with %q", p, err, state, words)
	}
	if err == nil && p.Clock.IsZero() {
		t.Error("check does not tell the server's time")
	}
}

// actsLate calls Act when a time has passed.
type actsLate struct {
	postgres.Acts
	at time.Time
}

func (a actsLate) Act(ctx context.Context, node, action string, fn func(context.Context, *pgx.Conn) error) error {
	timer := time.NewTimer(time.Until(a.at))
	defer timer.Stop()
	<-timer.C
	return a.Acts.Act(ctx, node, action, fn)
}
