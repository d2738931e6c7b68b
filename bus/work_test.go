package bus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
)

// work hands messages to fn in the background.
func work(t *testing.T, b *bus.Bus, name string, fn func(context.Context, bus.Msg) error) (stop func()) {
	t.Helper()
	return running(t, func(ctx context.Context) error {
		return b.Work(ctx, bus.Work{Stream: bus.Incidents, Durable: name}, fn)
	})
}

// A new reader begins at the oldest message, and has one in hand at a time, even when two workers share its name.
func TestWorkOneInHand(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	fill(t, b, 20)
	var mu sync.Mutex
	var got []string
	var inHand, most atomic.Int32
	fn := func(_ context.Context, m bus.Msg) error {
		most.Store(max(most.Load(), inHand.Add(1)))
		defer inHand.Add(-1)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, string(m.Data))
		return nil
	}
	work(t, b, "shared", fn)
	work(t, b, "shared", fn)
	eventually(t, "all is worked on", func() bool { mu.Lock(); defer mu.Unlock(); return len(got) >= 20 })
	mu.Lock()
	defer mu.Unlock()
	for i, g := range got {
		if g != fmt.Sprint(i) {
			t.Fatalf("got %q, want the messages in order", got)
		}
	}
	if most.Load() != 1 {
		t.Errorf("got %d messages in hand at once, want one", most.Load())
	}
}

// Work that failed comes again, after a while, and what stands behind it waits.
func TestWorkFails(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	fill(t, b, 2)
	type try struct {
		data string
		at   time.Time
	}
	tries := make(chan try, 10)
	failed := false
	work(t, b, "failing", func(_ context.Context, m bus.Msg) error {
		tries <- try{string(m.Data), time.Now()}
		if !failed {
			failed = true
			return errors.New("not today")
		}
		return nil
	})
	first, second, third := <-tries, <-tries, <-tries
	if got, want := []string{first.data, second.data, third.data}, []string{"0", "0", "1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if waited := second.at.Sub(first.at); waited < 900*time.Millisecond {
		t.Errorf("got the failed work again after %s, want about a second", waited)
	}
}

// A reader that is started again goes on where it was, and is not told everything once more.
func TestWorkResumes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, bus.Config{Dir: dir})
	fill(t, b, 6)
	seen := make(chan string, 20)
	ctx, cancel := context.WithCancel(within(t))
	err := b.Work(ctx, bus.Work{Stream: bus.Incidents, Durable: "reader"}, func(_ context.Context, m bus.Msg) error {
		seen <- string(m.Data)
		if len(seen) == 4 {
			cancel()
		}
		return nil
	})
	if err != nil || len(seen) != 4 {
		t.Fatalf("got %d messages and %v, want 4", len(seen), err)
	}
	b.Close()

	b = open(t, bus.Config{Dir: dir})
	again := make(chan string, 20)
	work(t, b, "reader", func(_ context.Context, m bus.Msg) error {
		again <- string(m.Data)
		return nil
	})
	var got []string
	for len(got) == 0 || got[len(got)-1] != "5" {
		got = append(got, <-again)
	}
	// The last acknowledgement may be lost: it is not durable.
	if want := []string{"4", "5"}; !slices.Equal(got, want) && !slices.Equal(got, append([]string{"3"}, want...)) {
		t.Errorf("got %q after the restart, want %q", got, want)
	}
}

// Work in hand is finished when the worker is told to stop, under a context that still lives.
func TestWorkStops(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	fill(t, b, 1)
	begun, finish := make(chan struct{}), make(chan struct{})
	var state atomic.Value
	ctx, cancel := context.WithCancel(within(t))
	done := make(chan error, 1)
	go func() {
		done <- b.Work(ctx, bus.Work{Stream: bus.Incidents, Durable: "stopping"}, func(work context.Context, _ bus.Msg) error {
			close(begun)
			<-finish
			state.Store(fmt.Sprint(work.Err()))
			return nil
		})
	}()
	<-begun
	cancel()
	close(finish)
	if err := <-done; err != nil {
		t.Errorf("got %v, want no error", err)
	}
	if got := state.Load(); got != "<nil>" {
		t.Errorf("got context %v at the end of the work in hand, want a living one", got)
	}
	if err := b.Work(within(t), bus.Work{Stream: "NOSUCH", Durable: "x"}, nil); !errors.Is(err, bus.ErrNotFound) {
		t.Errorf("got %v of no stream, want ErrNotFound", err)
	}
}

// A reader that somebody deleted is made again: nobody goes deaf.
func TestWorkReaderDeleted(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	fill(t, b, 1)
	got := make(chan string, 100)
	work(t, b, "deleted", func(_ context.Context, m bus.Msg) error {
		got <- m.Subject
		return nil
	})
	<-got
	if err := b.JetStream().DeleteConsumer(within(t), bus.Incidents, "deleted"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.AppendIf(within(t), "incidents.after", 0, []byte("x")); err != nil {
		t.Fatal(err)
	}
	for subject := range got {
		if subject == "incidents.after" {
			return
		}
	}
}
