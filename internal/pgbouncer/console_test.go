package pgbouncer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

func sprint(format string, v any) string { return fmt.Sprintf(format, v) }

// start is a real PgBouncer before a real PostgreSQL, with databases of more kinds than the test bed's.
func start(t *testing.T, postgres *testbed.PostgresCluster) *testbed.PgBouncer {
	t.Helper()
	p := testbed.StartPgBouncer(t, testbed.PgBouncerOptions{Target: postgres.Primary})
	file, err := os.ReadFile(p.ConfigPath)
	if err != nil {
		t.Fatal(err)
	}
	server := fmt.Sprintf("host=127.0.0.1 port=%d dbname=%s", postgres.Primary.Port, testbed.Database)
	more := "own = " + server + " pool_size=8\nwe-ird = " + server + "\nUpper = " + server + "\n* = " + server + "\n[pgbouncer]"
	if err := os.WriteFile(p.ConfigPath, []byte(strings.Replace(string(file), "[pgbouncer]", more, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Reload(); err != nil {
		t.Fatal(err)
	}
	return p
}

func open(t *testing.T, p *testbed.PgBouncer, user string) *Console {
	t.Helper()
	host, port, _ := net.SplitHostPort(p.Addr)
	number, _ := strconv.Atoi(port)
	c, err := New(Config{Host: host, Port: number, SSLMode: "disable", User: user, Password: testbed.Password(user), Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestConsole(t *testing.T) {
	t.Parallel()
	postgres := testbed.StartPostgres(t, testbed.PostgresOptions{Standbys: -1})
	for name, test := range map[string]func(*testing.T, *testbed.PgBouncer){
		"shows": shows, "commands": commands, "names": names, "typo": typo, "who may only look": looker, "restart": restarts,
		"hung": hung, "no cancel request": noCancel, "pause hangs": pauseHangs, "compare": compares, "close": closes,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t, postgres))
		})
	}
}

// Everything that may be shown can be, by who may only look, and is read; the clock is that of the machine.
func shows(t *testing.T, p *testbed.PgBouncer) {
	c := open(t, p, "pgb_stats")
	p.SimpleSession(t, testbed.RoleApp)
	for _, what := range shown() {
		rows, err := c.Show(t.Context(), what)
		if err != nil || len(rows) == 0 && what != ShowServers {
			t.Errorf("show %s: got %d rows, %v", what, len(rows), err)
		}
	}
	s, err := c.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	app, _ := s.Find("app")
	own, found := s.Find("own")
	if app.PoolSize != 4 || own.PoolSize != 8 || !found || app.Paused || len(s.Databases) != 4 || !s.Settings.Admin("pgb_admin") {
		t.Errorf("got %+v, %+v of %d", app, own, len(s.Databases))
	}
	pools, err := c.Pools(t.Context())
	if err != nil || len(pools) != 1 || pools[0].User != testbed.RoleApp || pools[0].Mode != "transaction" {
		t.Errorf("pools: got %+v, %v", pools, err)
	}
	list, err := c.Clients(t.Context())
	if err != nil || len(list) != 2 {
		t.Errorf("clients: got %+v, %v", list, err)
	}
	if _, err := c.Stats(t.Context()); err != nil {
		t.Errorf("stats: %v", err)
	}
	if n, err := s.Settings.Int("default_pool_size"); err != nil || n != 4 {
		t.Errorf("default_pool_size: got %d, %v", n, err)
	}
	clock, known, err := c.Clock(t.Context(), 10)
	if off := time.Since(clock); err != nil || !known || off < -2*time.Second || off > 5*time.Second {
		t.Errorf("clock: got %s, %t, %v", clock, known, err)
	}
	if _, known, err := c.Clock(t.Context(), 1); err != nil || known {
		t.Errorf("clock of a pooler with more clients than asked for: got %t, %v", known, err)
	}
}

// Each command does what it says, and its effect is read back; a database with a size of its own does not follow the default.
func commands(t *testing.T, p *testbed.PgBouncer) {
	c := open(t, p, "pgb_admin")
	after, err := c.Change(t.Context(), Set(DefaultPoolSize, 7), nil)
	app, _ := after.Find("app")
	own, _ := after.Find("own")
	if err != nil || app.PoolSize != 7 || own.PoolSize != 8 || after.Settings["default_pool_size"] != "7" {
		t.Errorf("set: got %+v, %+v, %v", app, own, err)
	}
	after, err = c.Change(t.Context(), Set(ReservePoolSize, 2), nil)
	if own, _ = after.Find("own"); err != nil || own.Reserve != 2 {
		t.Errorf("set reserve: got %+v, %v", own, err)
	}
	after, err = c.Change(t.Context(), Pause("app"), nil)
	if app, _ = after.Find("app"); err != nil || !app.Paused {
		t.Errorf("pause: got %+v, %v", app, err)
	}
	after, err = c.Change(t.Context(), Resume("app"), nil)
	if app, _ = after.Find("app"); err != nil || app.Paused {
		t.Errorf("resume: got %+v, %v", app, err)
	}
	err = c.Exec(t.Context(), Resume("app"))
	if !errors.Is(err, ErrNotPaused) || !errors.Is(err, ErrSaid) || errors.Is(err, ErrNotSent) {
		t.Errorf("resume of what runs: got %v, want ErrNotPaused", err)
	}
	if err := p.Reload(); err != nil {
		t.Fatal(err)
	}
	if s, err := c.Look(t.Context()); err != nil || s.Settings["default_pool_size"] != "4" || s.Settings["reserve_pool_size"] != "0" {
		t.Errorf("after a reload: %v, %v", s.Settings["default_pool_size"], err)
	}
}

// Names of every kind reach the database that they name.
func names(t *testing.T, p *testbed.PgBouncer) {
	c := open(t, p, "pgb_admin")
	strange := `a "quo""ted" name; KILL app`
	config, err := pgx.ParseConfig(p.URL(testbed.RoleApp, testbed.Database))
	if err != nil {
		t.Fatal(err)
	}
	config.Database = strange // through the "*" database
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	// PgBouncer hides such a database when it looks for idle ones while the client still logs in; whoever comes next brings it back.
	testbed.Await(t, 30*time.Second, "the database to be listed", func() bool {
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		s, err := c.Look(t.Context())
		_, listed := s.Find(strange)
		return err == nil && listed
	})
	for _, name := range []string{"we-ird", "Upper", strange} {
		after, err := c.Change(t.Context(), Pause(name), nil)
		if err != nil {
			t.Errorf("pause %s: %v", name, err)
		}
		for _, d := range after.Databases {
			if d.Paused != (d.Name == name) {
				t.Errorf("pause %s: %s is paused: %t", name, d.Name, d.Paused)
			}
		}
		if err := c.Exec(t.Context(), Resume(name)); err != nil {
			t.Errorf("resume %s: %v", name, err)
		}
	}
}

// A name that is not listed is not sent, although the pooler would make a database of it.
func typo(t *testing.T, p *testbed.PgBouncer) {
	c := open(t, p, "pgb_admin")
	for _, name := range []string{"ap", "upper", "APP", "*", "app "} {
		for _, command := range []Command{Pause(name), Resume(name)} {
			if err := c.Exec(t.Context(), command); !errors.Is(err, ErrNoDatabase) || !errors.Is(err, ErrNotSent) {
				t.Errorf("%s: got %v, want it not sent", command, err)
			}
		}
	}
	if list, err := c.Databases(t.Context()); err != nil || len(list) != 4 {
		t.Errorf("got %+v, %v, want four", list, err)
	}
}

// Who may only look is told so, and a wrong password is not told to anybody.
func looker(t *testing.T, p *testbed.PgBouncer) {
	c := open(t, p, "pgb_stats")
	for _, command := range []Command{Set(DefaultPoolSize, 7), Pause("app"), Resume("app")} {
		if err := c.Exec(t.Context(), command); !errors.Is(err, ErrAdminNeeded) || !errors.Is(err, ErrSaid) {
			t.Errorf("%s: got %v, want ErrAdminNeeded", command, err)
		}
	}
	wrong := open(t, p, "pgb_admin")
	wrong.parsed.Password = "wrong-secret"
	if err := wrong.Exec(t.Context(), Pause("app")); !errors.Is(err, ErrNotSent) || strings.Contains(err.Error(), "wrong-secret") {
		t.Errorf("wrong password: got %v, want it not sent", err)
	}
}

// A restart of the pooler is not noticed: the line is dialled again before anything is sent.
func restarts(t *testing.T, p *testbed.PgBouncer) {
	c := open(t, p, "pgb_admin")
	if err := c.Exec(t.Context(), Set(DefaultPoolSize, 7)); err != nil {
		t.Fatal(err)
	}
	p.Kill9()
	if _, err := c.Look(t.Context()); err == nil {
		t.Error("a dead pooler was looked at")
	}
	if err := c.Exec(t.Context(), Set(DefaultPoolSize, 7)); !errors.Is(err, ErrNotSent) {
		t.Errorf("to a dead pooler: got %v, want it not sent", err)
	}
	if err := p.Restart(); err != nil {
		t.Fatal(err)
	}
	if s, err := c.Look(t.Context()); err != nil || s.Settings["default_pool_size"] != "4" {
		t.Errorf("got %v, %v", s.Settings["default_pool_size"], err)
	}
	if err := p.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := c.Exec(t.Context(), Set(DefaultPoolSize, 7)); err != nil {
		t.Errorf("right after a restart: %v", err)
	}
}

// A pooler that hangs holds nobody longer than his context, and those who wait behind him neither.
func hung(t *testing.T, p *testbed.PgBouncer) {
	c := open(t, p, "pgb_admin")
	if _, err := c.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.Signal(syscall.SIGSTOP)
	began := time.Now()
	done := make(chan error, 2)
	for range 2 {
		go func() { done <- c.Exec(within(t, 500*time.Millisecond), Pause("app")) }()
	}
	for range 2 {
		if err := <-done; !errors.Is(err, ErrNotSent) {
			t.Errorf("got %v, want it not sent: the look before it was not answered", err)
		}
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
	p.Signal(syscall.SIGCONT)
	if s, err := c.Look(t.Context()); err != nil || s.Databases[0].Paused {
		t.Errorf("got %+v, %v", s.Databases, err)
	}
}

// A look that is given up does not end a person's pause of everything, as the cancel request of a driver would.
func noCancel(t *testing.T, p *testbed.PgBouncer) {
	c := open(t, p, "pgb_admin")
	if _, err := c.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Admin("PAUSE"); err != nil {
		t.Fatal(err)
	}
	p.Signal(syscall.SIGSTOP)
	if _, err := c.Look(within(t, 300*time.Millisecond)); err == nil {
		t.Error("a hung pooler was looked at")
	}
	p.Signal(syscall.SIGCONT)
	if _, err := c.Look(t.Context()); err != nil { // whatever came before this was carried out before it
		t.Fatal(err)
	}
	if _, err := p.Admin("RESUME"); err != nil {
		t.Errorf("the person's pause has gone: %v", err)
	}
}

// A PAUSE over an open transaction hangs until its context ends, is doubt, stands, and can be ended on the same console.
func pauseHangs(t *testing.T, p *testbed.PgBouncer) {
	c := open(t, p, "pgb_admin")
	session := p.SimpleSession(t, testbed.RoleApp)
	if _, err := session.Exec(t.Context(), "begin; select 1"); err != nil {
		t.Fatal(err)
	}
	err := c.Exec(within(t, 2*time.Second), Pause("app"))
	if err == nil || errors.Is(err, ErrNotSent) || errors.Is(err, ErrSaid) {
		t.Errorf("got %v, want doubt", err)
	}
	s, err := c.Look(t.Context())
	if app, _ := s.Find("app"); err != nil || !app.Paused {
		t.Errorf("got %+v, %v, want it paused", app, err)
	}
	after, err := c.Change(t.Context(), Resume("app"), nil)
	if app, _ := after.Find("app"); err != nil || app.Paused {
		t.Errorf("got %+v, %v, want it to run", app, err)
	}
	if _, err := session.Exec(t.Context(), "commit"); err != nil {
		t.Errorf("the transaction got %v", err)
	}
}

// What the comparison does not want is not sent, with its own words.
func compares(t *testing.T, p *testbed.PgBouncer) {
	c := open(t, p, "pgb_admin")
	no := errors.New("not as it was")
	_, err := c.Change(t.Context(), Set(DefaultPoolSize, 7), func(s Sight) error {
		if s.Settings["default_pool_size"] != "4" {
			t.Errorf("compared with %s", s.Settings["default_pool_size"])
		}
		return no
	})
	if !errors.Is(err, no) || !errors.Is(err, ErrNotSent) {
		t.Errorf("got %v, want it not sent", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = c.Change(ctx, Set(DefaultPoolSize, 7), func(Sight) error { cancel(); return nil })
	if !errors.Is(err, ErrNotSent) {
		t.Errorf("canceled before it was sent: got %v", err)
	}
	if s, err := c.Look(t.Context()); err != nil || s.Settings["default_pool_size"] != "4" {
		t.Errorf("got %s, %v", s.Settings["default_pool_size"], err)
	}
}

// A console that was closed answers nobody, and keeps no connection.
func closes(t *testing.T, p *testbed.PgBouncer) {
	c := open(t, p, "pgb_admin")
	if _, err := c.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Close()
	c.Close()
	if _, err := c.Look(t.Context()); !errors.Is(err, errClosed) {
		t.Errorf("got %v, want that it is closed", err)
	}
	testbed.Await(t, 10*time.Second, "the connection to end", func() bool {
		rows, err := p.Admin("SHOW CLIENTS")
		return err == nil && len(rows) == 1 // who asks
	})
}
