package incidents_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/rs/zerolog"
)

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func newStore(t *testing.T) (*incidents.Store, *bus.Bus) {
	t.Helper()
	b, err := bus.Open(within(t), bus.Config{Dir: t.TempDir(), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return incidents.NewStore(b), b
}

// keep stores a record, one message for each event.
func keep(t *testing.T, s *incidents.Store, events ...incidents.Event) *incidents.State {
	t.Helper()
	st := incidents.Fold(nil)
	for _, e := range events {
		if err := s.Append(within(t), st, e); err != nil {
			t.Fatalf("append %s: %v", e.Kind, err)
		}
	}
	return st
}

// opens is the first event of the n-th incident of a target.
func opens(target string, n int) incidents.Event {
	o := opening()
	o.ID, o.Target = incidents.NewID("retrystorm", target, n), target
	return incidents.Event{V: incidents.Version, Kind: incidents.Opened, At: noon(), Opening: o}
}

// A stored record is the record: loading it gives the state that its writer has.
func TestStore(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	st := keep(t, s, story()...)
	loaded, err := s.Load(within(t), st.ID)
	if err != nil || !reflect.DeepEqual(loaded, st) {
		t.Errorf("got %+v, %v, want %+v", loaded, err, st)
	}
	events, err := s.Events(within(t), st.ID)
	if err != nil || !reflect.DeepEqual(events, story()) {
		t.Errorf("got %+v, %v, want the story", events, err)
	}
	if _, err := s.Load(within(t), incidents.NewID("retrystorm", "nobody", 1)); !errors.Is(err, bus.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	seq := st.Seq
	if err := s.Append(within(t), st); err != nil || st.Seq != seq {
		t.Errorf("append nothing: got %v and sequence %d, want nothing to happen", err, st.Seq)
	}
}

// Who has not seen the last event cannot append, and keeps the state that he had.
func TestStoreConflict(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	mine := keep(t, s, story()[:4]...)
	theirs, err := s.Load(within(t), mine.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Append(within(t), theirs, story()[4], story()[5]); err != nil {
		t.Fatal(err)
	}
	before := *mine
	if err := s.Append(within(t), mine, story()[4]); !errors.Is(err, incidents.ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
	if !reflect.DeepEqual(*mine, before) {
		t.Errorf("got %+v after the conflict, want it as it was", *mine)
	}
	if err := s.Append(within(t), incidents.Fold(nil), story()[0]); !errors.Is(err, incidents.ErrConflict) {
		t.Errorf("open it again: got %v, want ErrConflict", err)
	}
	if now, err := s.Load(within(t), mine.ID); err != nil || now.Events != 6 {
		t.Errorf("got %+v, %v, want six events", now, err)
	}
}

// The newest incident of a target is found among those of all targets.
func TestStoreLatest(t *testing.T) {
	t.Parallel()
	s, b := newStore(t)
	if st, err := s.Latest(within(t), "retrystorm", "a"); st != nil || err != nil {
		t.Errorf("got %+v, %v of a target that never had one, want none", st, err)
	}
	for n := 1; n <= 11; n++ { // 11 comes after 2, not before
		keep(t, s, opens("a", n), closedAt(1))
	}
	keep(t, s, opens("b", 1))
	for target, want := range map[string]int{"a": 11, "b": 1} {
		st, err := s.Latest(within(t), "retrystorm", target)
		if err != nil || st.ID.Number() != want || st.Target != target {
			t.Errorf("%s: got %+v, %v, want number %d", target, st, err, want)
		}
	}
	if st, err := s.Latest(within(t), "failover", "a"); st != nil || err != nil {
		t.Errorf("got %+v, %v of another handler, want none", st, err)
	}

	// Two names with one hash: nobody waits for such a pair, so it is written by hand.
	o := opens("c", 1)
	o.Opening.Target = "the other c"
	keep(t, s, o)
	if _, err := s.Latest(within(t), "retrystorm", "c"); err == nil || !strings.Contains(err.Error(), "rename one of them") {
		t.Errorf("got %v, want what to do about two targets with one hash", err)
	}

	// The bus forgets by age: the beginning of this record is gone already.
	id := incidents.NewID("retrystorm", "old", 41)
	if _, err := b.AppendIf(within(t), "incidents."+id.Key(), 0, []byte(`[{"v":1,"kind":"closed","closing":{"outcome":"fixed"}}]`)); err != nil {
		t.Fatal(err)
	}
	st, err := s.Latest(within(t), "retrystorm", "old")
	if err != nil || st.ID != id || st.Open() || st.Target != "old" || st.Handler != "retrystorm" {
		t.Errorf("got %+v, %v, want the closed incident %s", st, err, id)
	}
}

// What cannot be read is an error that says so, not a shorter record.
func TestStoreDamaged(t *testing.T) {
	t.Parallel()
	s, b := newStore(t)
	for name, data := range map[string]string{"cut": `[{"kind":"op`, "empty": ``, "none": `[]`, "null": `null`, "other": `{"kind":"opened"}`} {
		st := keep(t, s, opens(name, 1))
		if _, err := b.AppendIf(within(t), "incidents."+st.ID.Key(), st.Seq, []byte(data)); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Load(within(t), st.ID); !errors.Is(err, incidents.ErrDamaged) || !strings.Contains(err.Error(), st.ID.String()) {
			t.Errorf("%s: got %+v, %v, want ErrDamaged with the incident's name", name, got, err)
		}
	}
}
