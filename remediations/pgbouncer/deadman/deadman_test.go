package deadman_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/internal/pgbouncer"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer/deadman"
)

// patience is how long anything may take on a busy machine.
const patience = 30 * time.Second

// bench is a real PgBouncer, and a folder for a dead-man beside it.
type bench struct {
	*testbed.PgBouncer
	t   *testing.T
	dir string
}

func TestDeadman(t *testing.T) {
	t.Parallel()
	postgres := testbed.StartPostgres(t, testbed.PostgresOptions{Standbys: -1})
	for name, test := range map[string]func(*testing.T, *bench){
		"ends on time": onTime, "renew": renews, "disarm": disarms, "one at a time": oneAtATime, "refuses to arm": refusesToArm,
		"left by a crash": leftByCrash, "left by a crash, pooler restarted": leftAndRestarted, "stopped in order": stopped,
		"pooler hangs": poolerHangs, "pooler is down": poolerDown, "unreadable state": unreadable, "state cannot be written": unwritable,
		"second": second, "token": tokens, "strangers": strangers,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testbed.StartPgBouncer(t, testbed.PgBouncerOptions{Target: postgres.Primary})
			test(t, &bench{PgBouncer: p, t: t, dir: testbed.Folder(t, "")})
		})
	}
}

// config is a dead-man for this pooler.
func (b *bench) config(user string) deadman.Config {
	b.t.Helper()
	host, port, _ := net.SplitHostPort(b.Addr)
	number, _ := strconv.Atoi(port)
	c, err := pgbouncer.New(pgbouncer.Config{Host: host, Port: number, SSLMode: "disable", User: user, Password: testbed.Password(user)})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(c.Close)
	return deadman.Config{Console: c, Listen: filepath.Join(b.dir, "socket"), State: b.state(), Log: zerolog.New(zerolog.NewTestWriter(b.t))}
}

func (b *bench) state() string { return filepath.Join(b.dir, "state") }

// run runs a dead-man until the test ends, or stop is called, which gives what Run returned.
func (b *bench) run(cfg deadman.Config) (d *deadman.Client, stop func() error) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	var running sync.WaitGroup
	var ended error
	running.Go(func() { ended = deadman.Run(ctx, cfg) })
	stop = func() error { cancel(); running.Wait(); return ended }
	b.t.Cleanup(func() { _ = stop() })
	d, err := deadman.NewClient(cfg.Listen, cfg.Token)
	if err != nil {
		b.t.Fatal(err)
	}
	testbed.Await(b.t, patience, "the dead-man to answer", func() bool {
		_, _, err := d.State(b.t.Context())
		return err == nil
	})
	return d, stop
}

func (b *bench) by(command string) {
	b.t.Helper()
	if _, err := b.Admin(command); err != nil {
		b.t.Fatal(err)
	}
}

// paused asks the pooler.
func (b *bench) paused() bool {
	b.t.Helper()
	rows, err := b.Admin("SHOW DATABASES")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, row := range rows {
		if row["name"] == "app" {
			return row["paused"] == "1"
		}
	}
	b.t.Fatal("there is no database app")
	return false
}

func (b *bench) awaitRun() {
	b.t.Helper()
	testbed.Await(b.t, patience, "the database to run", func() bool { return !b.paused() })
}

// arm arms, and pauses.
func (b *bench) arm(d *deadman.Client, span time.Duration) deadman.Armed {
	b.t.Helper()
	armed, err := d.Arm(b.t.Context(), "a1", "app", span)
	if err != nil {
		b.t.Fatal(err)
	}
	b.by("PAUSE app")
	return armed
}

func refused(t *testing.T, err error, because string) {
	t.Helper()
	if !errors.Is(err, deadman.ErrRefused) || !strings.Contains(err.Error(), because) {
		t.Errorf("got %v, want it refused: %s", err, because)
	}
}

func idle(t *testing.T, d *deadman.Client) {
	t.Helper()
	testbed.Await(t, patience, "nothing to be armed", func() bool {
		_, some, err := d.State(t.Context())
		return err == nil && !some
	})
}

// leave writes the state of a dead-man that was killed.
func (b *bench) leave(text string) {
	b.t.Helper()
	if err := os.WriteFile(b.state(), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

const left = `{"action":"a1","database":"app","until":"2026-01-02T03:04:05Z"}` + "\n"

// It resumes when the time is over, not before, and forgets it then.
func onTime(t *testing.T, b *bench) {
	d, _ := b.run(b.config("pgb_admin"))
	began := time.Now()
	const span = 4 * time.Second
	armed := b.arm(d, span)
	if armed.Action != "a1" || armed.Database != "app" || armed.Left <= 0 || armed.Left > span {
		t.Errorf("armed %+v", armed)
	}
	if _, err := os.Stat(b.state()); err != nil {
		t.Errorf("it was answered before it was written: %v", err)
	}
	b.awaitRun()
	if took := time.Since(began); took < span {
		t.Errorf("it was resumed after %s", took)
	}
	idle(t, d)
	if _, err := os.Stat(b.state()); err == nil {
		t.Error("the state is left behind")
	}
	b.by("PAUSE app") // a person's, which nobody ends
	if err := d.Disarm(t.Context(), "a1"); err != nil || !b.paused() {
		t.Errorf("got %v", err)
	}
}

// Renewing moves the end, as far as the cap; arming again does not.
func renews(t *testing.T, b *bench) {
	d, _ := b.run(b.config("pgb_admin"))
	first := b.arm(d, 5*time.Second)
	again, err := d.Arm(t.Context(), "a1", "app", 10*time.Second)
	if err != nil || !again.Until.Equal(first.Until) {
		t.Errorf("armed again: got %+v, %v, want %+v", again, err, first)
	}
	later, err := d.Renew(t.Context(), "a1", 10*time.Second)
	if err != nil || !later.Until.After(first.Until) {
		t.Errorf("renew: got %+v, %v", later, err)
	}
	most, err := d.Renew(t.Context(), "a1", deadman.MaxFor)
	if err != nil || most.Until.After(first.Until.Add(deadman.MaxFor-5*time.Second+time.Millisecond)) {
		t.Errorf("renew to the cap: got %+v, %v, want at most 15 s after %s was armed", most, err, first.Until)
	}
	_, err = d.Renew(t.Context(), "a2", time.Second)
	refused(t, err, "armed by action a1")
	if _, err := d.Renew(t.Context(), "a1", 100*time.Millisecond); err != nil {
		t.Error(err)
	}
	b.awaitRun()
	idle(t, d)
	_, err = d.Renew(t.Context(), "a1", time.Second)
	refused(t, err, "nothing is armed")
}

// What was disarmed is not resumed, and only who armed it can.
func disarms(t *testing.T, b *bench) {
	d, _ := b.run(b.config("pgb_admin"))
	b.arm(d, 4*time.Second)
	refused(t, d.Disarm(t.Context(), "a2"), "armed by action a1")
	for range 2 {
		if err := d.Disarm(t.Context(), "a1"); err != nil {
			t.Errorf("disarm: %v", err)
		}
	}
	if _, err := os.Stat(b.state()); err == nil {
		t.Error("the state is left behind")
	}
	over := time.After(5 * time.Second)
	for waiting := true; waiting; {
		select {
		case <-over:
			waiting = false
		default:
			if !b.paused() {
				t.Fatal("what was disarmed was resumed")
			}
		}
	}
}

// Another action's, and another database, are refused while something is armed.
func oneAtATime(t *testing.T, b *bench) {
	d, _ := b.run(b.config("pgb_admin"))
	first, err := d.Arm(t.Context(), "a1", "app", 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Arm(t.Context(), "a2", "app", time.Second)
	refused(t, err, "armed by action a1 for database app")
	_, err = d.Arm(t.Context(), "a1", "other", time.Second)
	refused(t, err, "armed by action a1 for database app")
	again, err := d.Arm(t.Context(), "a1", "app", deadman.MaxFor)
	if err != nil || !again.Until.Equal(first.Until) || again.Left >= 10*time.Second {
		t.Errorf("the same again: got %+v, %v, want %+v", again, err, first)
	}
}

// It promises nothing that it could not keep, and nothing about somebody else's pause.
func refusesToArm(t *testing.T, b *bench) {
	looker, stop := b.run(b.config("pgb_stats"))
	_, err := looker.Arm(t.Context(), "a1", "app", time.Second)
	refused(t, err, "pgb_stats is not in admin_users")
	if err := stop(); err != nil {
		t.Error(err)
	}
	d, _ := b.run(b.config("pgb_admin"))
	_, err = d.Arm(t.Context(), "a1", "ap", time.Second)
	refused(t, err, "there is no database")
	_, err = d.Arm(t.Context(), "", "app", time.Second)
	refused(t, err, "an action and a database are needed")
	for _, span := range []time.Duration{0, -time.Second, deadman.MaxFor + time.Millisecond} {
		_, err = d.Arm(t.Context(), "a1", "app", span)
		refused(t, err, "for_ms")
	}
	b.by("PAUSE app")
	_, err = d.Arm(t.Context(), "a1", "app", time.Second)
	refused(t, err, "paused already")
	b.by("RESUME app")
	b.by("DISABLE app")
	_, err = d.Arm(t.Context(), "a1", "app", time.Second)
	refused(t, err, "is disabled")
	b.by("ENABLE app")
	b.Kill9()
	_, err = d.Arm(t.Context(), "a1", "app", time.Second)
	refused(t, err, "cannot be looked at")
	idle(t, d)
	if _, err := os.Stat(b.state()); err == nil {
		t.Error("a state was written")
	}
}

// What was armed when it was killed is resumed first thing, whether its time has come or not.
func leftByCrash(t *testing.T, b *bench) {
	b.by("PAUSE app")
	b.leave(strings.Replace(left, "2026", "2999", 1))
	d, _ := b.run(b.config("pgb_admin"))
	if b.paused() {
		t.Error("it answers, and the database is paused")
	}
	idle(t, d)
	if _, err := os.Stat(b.state()); err == nil {
		t.Error("the state is left behind")
	}
}

// What runs by then, or is no database any more, is done.
func leftAndRestarted(t *testing.T, b *bench) {
	b.leave(left)
	d, stop := b.run(b.config("pgb_admin"))
	idle(t, d)
	if err := stop(); err != nil {
		t.Error(err)
	}
	b.leave(strings.Replace(left, "app", "gone", 1))
	d, _ = b.run(b.config("pgb_admin"))
	idle(t, d)
}

// One that is stopped in order leaves nothing paused.
func stopped(t *testing.T, b *bench) {
	d, stop := b.run(b.config("pgb_admin"))
	b.arm(d, 10*time.Second)
	if err := stop(); err != nil || b.paused() {
		t.Errorf("got %v, and the database is paused: %t", err, b.paused())
	}
	if _, err := os.Stat(b.state()); err == nil {
		t.Error("the state is left behind")
	}
}

// A pooler that hangs is asked until it answers; nothing can be renewed by then.
func poolerHangs(t *testing.T, b *bench) {
	d, _ := b.run(b.config("pgb_admin"))
	b.arm(d, 4*time.Second)
	b.Signal(syscall.SIGSTOP)
	testbed.Await(t, patience, "the time to be over", func() bool {
		_, err := d.Renew(t.Context(), "a1", time.Second)
		return errors.Is(err, deadman.ErrRefused)
	})
	_, err := d.Renew(t.Context(), "a1", time.Second)
	refused(t, err, "is being resumed")
	refused(t, d.Disarm(t.Context(), "a1"), "is being resumed")
	b.Signal(syscall.SIGCONT)
	b.awaitRun()
	idle(t, d)
}

// A pooler that is down, and comes back, runs; a dead-man that is stopped meanwhile says what it leaves, and the next one ends it.
func poolerDown(t *testing.T, b *bench) {
	d, stop := b.run(b.config("pgb_admin"))
	b.arm(d, 10*time.Second)
	b.Kill9()
	if err := stop(); err == nil || !strings.Contains(err.Error(), "database app is left paused by action a1") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(b.state()); err != nil {
		t.Errorf("it has forgotten: %v", err)
	}
	if err := b.Restart(); err != nil {
		t.Fatal(err)
	}
	d, _ = b.run(b.config("pgb_admin"))
	idle(t, d)
}

// A state that cannot be read may have been something: it does not run.
func unreadable(t *testing.T, b *bench) {
	for _, text := range []string{"", "{", `{"action":"a1"}`, `{"database":"app"}`} {
		b.leave(text)
		if err := deadman.Run(t.Context(), b.config("pgb_admin")); err == nil || !strings.Contains(err.Error(), "look whether a database is paused") {
			t.Errorf("%q: got %v, want an error", text, err)
		}
	}
}

// What cannot be written is not promised.
func unwritable(t *testing.T, b *bench) {
	cfg := b.config("pgb_admin")
	cfg.State = filepath.Join(b.dir, "folder", "state")
	d, _ := b.run(cfg)
	_, err := d.Arm(t.Context(), "a1", "app", time.Second)
	refused(t, err, "write state")
	idle(t, d)
}

// A second one does not begin, and leaves the first one's alone; a socket that nobody answers on is taken over.
func second(t *testing.T, b *bench) {
	cfg := b.config("pgb_admin")
	l, err := net.Listen("unix", cfg.Listen)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	d, _ := b.run(cfg)
	b.arm(d, 10*time.Second)
	if err := deadman.Run(t.Context(), b.config("pgb_admin")); err == nil || !strings.Contains(err.Error(), "another one answers there") {
		t.Errorf("got %v, want that another one answers", err)
	}
	if armed, some, err := d.State(t.Context()); err != nil || !some || armed.Action != "a1" || !b.paused() {
		t.Errorf("got %+v, %t, %v", armed, some, err)
	}
	if info, err := os.Stat(cfg.Listen); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is for others: %v, %v", info.Mode(), err)
	}
}

// On a port nobody is answered without the token.
func tokens(t *testing.T, b *bench) {
	cfg := b.config("pgb_admin")
	cfg.Listen, cfg.Token = "tcp://"+testbed.Addr(t), "secret"
	d, _ := b.run(cfg)
	if _, err := d.Arm(t.Context(), "a1", "app", 10*time.Second); err != nil {
		t.Error(err)
	}
	wrong, err := deadman.NewClient(cfg.Listen, "guess")
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = wrong.State(t.Context())
	refused(t, err, "wrong token")
	refused(t, wrong.Disarm(t.Context(), "a1"), "wrong token")
	for _, listen := range []string{"tcp://0.0.0.0:1", "tcp://10.0.0.1:1", "tcp://localhost:1", "tcp://127.0.0.1", "socket", ""} {
		if _, err := deadman.NewClient(listen, "secret"); err == nil {
			t.Errorf("%q was taken for an address", listen)
		}
	}
	if _, err := deadman.NewClient("tcp://127.0.0.1:1", ""); err == nil {
		t.Error("a port was taken without a token")
	}
}

// What is no request is refused in words, whatever it is, and keeps nobody else waiting.
func strangers(t *testing.T, b *bench) {
	cfg := b.config("pgb_admin")
	d, _ := b.run(cfg)
	silent, err := net.Dial("unix", cfg.Listen) // says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for line, because := range map[string]string{
		"\n": "EOF", "{}\n": "there is no request", `{"do":"kill"}` + "\n": "there is no request", `{"do":"state","x":1}` + "\n": "unknown field",
		`{"do":"state"} {}` + "\n": "something follows", strings.Repeat("x", 5000) + "\n": "longer than",
	} {
		conn, err := net.Dial("unix", cfg.Listen)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte(line))
		answer := make([]byte, 8<<10)
		n, _ := conn.Read(answer)
		_ = conn.Close()
		if got := string(answer[:n]); !strings.HasPrefix(got, `{"ok":false,"error":`) || !strings.Contains(got, because) {
			t.Errorf("%.40q: got %q, want %q", line, got, because)
		}
	}
	if _, _, err := d.State(t.Context()); err != nil {
		t.Error(err)
	}
}
