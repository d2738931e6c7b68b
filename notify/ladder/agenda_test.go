package ladder

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/notify"
)

var _ Agenda = (*bus.Agenda)(nil)

// The whole way on a real bus: two replicas hear of it, one stops, and the rungs are reached once each, until it closes.
func TestOnTheBus(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	b, err := bus.Open(ctx, bus.Config{Dir: t.TempDir(), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	to := []string{"phone"}
	rungs := Rungs{"": {Rungs: []Rung{{To: to, Mention: "a"}, {After: 700 * time.Millisecond, To: to, Mention: "b"}, {After: time.Hour, To: to, Mention: "c"}}}}
	replica := func() (stop func()) {
		agenda, err := b.Agenda(ctx, "ladder")
		if err != nil {
			t.Fatal(err)
		}
		l, err := New(rungs, Parts{Record: incidents.NewStore(b), Agenda: agenda, Places: to,
			Missing: func(err error) bool { return errors.Is(err, bus.ErrNotFound) }, Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		teller := notify.NewTeller(b, l, Kinds(), notify.NewMetrics(prometheus.NewRegistry()), zerolog.Nop())
		run, end := context.WithCancel(context.Background())
		var work sync.WaitGroup
		for _, f := range []func(context.Context) error{teller.Run, l.Run} {
			work.Go(func() {
				if err := f(run); err != nil {
					t.Error(err)
				}
			})
		}
		stop = sync.OnceFunc(func() { end(); work.Wait() })
		t.Cleanup(stop)
		return stop
	}
	stopFirst := replica()
	replica()
	st, store := incidents.Fold(nil), incidents.NewStore(b)
	o := opened(0, 1, "")
	o.At = time.Now()
	called := incidents.Event{V: incidents.Version, Kind: incidents.Escalated, At: time.Now(), Note: "look"}
	if err := store.Append(ctx, st, o, called); err != nil {
		t.Fatal(err)
	}
	reaches := func(want string) {
		t.Helper()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			events, err := store.Events(ctx, st.ID)
			if err != nil {
				t.Fatal(err)
			}
			got := reachedIn(events)
			if got == want {
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("got %q, want %q", got, want)
			}
		}
	}
	reaches("1-1")
	stopFirst()
	reaches("1-1 1-2")
	agenda, err := b.Agenda(ctx, "ladder")
	if err != nil {
		t.Fatal(err)
	}
	if st, err = store.Load(ctx, st.ID); err != nil {
		t.Fatal(err)
	}
	if err := store.Append(ctx, st, incidents.Event{V: incidents.Version, Kind: incidents.Closed, At: time.Now(),
		Closing: &incidents.Closing{Outcome: incidents.OutcomePaged}}); err != nil {
		t.Fatal(err)
	}
	if err := agenda.Set(ctx, prefix+st.ID.Key(), time.Now()); err != nil {
		t.Fatal(err)
	}
	for {
		open, err := agenda.Open(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(open) == 0 {
			break
		}
	}
	reaches("1-1 1-2")
}
