package bus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
)

func agenda(t *testing.T, b *bus.Bus) *bus.Agenda {
	t.Helper()
	a, err := b.Agenda(within(t), "agenda")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// call is one time that a key was handed out.
type call struct {
	key string
	at  time.Time
}

// serve runs an agenda and tells of every call after fn.
func serve(t *testing.T, a *bus.Agenda, fn func(context.Context, string) error) (calls <-chan call, stop func()) {
	t.Helper()
	out := make(chan call, 1000)
	return out, running(t, func(ctx context.Context) error {
		return a.Run(ctx, 4, []string{"storm."}, func(ctx context.Context, key string) error {
			at := time.Now()
			err := fn(ctx, key)
			out <- call{key, at}
			return err
		})
	})
}

// clearing takes each key out as soon as it is handed out.
func clearing(a *bus.Agenda) func(context.Context, string) error {
	return func(ctx context.Context, key string) error { return a.Clear(ctx, key) }
}

func set(t *testing.T, a *bus.Agenda, key string, due time.Time) {
	t.Helper()
	if err := a.Set(within(t), key, due); err != nil {
		t.Fatal(err)
	}
}

// A key comes when it is due and not before, in the order of the due times; what was moved comes at its last time.
func TestAgendaDue(t *testing.T) {
	t.Parallel()
	a := agenda(t, open(t, bus.Config{}))
	now := time.Now()
	dues := map[string]time.Time{
		"storm.moved": now.Add(400 * time.Millisecond), "storm.late": now.Add(300 * time.Millisecond), "storm.soon": now.Add(150 * time.Millisecond),
	}
	set(t, a, "storm.moved", now.Add(time.Hour))
	set(t, a, "other.handler", now)
	for key, due := range dues {
		set(t, a, key, due)
	}
	calls, _ := serve(t, a, clearing(a))
	for _, want := range []string{"storm.soon", "storm.late", "storm.moved"} {
		got := <-calls
		if got.key != want || got.at.Before(dues[got.key]) {
			t.Errorf("got %s %s before it is due, want %s", got.key, dues[got.key].Sub(got.at), want)
		}
	}
	if n := len(calls); n > 0 {
		t.Errorf("got %d more calls, want none", n)
	}
}

// A nudge makes a key due at once; it is not stored, so the agenda knows only what was set.
func TestAgendaNudge(t *testing.T) {
	t.Parallel()
	a := agenda(t, open(t, bus.Config{}))
	set(t, a, "storm.a", time.Now().Add(time.Hour))
	calls, _ := serve(t, a, clearing(a))
	a.Nudge("storm.a")
	if got := <-calls; got.key != "storm.a" {
		t.Errorf("got %s, want storm.a", got.key)
	}
	eventually(t, "the key is gone", func() bool { return !a.Knows("storm.a") && a.Count("storm.") == 0 })
	b := agenda(t, open(t, bus.Config{}))
	b.Nudge("storm.b")
	if b.Knows("storm.b") {
		t.Error("got a nudged key that the agenda knows, want one that was never set")
	}
}

// A nudge that comes while its key is being worked on is not lost.
func TestAgendaNudgeInHand(t *testing.T) {
	t.Parallel()
	a := agenda(t, open(t, bus.Config{}))
	begun, finish := make(chan struct{}, 2), make(chan struct{}, 2)
	calls, _ := serve(t, a, func(ctx context.Context, key string) error {
		begun <- struct{}{}
		<-finish
		return a.Set(ctx, key, time.Now().Add(time.Hour))
	})
	set(t, a, "storm.a", time.Now())
	<-begun
	a.Nudge("storm.a")
	finish <- struct{}{}
	<-calls
	<-begun // again, although it was moved by an hour
	finish <- struct{}{}
	<-calls
}

// What was cleared does not come again, whatever the watch still has to tell.
func TestAgendaClear(t *testing.T) {
	t.Parallel()
	a := agenda(t, open(t, bus.Config{}))
	counts := map[string]int{}
	calls, stop := serve(t, a, clearing(a))
	const n = 50
	for i := range n {
		set(t, a, fmt.Sprintf("storm.%d", i), time.Now())
	}
	for range n {
		counts[(<-calls).key]++
	}
	set(t, a, "storm.last", time.Now().Add(300*time.Millisecond))
	for c := range calls {
		if c.key == "storm.last" {
			break
		}
		counts[c.key]++
	}
	stop()
	for key, times := range counts {
		if times != 1 {
			t.Errorf("%s: got %d calls, want one", key, times)
		}
	}
	if open, err := a.Open(within(t)); err != nil || len(open) != 0 || a.Count("") != 0 {
		t.Errorf("got %v open and %d counted, %v, want none", open, a.Count(""), err)
	}
	set(t, a, "storm.0", time.Now().Add(time.Hour)) // a key may come back
	if !a.Knows("storm.0") || a.Count("storm.") != 1 {
		t.Error("got a key that was set again and is not known")
	}
}

// The agenda outlives the process: what became due meanwhile comes at once.
func TestAgendaReopen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, bus.Config{Dir: dir})
	a := agenda(t, b)
	set(t, a, "storm.overdue", time.Now().Add(-time.Hour))
	set(t, a, "storm.later", time.Now().Add(time.Hour))
	b.Close()
	a = agenda(t, open(t, bus.Config{Dir: dir}))
	calls, _ := serve(t, a, clearing(a))
	if got := <-calls; got.key != "storm.overdue" {
		t.Errorf("got %s, want storm.overdue", got.key)
	}
	if got, err := a.Open(within(t)); err != nil || len(got) != 1 || got["storm.later"].IsZero() {
		t.Errorf("got %v open, %v, want storm.later", got, err)
	}
}

// Work that fails comes again, later and later; work that says nothing does not make the agenda spin.
func TestAgendaAgain(t *testing.T) {
	t.Parallel()
	a := agenda(t, open(t, bus.Config{}))
	var failures atomic.Int32
	calls, _ := serve(t, a, func(ctx context.Context, key string) error {
		if key == "storm.idle" {
			return nil
		}
		if failures.Add(1) < 3 {
			return errors.New("not yet")
		}
		return a.Clear(ctx, key)
	})
	set(t, a, "storm.failing", time.Now())
	set(t, a, "storm.idle", time.Now())
	at := map[string][]time.Time{}
	for len(at["storm.failing"]) < 3 || len(at["storm.idle"]) < 3 {
		c := <-calls
		at[c.key] = append(at[c.key], c.at)
	}
	gap := func(key string, i int) time.Duration { return at[key][i+1].Sub(at[key][i]) }
	if gap("storm.failing", 0) < 450*time.Millisecond || gap("storm.failing", 1) < 900*time.Millisecond {
		t.Errorf("got the failing key after %s and %s, want half a second and one", gap("storm.failing", 0), gap("storm.failing", 1))
	}
	if gap("storm.idle", 0) < 900*time.Millisecond || gap("storm.idle", 1) < 900*time.Millisecond {
		t.Errorf("got the idle key after %s and %s, want a second", gap("storm.idle", 0), gap("storm.idle", 1))
	}
}

// Two replicas share one agenda: a key is in one hand at a time, and none is left out.
func TestAgendaShared(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{Listen: "127.0.0.1:0", Token: "0123456789abcdef", Name: "one"})
	url := strings.Replace(b.ClientURL(), "nats://", "nats://0123456789abcdef@", 1)
	replicas := []*bus.Agenda{agenda(t, b), agenda(t, open(t, bus.Config{URL: url, Name: "two"}))}
	const keys, rounds = 10, 3
	var mu sync.Mutex
	inHand, done := map[string]int{}, map[string]int{}
	for _, a := range replicas {
		serve(t, a, func(ctx context.Context, key string) error {
			mu.Lock()
			inHand[key]++
			if inHand[key] > 1 {
				t.Errorf("%s is in two hands at once", key)
			}
			done[key]++
			last := done[key] >= rounds
			mu.Unlock()
			defer func() { mu.Lock(); inHand[key]--; mu.Unlock() }()
			if last {
				return a.Clear(ctx, key)
			}
			return a.Set(ctx, key, time.Now().Add(20*time.Millisecond))
		})
	}
	for i := range keys {
		set(t, replicas[i%2], fmt.Sprintf("storm.%d", i), time.Now().Add(50*time.Millisecond))
	}
	eventually(t, "all keys are done", func() bool {
		mu.Lock()
		defer mu.Unlock()
		for i := range keys {
			if done[fmt.Sprintf("storm.%d", i)] < rounds {
				return false
			}
		}
		return true
	})
	eventually(t, "both replicas know it", func() bool { return replicas[0].Count("")+replicas[1].Count("") == 0 })
}

// A stop waits for the work in hand, which keeps a living context, and hands out nothing more.
func TestAgendaStops(t *testing.T) {
	t.Parallel()
	a := agenda(t, open(t, bus.Config{}))
	begun, finish := make(chan struct{}, 10), make(chan struct{})
	var ended atomic.Value
	_, stop := serve(t, a, func(ctx context.Context, key string) error {
		begun <- struct{}{}
		<-finish
		ended.Store(fmt.Sprint(ctx.Err()))
		return a.Set(ctx, key, time.Now().Add(time.Hour))
	})
	set(t, a, "storm.a", time.Now())
	<-begun
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	close(finish)
	<-stopped
	if got := ended.Load(); got != "<nil>" {
		t.Errorf("got context %v at the end of the work in hand, want a living one", got)
	}
	if got, err := a.Open(within(t)); err != nil || time.Until(got["storm.a"]) < 50*time.Minute {
		t.Errorf("got %v open, %v, want the key in an hour", got, err)
	}
}

// An agenda that is stopped with its hands full hands the waiting keys out when it runs again.
func TestAgendaRunsAgain(t *testing.T) {
	t.Parallel()
	a := agenda(t, open(t, bus.Config{}))
	const n = 6 // two more than there are hands
	begun, finish := make(chan struct{}, n), make(chan struct{})
	_, stop := serve(t, a, func(ctx context.Context, key string) error {
		begun <- struct{}{}
		<-finish
		return a.Clear(ctx, key)
	})
	for i := range n {
		set(t, a, fmt.Sprintf("storm.%d", i), time.Now())
	}
	for range 4 {
		<-begun
	}
	go close(finish)
	stop()
	running(t, func(ctx context.Context) error { return a.Run(ctx, 4, []string{"storm."}, clearing(a)) })
	eventually(t, "all keys are done", func() bool { return a.Count("storm.") == 0 })
}

// A nudge stands until it is followed: what another replica entered before does not put it off.
func TestAgendaNudgeStands(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	a, other := agenda(t, b), agenda(t, b)
	finish := make(chan struct{})
	got := make(chan string, 10)
	running(t, func(ctx context.Context) error {
		return a.Run(ctx, 1, []string{"storm."}, func(ctx context.Context, key string) error {
			got <- key
			<-finish
			return a.Clear(ctx, key)
		})
	})
	set(t, a, "storm.0", time.Now().Add(-time.Hour))
	if key := <-got; key != "storm.0" {
		t.Fatalf("got %s, want storm.0", key)
	}
	set(t, a, "storm.1", time.Now().Add(-time.Minute)) // the next one, which waits for a hand
	a.Nudge("storm.2")
	set(t, other, "storm.2", time.Now().Add(time.Hour))
	eventually(t, "it is known", func() bool { return a.Knows("storm.2") })
	hasty, cancel := context.WithTimeout(within(t), 20*time.Millisecond)
	defer cancel()
	if a.AwaitEntry(hasty, "storm.2") {
		t.Error("got that the nudged key was worked on, want that it waits")
	}
	close(finish)
	for range 2 {
		select {
		case key := <-got:
			if key != "storm.1" && key != "storm.2" {
				t.Errorf("got %s, want storm.1 and storm.2", key)
			}
		case <-time.After(patience):
			t.Fatal("waited in vain for a nudged key")
		}
	}
	if !a.AwaitEntry(within(t), "storm.2") {
		t.Error("got that the key waits, want that it was worked on")
	}
}

// A key that is entered again while it is being taken out is not forgotten, whatever comes first.
func TestAgendaClearAndSet(t *testing.T) {
	t.Parallel()
	a := agenda(t, open(t, bus.Config{}))
	serve(t, a, clearing(a))
	for round := range 40 {
		key := fmt.Sprintf("storm.%d", round)
		set(t, a, key, time.Now())
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { set(t, a, key, time.Now()) })
		}
		wg.Wait()
	}
	eventually(t, "every key is taken out", func() bool {
		left, err := a.Open(within(t))
		return err == nil && len(left) == 0
	})
}
