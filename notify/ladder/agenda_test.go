package ladder

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/notify"
)

var _ Agenda = (*bus.Agenda)(nil)

// bucket keeps documents as the product does.
type bucket struct{ kv jetstream.KeyValue }

func (b bucket) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	e, err := b.kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, ErrNoDocument
	}
	if err != nil {
		return nil, 0, err
	}
	return e.Value(), e.Revision(), nil
}

func (b bucket) Create(ctx context.Context, key string, doc []byte) (uint64, error) {
	rev, err := b.kv.Create(ctx, key, doc)
	return rev, changed(err)
}

func (b bucket) Update(ctx context.Context, key string, doc []byte, revision uint64) (uint64, error) {
	rev, err := b.kv.Update(ctx, key, doc, revision)
	return rev, changed(err)
}

func changed(err error) error {
	if errors.Is(err, jetstream.ErrKeyExists) {
		return ErrChanged
	}
	return err
}

// The whole way on a real bus: two replicas hear of it, one stops, and the rungs are told once each, until it closes.
func TestOnTheBus(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	b, err := bus.Open(ctx, bus.Config{Dir: t.TempDir(), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	kv, err := b.JetStream().CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "ladder_told"})
	if err != nil {
		t.Fatal(err)
	}
	phone := &place{name: "phone"}
	to := []string{"phone"}
	rungs := Rungs{"": {Rungs: []Rung{{To: to, Mention: "a"}, {After: 700 * time.Millisecond, To: to, Mention: "b"}, {After: time.Hour, To: to, Mention: "c"}}}}
	replica := func() (stop func()) {
		agenda, err := b.Agenda(ctx, "ladder")
		if err != nil {
			t.Fatal(err)
		}
		l, err := New(rungs, Parts{Record: incidents.NewStore(b), Documents: bucket{kv}, Agenda: agenda, Sinks: []notify.Sink{phone},
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
	hears := func(want string) {
		t.Helper()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for phone.heard() != want {
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("got %q, want %q", phone.heard(), want)
			}
		}
	}
	hears("1-1")
	stopFirst()
	hears("1-1 1-2")
	agenda, err := b.Agenda(ctx, "ladder")
	if err != nil {
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
	hears("1-1 1-2")
}
