package postgres_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	fleet "github.com/firebreak-sre/firebreak/internal/postgres"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/postgres"
)

// nobody answers.
type nobody struct{}

func (nobody) Look(context.Context, string, func(context.Context, *pgx.Conn) error) error {
	return errors.New("nobody answers")
}

func (nobody) Act(context.Context, string, string, func(context.Context, *pgx.Conn) error) error {
	return errors.New("nobody answers")
}

// broken breaks the link right before the last statement that Apply sends, which is the one with the effect: the version has been read.
type broken struct {
	postgres.Acts
	breakIt func()
}

func (b broken) Act(ctx context.Context, node, action string, fn func(context.Context, *pgx.Conn) error) error {
	return b.Acts.Act(ctx, node, action, func(ctx context.Context, c *pgx.Conn) error {
		c.Config().Tracer.(*trigger).do = b.breakIt
		return fn(ctx, c)
	})
}

// trigger does something before a statement that compares and acts.
type trigger struct{ do func() }

func (x *trigger) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	if x.do != nil && strings.Contains(q.SQL, "pg_try_advisory_xact_lock") {
		x.do()
	}
	return ctx
}

func (*trigger) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// traced acts through a connection of its own that can be broken at the right moment.
type traced struct{ url string }

func (d traced) Act(ctx context.Context, _, _ string, fn func(context.Context, *pgx.Conn) error) error {
	config, err := pgx.ParseConfig(d.url)
	if err != nil {
		return err
	}
	config.Tracer = &trigger{}
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_ = c.Close(ctx) // the link may be broken, which is what this is for
	}()
	return fn(ctx, c)
}

// A command whose answer never comes is in doubt, never refused. If it arrived, its effect is found; if it did not, it is proved that
// nothing happened, and it does nothing when it arrives after its deadline.
func TestDoubtIsResolvedByCheck(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.PostgresOptions{Standbys: -1})
	p := b.Primary
	link := testbed.Proxy(t, testbed.ProxyConfig{Target: p.Addr})
	for _, c := range []struct {
		name    string
		breakIt func()
		state   remediations.State
	}{
		{"the answer is lost", func() { link.Hold(testbed.FromTarget) }, remediations.Satisfied},
		{"the command is kept on the wire", func() { link.Hold(testbed.ToTarget) }, remediations.Absent},
	} {
		_, v := leaked(t, p, testbed.RoleApp, "checkout")
		o := order(t, "pg1", postgres.FixEndLeaked, b.ends(v))
		rem := remedy(t, b.fleet, broken{traced{testbed.PostgresURL(link.Addr, act, testbed.Database)}, c.breakIt})
		o.Deadline = time.Now().Add(time.Second)
		_, err := rem.Apply(t.Context(), o)
		if err == nil || errors.Is(err, remediations.ErrRefused) || !strings.Contains(err.Error(), "in doubt") {
			t.Errorf("%s: got %v, want it in doubt", c.name, err)
		}
		testbed.Await(t, patience, c.name, func() bool {
			p, err := b.rem.Check(t.Context(), o)
			return err == nil && p.State == c.state && time.Now().After(o.Deadline)
		})
		link.Heal()
		settled(t, b)
		if still := is(t, p, v); still != (c.state == remediations.Absent) {
			t.Errorf("%s: the session is there: %t, and check said %s", c.name, still, c.state)
		}
	}
}

// Our session is killed while the server waits for the victim, which hangs: in doubt. The signal was sent, and nobody can see that, so Check
// says absent as long as the victim is there. The same order again does nothing else; the victim ends when it wakes up.
func TestDoubtWhenOurSessionIsKilled(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.PostgresOptions{Standbys: -1})
	p := b.Primary
	_, v := leaked(t, p, testbed.RoleApp, "checkout")
	_, other := leaked(t, p, testbed.RoleApp, "checkout")
	o := order(t, "pg1", postgres.FixEndLeaked, b.ends(v))
	if err := p.SignalChild(v.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := b.rem.Apply(context.Background(), o)
		answered <- err
	}()
	own := "from pg_stat_activity where application_name = 'firebreak/" + o.Action + "' and wait_event = 'BackendTermination'"
	testbed.Await(t, patience, "our session to wait for the victim", func() bool {
		n, err := p.Ask("select count(*) " + own)
		return err == nil && n == "1"
	})
	p.Exec(t, "select pg_terminate_backend(pid, 5000) "+own)
	if err := <-answered; err == nil || errors.Is(err, remediations.ErrRefused) || !strings.Contains(err.Error(), "in doubt") {
		t.Errorf("got %v, want it in doubt", err)
	}
	checked(t, b.rem, o, remediations.Absent, "1 of 1")
	if err := p.SignalChild(v.PID, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	gone(t, p, v)
	checked(t, b.rem, o, remediations.Satisfied, "has gone")
	refused(t, b.rem, o, "gone already")
	if n := terminations(p, v); n != 1 || !is(t, p, other) {
		t.Errorf("the victim was ended %d times, and a bystander is as it was: %t", n, is(t, p, other))
	}
}

// settled waits until no session of the acting login is at work.
func settled(t *testing.T, b *bench) {
	t.Helper()
	testbed.Await(t, patience, "our own sessions to be idle", func() bool {
		n, err := b.Primary.Ask("select count(*) from pg_stat_activity where usename = '" + act + "' and state = 'active'")
		return err == nil && n == "0"
	})
}

// occupy takes one more connection. Those that were closed before go a moment later, so it may have to wait for one.
func occupy(t *testing.T, n *testbed.PostgresNode) {
	t.Helper()
	testbed.Await(t, patience, "a free connection", func() bool {
		conn, err := pgx.Connect(t.Context(), n.URL(testbed.RoleApp, testbed.Database))
		if err != nil {
			return false
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		return true
	})
}

// A server that does not let us in got nothing, and that is a refusal, with its reason; so is a caller that has gone.
func TestNotSentIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.PostgresOptions{Standbys: -1, Config: map[string]string{"max_connections": "8", "superuser_reserved_connections": "3"}})
	_, v := leaked(t, b.Primary, testbed.RoleApp, "checkout")
	o := order(t, "pg1", postgres.FixEndLeaked, b.ends(v))
	looks := b.open(t, act, nil)
	if err := looks.Look(t.Context(), "orders/pg1", func(context.Context, *pgx.Conn) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		occupy(t, b.Primary)
	}
	refused(t, b.rem, o, "nothing was sent")
	if _, err := b.rem.Apply(t.Context(), o); !errors.Is(err, fleet.ErrServerFull) {
		t.Errorf("got %v, want it to say that the server is full", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	canceled := remedy(t, looks, b.fleet)
	if _, err := canceled.Apply(ctx, o); !errors.Is(err, remediations.ErrRefused) {
		t.Errorf("apply of a caller that has gone: got %v", err)
	}
	if p, err := canceled.Check(ctx, o); err == nil || p.State != remediations.Unknown {
		t.Errorf("check of a caller that has gone: got %+v, %v", p, err)
	}
	if err := canceled.Revert(ctx, o, remediations.Receipt{}); err == nil {
		t.Error("revert of a caller that has gone: got no error")
	}
	checked(t, canceled, o, remediations.Absent, "1 of 1")
	if !is(t, b.Primary, v) {
		t.Error("the session was ended")
	}
}
