package pgbouncer_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	console "github.com/firebreak-sre/firebreak/internal/pgbouncer"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer/deadman"
)

// patience is how long anything may take on a busy machine.
const patience = 30 * time.Second

// bench is a real PgBouncer before a real PostgreSQL, and a wire to it. Its databases are "app", of default_pool_size 20, and "own", with a size of
// 8 of its own.
type bench struct {
	*testbed.PgBouncer
	t    *testing.T
	wire *wire
}

func open(t *testing.T, postgres *testbed.PostgresCluster) *bench {
	t.Helper()
	b := &bench{t: t, PgBouncer: testbed.StartPgBouncer(t, testbed.PgBouncerOptions{Target: postgres.Primary, PoolSize: 20})}
	b.wire = newWire(t, b.Addr)
	b.edit("[pgbouncer]", fmt.Sprintf("own = host=127.0.0.1 port=%d dbname=%s pool_size=8\n[pgbouncer]", postgres.Primary.Port, testbed.Database))
	return b
}

// edit changes the configuration file as a person does, and reloads it.
func (b *bench) edit(from, to string) {
	b.t.Helper()
	file, err := os.ReadFile(b.ConfigPath)
	if err == nil {
		err = os.WriteFile(b.ConfigPath, []byte(strings.Replace(string(file), from, to, 1)), 0o600)
	}
	if err == nil {
		err = b.Reload()
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// by does by hand what a person would.
func (b *bench) by(command string) {
	b.t.Helper()
	if _, err := b.Admin(command); err != nil {
		b.t.Fatal(err)
	}
}

// console is a new one, by the wire.
func (b *bench) console(user string) *console.Console {
	b.t.Helper()
	return consoleAt(b.t, b.wire.addr, user)
}

func consoleAt(t testbed.TB, addr, user string) *console.Console {
	t.Helper()
	host, port, _ := net.SplitHostPort(addr)
	number, _ := strconv.Atoi(port)
	c, err := console.New(console.Config{Host: host, Port: number, SSLMode: "disable", User: user, Password: testbed.Password(user)})
	if err != nil {
		t.Fatalf("console: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}

// poolers is the remediation as another process would have its own.
func (b *bench) poolers(user string, d *deadman.Client) *pgbouncer.Poolers {
	b.t.Helper()
	r, err := pgbouncer.New(pgbouncer.Config{Poolers: map[string]pgbouncer.Pooler{"orders/bouncer1": {Console: b.console(user), Deadman: d}}})
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *bench) admin() *pgbouncer.Poolers { return b.poolers("pgb_admin", nil) }

// shows is a column of a database in SHOW DATABASES.
func (b *bench) shows(database, column string) string {
	b.t.Helper()
	rows, err := b.Admin("SHOW DATABASES")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, row := range rows {
		if row["name"] == database {
			return row[column]
		}
	}
	return "not listed"
}

// setting is a line of SHOW CONFIG.
func (b *bench) setting(key string) string {
	b.t.Helper()
	rows, err := b.Admin("SHOW CONFIG")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, row := range rows {
		if row["key"] == key {
			return row["value"]
		}
	}
	return "not listed"
}

func step(fix, params string) remediations.Step {
	return remediations.Step{Remediation: pgbouncer.Name, Cluster: "orders", Node: "bouncer1", Fix: fix, Params: json.RawMessage(params),
		Once: fix == pgbouncer.FixResume, TTL: policy.Duration(10 * time.Second), Limit: policy.Duration(10 * time.Second),
		Timeout: policy.Duration(5 * time.Second), Reason: "clients wait"}
}

func order(s remediations.Step, action string) remediations.Order {
	now := time.Now()
	return remediations.Order{Step: s, Action: action, Incident: "incident-1", Fence: 5, Deadline: now.Add(20 * time.Second),
		Until: now.Add(s.TTL.D()), Seen: remediations.Presence{State: remediations.Absent}}
}

func says(t *testing.T, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("got %q, want %q in it", got, want)
	}
}

func refused(t *testing.T, err error, because string) {
	t.Helper()
	if !errors.Is(err, remediations.ErrRefused) {
		t.Errorf("got %v, want ErrRefused", err)
		return
	}
	says(t, err.Error(), because)
}

// doubtful is neither done nor proven not to be.
func doubtful(t *testing.T, err error, because string) {
	t.Helper()
	if err == nil || errors.Is(err, remediations.ErrRefused) || errors.Is(err, remediations.ErrNotOurs) {
		t.Errorf("got %v, want doubt", err)
		return
	}
	says(t, err.Error(), because)
}

func is(t *testing.T, r remediations.Remediation, o remediations.Order, want remediations.State, detail string) {
	t.Helper()
	p, err := r.Check(t.Context(), o)
	if err != nil || p.State != want {
		t.Errorf("check: got %+v, %v, want %s", p, err, want)
		return
	}
	says(t, p.Detail, detail)
}

func mustRevert(t *testing.T, r remediations.Remediation, o remediations.Order) {
	t.Helper()
	if err := r.Revert(t.Context(), o, remediations.Receipt{}); err != nil {
		t.Errorf("revert: %v", err)
	}
}

func mustApply(t *testing.T, r remediations.Remediation, o remediations.Order) remediations.Receipt {
	t.Helper()
	receipt, err := r.Apply(t.Context(), o)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return receipt
}

func postgres(t *testing.T) *testbed.PostgresCluster {
	t.Helper()
	return testbed.StartPostgres(t, testbed.PostgresOptions{Standbys: -1})
}
