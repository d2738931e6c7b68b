package pgbouncer_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer/deadman"
)

func TestPause(t *testing.T) {
	t.Parallel()
	pg := postgres(t)
	for name, test := range map[string]func(*testing.T, *bench){
		"holds clients": pauses, "dead-man ends it": endsItself, "no dead-man": noDeadman, "open transaction": openTransaction,
		"person's pause": personsPause, "person resumes": personResumes, "paused in the same moment": pausedMeanwhile, "query_wait_timeout": waitTimeout,
		"rights": pauseRights, "lost answer": pauseLost, "hung": pauseHung, "restart": pauseRestart, "dead-man gone": deadmanGone,
		"dead-man gone meanwhile": deadmanGoneMeanwhile, "paused after arming": pausedAfterArming,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t, pg))
		})
	}
}

// guard is a dead-man beside the pooler, in this process. stop ends it in order.
func guard(t *testing.T, b *bench) (d *deadman.Client, stop func()) {
	t.Helper()
	return guardAt(t, b, filepath.Join(testbed.Folder(t, ""), "deadman.sock"))
}

func guardAt(t *testing.T, b *bench, socket string) (d *deadman.Client, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		err := deadman.Run(ctx, deadman.Config{Console: consoleAt(t, b.Addr, "pgb_admin"), Listen: socket,
			State: filepath.Join(filepath.Dir(socket), "state"), Log: zerolog.Nop()})
		if err != nil {
			t.Errorf("dead-man: %v", err)
		}
	})
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	d, err := deadman.NewClient(socket, "")
	if err != nil {
		t.Fatal(err)
	}
	testbed.Await(t, patience, "the dead-man to answer", func() bool {
		_, _, err := d.State(t.Context())
		return err == nil
	})
	return d, stop
}

func pauseOrder(action string) remediations.Order {
	return order(step(pgbouncer.FixPause, app), action)
}

// runs says that the database runs, and that nothing is armed.
func runs(t *testing.T, b *bench, d *deadman.Client) {
	t.Helper()
	if got := b.shows("app", "paused"); got != "0" {
		t.Errorf("after all paused is %s", got)
	}
	if armed, some, err := d.State(t.Context()); err != nil || some {
		t.Errorf("after all the dead-man says %+v, %v", armed, err)
	}
}

// Clients wait while it is paused, and go on when it was taken back; the same order twice is one pause.
func pauses(t *testing.T, b *bench) {
	d, _ := guard(t, b)
	r := b.poolers("pgb_admin", d)
	session := b.SimpleSession(t, testbed.RoleApp)
	if _, err := session.Exec(t.Context(), "select 1"); err != nil {
		t.Fatal(err)
	}
	o := pauseOrder("a1")
	is(t, r, o, remediations.Absent, "not paused")
	says(t, mustApply(t, r, o).Note, "database app is paused; it is resumed within")
	says(t, mustApply(t, r, o).Note, "it was so already")
	is(t, r, o, remediations.Ours, "paused by us")
	done := make(chan error, 1)
	go func() { _, err := session.Exec(t.Context(), "select 1"); done <- err }()
	testbed.Await(t, patience, "a client to wait", func() bool {
		pool, err := b.ShowPool(testbed.RoleApp)
		return err == nil && pool["cl_waiting"] == "1"
	})
	for range 2 {
		mustRevert(t, r, o)
	}
	if err := <-done; err != nil {
		t.Errorf("the client that waited got %v", err)
	}
	if n := b.wire.count("PAUSE"); n != 1 {
		t.Errorf("%d were sent", n)
	}
	is(t, r, o, remediations.Absent, "not paused")
	runs(t, b, d)
}

// Nobody takes it back, and it ends on time all the same.
func endsItself(t *testing.T, b *bench) {
	d, _ := guard(t, b)
	r := b.poolers("pgb_admin", d)
	o := pauseOrder("a1")
	o.TTL = policy.Duration(2 * time.Second)
	mustApply(t, r, o)
	testbed.Await(t, patience, "the dead-man to resume", func() bool { return b.shows("app", "paused") == "0" })
	is(t, r, o, remediations.Absent, "not paused")
	mustRevert(t, r, o)
}

// Without a dead-man that answers nothing is paused.
func noDeadman(t *testing.T, b *bench) {
	d, stop := guard(t, b)
	stop()
	_, err := b.poolers("pgb_admin", d).Apply(t.Context(), pauseOrder("a1"))
	refused(t, err, "no dead-man is armed")
	_, err = b.admin().Apply(t.Context(), pauseOrder("a1"))
	refused(t, err, "there is no dead-man")
	if n := b.wire.count(""); n != 0 {
		t.Errorf("%d commands were sent", n)
	}
}

// An open transaction keeps it from being paused in time; it is resumed at once, and the transaction goes on.
func openTransaction(t *testing.T, b *bench) {
	d, _ := guard(t, b)
	r := b.poolers("pgb_admin", d)
	session := b.SimpleSession(t, testbed.RoleApp)
	if _, err := session.Exec(t.Context(), "begin; select 1"); err != nil {
		t.Fatal(err)
	}
	o := pauseOrder("a1")
	o.Timeout = policy.Duration(2 * time.Second)
	_, err := r.Apply(t.Context(), o)
	doubtful(t, err, "was resumed at once")
	is(t, r, o, remediations.Absent, "not paused")
	runs(t, b, d)
	if _, err := session.Exec(t.Context(), "commit"); err != nil {
		t.Errorf("the transaction got %v", err)
	}
}

// A pause of a person, before ours or instead of it, is foreign and is left alone; so is another action's.
func personsPause(t *testing.T, b *bench) {
	d, _ := guard(t, b)
	r := b.poolers("pgb_admin", d)
	b.by("PAUSE app")
	o := pauseOrder("a1")
	is(t, r, o, remediations.Foreign, "not by this action")
	_, err := r.Apply(t.Context(), o)
	refused(t, err, "it changed since it was seen")
	if err := r.Revert(t.Context(), o, remediations.Receipt{}); !errors.Is(err, remediations.ErrNotOurs) {
		t.Errorf("revert: got %v, want ErrNotOurs", err)
	}
	if got := b.shows("app", "paused"); got != "1" {
		t.Errorf("after all paused is %s", got)
	}
	b.by("RESUME app")
	mustApply(t, r, o)
	other := pauseOrder("a2")
	is(t, r, other, remediations.Foreign, "not by this action")
	if err := r.Revert(t.Context(), other, remediations.Receipt{}); !errors.Is(err, remediations.ErrNotOurs) {
		t.Errorf("revert of another's: got %v, want ErrNotOurs", err)
	}
	b.by("DISABLE app")
	is(t, r, o, remediations.Foreign, "is disabled")
	b.by("ENABLE app")
	mustRevert(t, r, o)
	runs(t, b, d)
}

// A person who resumes ends it: nothing is to be taken back, and the dead-man forgets it, so that the person's next pause stands.
func personResumes(t *testing.T, b *bench) {
	d, _ := guard(t, b)
	r := b.poolers("pgb_admin", d)
	o := pauseOrder("a1")
	mustApply(t, r, o)
	b.by("RESUME app")
	is(t, r, o, remediations.Absent, "not paused")
	mustRevert(t, r, o)
	runs(t, b, d)
	b.by("PAUSE app")
	is(t, r, o, remediations.Foreign, "not by this action")
	b.by("RELOAD")
	if got := b.shows("app", "paused"); got != "1" {
		t.Errorf("after a reload paused is %s", got)
	}
}

// The dead-man lets no second action in, and none over a person's pause.
func pausedMeanwhile(t *testing.T, b *bench) {
	d, _ := guard(t, b)
	o := pauseOrder("a1")
	if _, err := d.Arm(t.Context(), "a1", "app", 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Arm(t.Context(), "a2", "app", 10*time.Second); !errors.Is(err, deadman.ErrRefused) {
		t.Errorf("another action: got %v, want it refused", err)
	}
	if err := d.Disarm(t.Context(), "a1"); err != nil {
		t.Error(err)
	}
	b.by("PAUSE app")
	if _, err := d.Arm(t.Context(), "a1", "app", 10*time.Second); !errors.Is(err, deadman.ErrRefused) {
		t.Errorf("over a person's pause: got %v, want it refused", err)
	}
	r := b.poolers("pgb_admin", d)
	is(t, r, o, remediations.Foreign, "not by this action")
	b.by("RESUME app")

	// This is the race that stays, as it is written down: between our last look and our PAUSE a person's is taken for ours.
	b.wire.meeting(func(string) { _, _ = b.Admin("PAUSE app") })
	mustApply(t, r, o)
	b.wire.meeting(nil)
	is(t, r, o, remediations.Ours, "paused by us")
	mustRevert(t, r, o)
	runs(t, b, d)
}

// A person who pauses after the dead-man was armed, and before our last look, is seen: nothing is sent, and theirs is not ended.
func pausedAfterArming(t *testing.T, b *bench) {
	socket := filepath.Join(testbed.Folder(t, ""), "deadman.sock")
	d, _ := guardAt(t, b, socket)
	hooked, err := deadman.NewClient(hook(t, socket, func(request string) {
		if strings.Contains(request, `"do":"arm"`) {
			_, _ = b.Admin("PAUSE app")
		}
	}), "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.poolers("pgb_admin", hooked).Apply(t.Context(), pauseOrder("a1"))
	refused(t, err, "was paused or disabled by somebody since it was seen")
	if _, some, err := d.State(t.Context()); err != nil || some {
		t.Errorf("something is armed still, %v", err)
	}
	if b.shows("app", "paused") != "1" || b.wire.count("") != 0 {
		t.Errorf("after all paused is %s, and %d commands were sent", b.shows("app", "paused"), b.wire.count(""))
	}
}

// hook is another address of a dead-man, at which after is called between its answer and who asked.
func hook(t *testing.T, socket string, after func(request string)) string {
	t.Helper()
	l, err := net.Listen("unix", socket+".hook")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); running.Wait() })
	running.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			request, _ := bufio.NewReader(from).ReadString('\n')
			if to, err := net.Dial("unix", socket); err == nil {
				_, _ = io.WriteString(to, request)
				answer, _ := io.ReadAll(to)
				_ = to.Close()
				after(request)
				_, _ = from.Write(answer)
			}
			_ = from.Close()
		}
	})
	return socket + ".hook"
}

// A dead-man that has gone while the PAUSE was on its way holds nothing: it is resumed at once.
func deadmanGoneMeanwhile(t *testing.T, b *bench) {
	d, stop := guard(t, b)
	r := b.poolers("pgb_admin", d)
	var once sync.Once
	b.wire.meeting(func(string) { once.Do(stop) })
	_, err := r.Apply(t.Context(), pauseOrder("a1"))
	doubtful(t, err, "was resumed at once: after the PAUSE the dead-man does not hold it")
	if got := b.shows("app", "paused"); got != "0" || b.wire.count("RESUME") != 1 {
		t.Errorf("after all paused is %s", got)
	}
}

// It never stands for longer than a quarter of what clients wait at most.
func waitTimeout(t *testing.T, b *bench) {
	d, _ := guard(t, b)
	r := b.poolers("pgb_admin", d)
	b.by("SET query_wait_timeout = 39")
	_, err := r.Apply(t.Context(), pauseOrder("a1"))
	refused(t, err, "waiting clients are sent away after 39s, so it may be paused for 9.75s, not 10s")
	b.by("SET query_wait_timeout = 0") // they wait for ever
	o := pauseOrder("a1")
	mustApply(t, r, o)
	mustRevert(t, r, o)
	runs(t, b, d)
}

// Who may only look pauses nothing, and leaves nothing armed.
func pauseRights(t *testing.T, b *bench) {
	d, _ := guard(t, b)
	_, err := b.poolers("pgb_stats", d).Apply(t.Context(), pauseOrder("a1"))
	refused(t, err, "not in admin_users")
	runs(t, b, d)
	if n := b.wire.count(""); n != 0 {
		t.Errorf("%d commands were sent", n)
	}
}

// An answer that never came: it is resumed at once, if that can be heard; and if not, the dead-man shows whose it is, and ends it.
func pauseLost(t *testing.T, b *bench) {
	d, _ := guard(t, b)
	r := b.poolers("pgb_admin", d)
	o := pauseOrder("a1")
	o.Timeout = policy.Duration(2 * time.Second)
	b.wire.muted(func() {
		_, err := r.Apply(t.Context(), o)
		doubtful(t, err, "could not be resumed, which the dead-man does")
	})
	o.Timeout = policy.Duration(5 * time.Second)
	is(t, r, o, remediations.Absent, "not paused") // the RESUME arrived, too
	mustRevert(t, r, o)
	runs(t, b, d)
}

// A pooler that hangs with the PAUSE on its way carries it out late; the dead-man asks until it is answered.
func pauseHung(t *testing.T, b *bench) {
	d, _ := guard(t, b)
	r := b.poolers("pgb_admin", d)
	is(t, r, pauseOrder("a1"), remediations.Absent, "not paused")
	b.wire.meeting(func(command string) {
		if command == `PAUSE "app"` {
			b.Signal(syscall.SIGSTOP)
		}
	})
	o := pauseOrder("a1")
	o.TTL, o.Timeout = policy.Duration(8*time.Second), policy.Duration(1500*time.Millisecond)
	_, err := r.Apply(t.Context(), o)
	doubtful(t, err, "which the dead-man does when its time is over")
	b.Signal(syscall.SIGCONT)
	testbed.Await(t, patience, "the dead-man to resume", func() bool {
		_, some, err := d.State(t.Context())
		return err == nil && !some && b.shows("app", "paused") == "0"
	})
	o.Timeout = policy.Duration(5 * time.Second)
	is(t, r, o, remediations.Absent, "not paused")
}

// A restart of the pooler ends it by itself.
func pauseRestart(t *testing.T, b *bench) {
	d, _ := guard(t, b)
	r := b.poolers("pgb_admin", d)
	o := pauseOrder("a1")
	mustApply(t, r, o)
	b.Kill9()
	if err := r.Revert(t.Context(), o, remediations.Receipt{}); err == nil {
		t.Error("revert at a dead pooler: got no error")
	}
	if err := b.Restart(); err != nil {
		t.Fatal(err)
	}
	is(t, r, o, remediations.Absent, "not paused")
	mustRevert(t, r, o)
	runs(t, b, d)
}

// When the dead-man does not answer any more, what we paused is presumed ours for its time and a little longer, and can be taken back;
// after that it is nobody's, and a person has to look.
func deadmanGone(t *testing.T, b *bench) {
	d, stop := guard(t, b)
	r := b.poolers("pgb_admin", d)
	o := pauseOrder("a1")
	mustApply(t, r, o)
	stop() // which resumes it
	if got := b.shows("app", "paused"); got != "0" {
		t.Errorf("a dead-man that is stopped leaves it paused: %s", got)
	}
	b.by("PAUSE app") // as one that was killed would have left it
	old := o
	old.Until = time.Now().Add(-2 * time.Minute)
	if p, err := r.Check(t.Context(), old); err == nil || p.State != remediations.Unknown {
		t.Errorf("long after: got %+v, %v, want unknown", p, err)
	}
	if err := r.Revert(t.Context(), old, remediations.Receipt{}); err == nil || b.shows("app", "paused") != "1" {
		t.Errorf("long after: got %v, want an error, and nothing done", err)
	}
	is(t, r, o, remediations.Ours, "presumed by us")
	mustRevert(t, r, o)
	if got := b.shows("app", "paused"); got != "0" {
		t.Errorf("after all paused is %s", got)
	}
}
