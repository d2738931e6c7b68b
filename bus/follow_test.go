package bus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
)

// fill writes n incidents of two handlers in turn, and returns their sequences.
func fill(t *testing.T, b *bus.Bus, n int) []bus.Msg {
	t.Helper()
	var out []bus.Msg
	for i := range n {
		subject := fmt.Sprintf("incidents.%c.%d", 'a'+rune(i%2), i)
		if _, err := b.AppendIf(within(t), subject, 0, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
		m, err := b.Last(within(t), bus.Incidents, subject)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

// The past is read from wherever one asks, and no further than the present.
func TestFollowPast(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	msgs := fill(t, b, 6)
	for _, c := range []struct {
		name string
		past bus.Past
		want []string
	}{
		{"all", bus.Past{}, []string{"0", "1", "2", "3", "4", "5"}},
		{"one handler", bus.Past{Subject: "incidents.b.>"}, []string{"1", "3", "5"}},
		{"since", bus.Past{Since: msgs[4].At}, []string{"4", "5"}},
		{"from a sequence", bus.Past{FromSeq: msgs[3].Seq, Since: msgs[5].At}, []string{"3", "4", "5"}},
		{"one handler from a sequence", bus.Past{Subject: "incidents.a.*", FromSeq: msgs[3].Seq}, []string{"4"}},
		{"since now", bus.Past{Since: time.Now().Add(time.Hour)}, nil},
		{"from behind the end", bus.Past{FromSeq: msgs[5].Seq + 1}, nil},
		{"nobody", bus.Past{Subject: "incidents.nobody"}, nil},
	} {
		c.past.Stream = bus.Incidents
		var got []string
		err := b.Follow(within(t), c.past, func(m bus.Msg) error {
			got = append(got, string(m.Data))
			return nil
		})
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, %v, want %q", c.name, got, err, c.want)
		}
	}
	if err := b.Follow(within(t), bus.Past{Stream: bus.Alerts}, func(bus.Msg) error { return errors.New("called") }); err != nil {
		t.Errorf("got %v of an empty stream, want nothing", err)
	}
	if err := b.Follow(within(t), bus.Past{Stream: "NOSUCH"}, nil); !errors.Is(err, bus.ErrNotFound) {
		t.Errorf("got %v of no stream, want ErrNotFound", err)
	}
}

// A tail shows the past, then what happens, and ends with its context, without an error.
func TestFollowTail(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	fill(t, b, 2)
	ctx, cancel := context.WithCancel(within(t))
	got := make(chan string, 10)
	done := make(chan error, 1)
	go func() {
		done <- b.Follow(ctx, bus.Past{Stream: bus.Incidents, Tail: true}, func(m bus.Msg) error {
			got <- string(m.Data)
			return nil
		})
	}()
	for _, want := range []string{"0", "1"} {
		if g := <-got; g != want {
			t.Errorf("got %s, want %s", g, want)
		}
	}
	if _, err := b.AppendIf(within(t), "incidents.new", 0, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if g := <-got; g != "new" {
		t.Errorf("got %s, want new", g)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("got %v, want no error", err)
	}
}

// Who reads ends the reading: with ErrStop as wanted, with anything else as a failure.
func TestFollowStops(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	fill(t, b, 4)
	broken := errors.New("broken")
	for _, c := range []struct{ give, want error }{{bus.ErrStop, nil}, {fmt.Errorf("enough: %w", bus.ErrStop), nil}, {broken, broken}} {
		for _, tail := range []bool{false, true} {
			seen := 0
			err := b.Follow(within(t), bus.Past{Stream: bus.Incidents, Tail: tail}, func(bus.Msg) error {
				seen++
				if seen == 2 {
					return c.give
				}
				return nil
			})
			if !errors.Is(err, c.want) || (c.want == nil && err != nil) || seen != 2 {
				t.Errorf("%v with tail %t: got %v after %d messages, want %v after two", c.give, tail, err, seen, c.want)
			}
		}
	}
}

// A past that was cut short by its context must not pass for the whole past.
func TestFollowCutShort(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	fill(t, b, 4)
	ctx, cancel := context.WithCancel(within(t))
	err := b.Follow(ctx, bus.Past{Stream: bus.Incidents}, func(bus.Msg) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's end", err)
	}
}

// Whoever has read the past leaves nothing behind at the server, which takes only so many readers.
func TestFollowLeaves(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	fill(t, b, 2)
	for range 20 {
		for _, p := range []bus.Past{{Stream: bus.Incidents}, {Stream: bus.Incidents, Tail: true}, {Stream: bus.Incidents, Subject: "incidents.nobody"}} {
			if err := b.Follow(within(t), p, func(bus.Msg) error { return bus.ErrStop }); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, err := b.JetStream().Stream(within(t), bus.Incidents)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.CachedInfo().State.Consumers; got != 0 {
		t.Errorf("got %d readers left at the server, want none", got)
	}
}

// What is dropped while it is read is not waited for.
func TestFollowWhatIsDropped(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	const all = 2000 // more than a reader fetches at once
	for i := range all {
		if _, err := b.JetStream().PublishAsync(fmt.Sprintf("incidents.a.%d", i), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-b.JetStream().PublishAsyncComplete():
	case <-within(t).Done():
		t.Fatal("the stream does not take the messages")
	}
	seen := 0
	err := b.Follow(within(t), bus.Past{Stream: bus.Incidents}, func(bus.Msg) error {
		if seen++; seen > 1 {
			return nil
		}
		s, err := b.JetStream().Stream(within(t), bus.Incidents)
		if err != nil {
			return err
		}
		cfg := s.CachedInfo().Config
		cfg.MaxAge, cfg.Duplicates = 100*time.Millisecond, 100*time.Millisecond
		if s, err = b.JetStream().UpdateStream(within(t), cfg); err != nil {
			return err
		}
		eventually(t, "everything is dropped", func() bool {
			info, err := s.Info(within(t))
			return err == nil && info.State.Msgs == 0
		})
		return nil
	})
	if err != nil || seen == all {
		t.Errorf("read %d messages, then %v, want fewer than %d and no error", seen, err, all)
	}
}
