package bus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/firebreak-sre/firebreak/bus"
)

// An append goes through only behind the message that the writer has seen last.
func TestAppendIf(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	ctx := within(t)
	const subject = "incidents.storm.a.1"
	first, err := b.AppendIf(ctx, subject, 0, []byte("1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.AppendIf(ctx, "incidents.storm.b.1", 0, []byte("other")); err != nil {
		t.Fatalf("another record begins by itself: %v", err)
	}
	second, err := b.AppendIf(ctx, subject, first, []byte("2"))
	if err != nil {
		t.Fatal(err)
	}
	for _, last := range []uint64{0, first, second + 1} {
		if _, err := b.AppendIf(ctx, subject, last, []byte("late")); !errors.Is(err, bus.ErrConflict) {
			t.Errorf("append after %d: got %v, want ErrConflict", last, err)
		}
	}
	if got := load(t, b, subject); got != "12" {
		t.Errorf("got record %q, want 12", got)
	}
}

func load(t *testing.T, b *bus.Bus, subject string) string {
	t.Helper()
	msgs, err := b.Load(within(t), bus.Incidents, subject)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, m := range msgs {
		all.Write(m.Data)
	}
	return all.String()
}

// Of eight writers that have seen the same, exactly one goes through, step after step.
func TestAppendIfContended(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	const subject, steps, writers = "incidents.storm.a.1", 20, 8
	last := uint64(0)
	for step := range steps {
		var won, lost atomic.Int32
		var next atomic.Uint64
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				seq, err := b.AppendIf(within(t), subject, last, fmt.Appendf(nil, "%d/%d", step, w))
				switch {
				case err == nil:
					won.Add(1)
					next.Store(seq)
				case errors.Is(err, bus.ErrConflict):
					lost.Add(1)
				default:
					t.Errorf("append: %v", err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 || lost.Load() != writers-1 {
			t.Fatalf("step %d: got %d winners and %d conflicts, want one and %d", step, won.Load(), lost.Load(), writers-1)
		}
		last = next.Load()
	}
	if msgs, err := b.Load(within(t), bus.Incidents, subject); err != nil || len(msgs) != steps {
		t.Errorf("got %d messages, %v, want %d", len(msgs), err, steps)
	}
}

// A record is read whole, however long it is and however many bytes it has.
func TestLoadLong(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	for _, c := range []struct {
		name     string
		messages int
		size     int
	}{{"many", 600, 10}, {"exactly.two.pages", 512, 10}, {"large", 12, 1 << 20}} {
		last, subject := uint64(0), "incidents."+c.name
		for i := range c.messages {
			seq, err := b.AppendIf(within(t), subject, last, fmt.Appendf(nil, "%09d,%s", i, strings.Repeat("x", c.size)))
			if err != nil {
				t.Fatal(err)
			}
			last = seq
		}
		msgs, err := b.Load(within(t), bus.Incidents, subject)
		if err != nil || len(msgs) != c.messages {
			t.Errorf("%s: got %d messages, %v, want %d", c.name, len(msgs), err, c.messages)
			continue
		}
		for i, m := range msgs {
			if got, want := string(m.Data[:9]), fmt.Sprintf("%09d", i); got != want || m.Subject != subject || m.At.IsZero() {
				t.Fatalf("%s: got %s on %s at place %d", c.name, got, m.Subject, i)
			}
		}
	}
}

// No record is no error; a record that could not be read whole is one, and never passes for a shorter record.
func TestLoadNothing(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	if msgs, err := b.Load(within(t), bus.Incidents, "incidents.nobody"); err != nil || len(msgs) != 0 {
		t.Errorf("got %d messages, %v, want none and no error", len(msgs), err)
	}
	if _, err := b.AppendIf(within(t), "incidents.a", 0, []byte("x")); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if msgs, err := b.Load(gone, bus.Incidents, "incidents.a"); err == nil {
		t.Errorf("got %d messages of a read that was broken off, want an error", len(msgs))
	}
	b.Close()
	if msgs, err := b.Load(within(t), bus.Incidents, "incidents.a"); err == nil {
		t.Errorf("got %d messages from a closed bus, want an error", len(msgs))
	}
}

// The newest message of a subject, or of all that match, is found; nothing is a named error.
func TestLast(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	ctx := within(t)
	for _, s := range []string{"incidents.storm.a.1", "incidents.storm.a.2", "incidents.storm.b.1"} {
		if _, err := b.AppendIf(ctx, s, 0, []byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ subject, want string }{
		{"incidents.storm.a.1", "incidents.storm.a.1"},
		{"incidents.storm.a.*", "incidents.storm.a.2"},
		{"incidents.>", "incidents.storm.b.1"},
	} {
		if got, err := b.Last(ctx, bus.Incidents, c.subject); err != nil || got.Subject != c.want || string(got.Data) != c.want {
			t.Errorf("%s: got %s with %q, %v, want %s", c.subject, got.Subject, got.Data, err, c.want)
		}
	}
	for _, c := range []struct{ stream, subject string }{
		{bus.Incidents, "incidents.storm.c.*"}, {bus.Incidents, "incidents.nobody"}, {"NOSUCH", "x"},
	} {
		if _, err := b.Last(ctx, c.stream, c.subject); !errors.Is(err, bus.ErrNotFound) {
			t.Errorf("%s: got %v, want ErrNotFound", c.subject, err)
		}
	}
}
