package ladder

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/notify"
)

// Nobody comes: each rung is in the record at its minute, once, with whom it names, and then it is only looked at now and then.
func TestNobodyComes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.replica()
	id, key := w.called(l)
	want := map[int]string{0: "1-1", 4: "1-1", 5: "1-1 1-2", 14: "1-1 1-2", 15: "1-1 1-2 1-3", 29: "1-1 1-2 1-3", 30: "1-1 1-2 1-3 1-4", 300: "1-1 1-2 1-3 1-4"}
	for minute := range 301 {
		w.set(minute)
		w.look(l, key)
		if says, checked := want[minute]; checked && w.reached(id) != says {
			t.Errorf("minute %d: got %q, want %q", minute, w.reached(id), says)
		}
	}
	if next := w.due.at(key); next.After(at(300).Add(lookAgain)) || !next.After(at(300)) {
		t.Errorf("it is looked at again at %s", next)
	}
	e := w.events[id][4]
	if e.At != at(15) || e.V != incidents.Version || e.Rung.Of != 4 || e.Rung.Severity != "critical" || e.Rung.Mention != "head of engineering" ||
		!e.Rung.Names("phone") || !e.Rung.Names("chat") || e.Rung.Names("desk") ||
		e.Words() != "nobody has taken it for 15m: step 3 of 4, phone and chat are told" {
		t.Errorf("got %+v, want who is called and why", e)
	}
}

// A person takes it: silence. They are called again: it begins anew. It closes: it is forgotten.
func TestTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.replica()
	id, key := w.called(l)
	for minute := range 200 {
		w.set(minute)
		switch minute {
		case 7:
			w.write(id, byPerson(7, incidents.Acked))
		case 100:
			w.write(id, event(100, incidents.Escalated))
			if err := l.Send(t.Context(), notify.Outcome{Incident: id, Kind: incidents.Escalated}); err != nil {
				t.Fatal(err)
			}
		case 112:
			w.write(id, event(112, incidents.Closed))
		}
		w.look(l, key)
		if minute == 99 && (w.reached(id) != "1-1 1-2" || w.due.at(key).IsZero()) {
			t.Errorf("got %q, on the agenda for %s, want silence while it stays open", w.reached(id), w.due.at(key))
		}
	}
	if got, want := w.reached(id), "1-1 1-2 2-1 2-2"; got != want || !w.due.at(key).IsZero() {
		t.Errorf("got %q, on the agenda for %s, want %q and nothing", got, w.due.at(key), want)
	}
}

// Four replicas look at the same moment, again and again: each rung is appended once, whoever is first.
func TestReplicas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	replicas := []*Runner{w.replica(), w.replica(), w.replica(), w.replica()}
	id, key := w.called(replicas[0])
	for _, minute := range []int{0, 1, 5, 6, 15, 30, 31} {
		w.set(minute)
		// All have read the record before the first of them appends to it.
		var read sync.WaitGroup
		read.Add(len(replicas))
		var meet sync.Mutex
		waiting := len(replicas)
		if minute == 0 || minute == 5 || minute == 15 || minute == 30 {
			w.before = func(incidents.ID) error {
				meet.Lock()
				first := waiting > 0
				waiting--
				meet.Unlock()
				if first {
					read.Done()
					read.Wait()
				}
				return nil
			}
		}
		var work sync.WaitGroup
		for _, l := range replicas {
			work.Go(func() {
				if err := l.look(t.Context(), key); err != nil {
					t.Errorf("minute %d: %v", minute, err)
				}
			})
		}
		work.Wait()
		w.before = nil
	}
	if got, want := w.reached(id), "1-1 1-2 1-3 1-4"; got != want || w.appends != 4 {
		t.Errorf("got %q in %d appends, want %q in 4", got, w.appends, want)
	}
}

// All of a ladder that came due while nobody ran is reached by the next process, in order, once, at one stroke.
func TestRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, key := w.called(w.replica())
	w.set(20)
	for range 3 {
		if err := w.replica().look(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
	if got, want := w.reached(id), "1-1 1-2 1-3"; got != want || w.appends != 1 {
		t.Errorf("got %q in %d appends, want %q in one", got, w.appends, want)
	}
}

// A process that dies before it appends leaves it to the next; one that dies behind it leaves nothing to do.
func TestKilled(t *testing.T) {
	t.Parallel()
	killed := errors.New("killed")
	for _, behind := range []bool{false, true} {
		w := newWorld(t)
		l := w.replica()
		id, key := w.called(l)
		w.before = func(id incidents.ID) error {
			if behind {
				w.write(id, Step{Rung: Rung{To: []string{"phone"}}, Round: 1, Number: 1, Of: 4}.event(at(0)))
			}
			return killed
		}
		if err := l.look(t.Context(), key); !errors.Is(err, killed) {
			t.Errorf("killed behind the append %t: got %v", behind, err)
		}
		w.before = nil
		if err := w.replica().look(t.Context(), key); err != nil || w.reached(id) != "1-1" {
			t.Errorf("killed behind the append %t: got %v and %q, want it once", behind, err, w.reached(id))
		}
	}
}

// Whoever appends first decides: one who takes it or closes it in the moment before a rung is reached silences it; of anything else the
// rung comes behind it.
func TestConflict(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first incidents.Event
		want  string
	}{
		"acknowledged": {byPerson(0, incidents.Acked), ""}, "recalled": {byPerson(0, incidents.Recalled), ""},
		"closed": {event(0, incidents.Closed), ""}, "looked at": {event(0, incidents.Observed), "1-1"},
	} {
		w := newWorld(t)
		l := w.replica()
		id, key := w.called(l)
		n := 0
		w.before = func(id incidents.ID) error {
			if n++; n == 1 {
				w.write(id, c.first)
			}
			return nil
		}
		if err := l.look(t.Context(), key); err != nil || w.reached(id) != c.want {
			t.Errorf("%s at the same moment: got %v and %q, want %q", name, err, w.reached(id), c.want)
		}
		if gone := w.due.at(key).IsZero(); gone != (c.first.Kind == incidents.Closed) {
			t.Errorf("%s at the same moment: it is off the agenda: %t", name, gone)
		}
	}
}

// A record that never stands still ends one look; it stays on the agenda, and the next look goes on.
func TestContended(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.replica()
	id, key := w.called(l)
	n := 0
	w.before = func(id incidents.ID) error { n++; w.write(id, event(0, incidents.Observed)); return nil }
	if err := l.look(t.Context(), key); !errors.Is(err, incidents.ErrConflict) || n != tries || w.due.at(key).IsZero() {
		t.Errorf("got %v after %d tries, want a conflict after %d, and that it comes again", err, n, tries)
	}
	w.before = nil
	if err := l.look(t.Context(), key); err != nil || w.reached(id) != "1-1" {
		t.Errorf("got %v and %q, want it reached", err, w.reached(id))
	}
}

// Events that are read from a copy that is behind are not built on: a rung that stands in what is not seen yet would come twice.
func TestBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.replica()
	id, key := w.called(l)
	w.look(l, key)
	w.hidden = 1
	if err := l.look(t.Context(), key); !errors.Is(err, errBehind) || w.reached(id) != "1-1" {
		t.Errorf("got %v and %q, want that it waits for the copy", err, w.reached(id))
	}
	w.hidden = 0
	if err := l.look(t.Context(), key); err != nil || w.reached(id) != "1-1" {
		t.Errorf("got %v and %q, want nothing twice", err, w.reached(id))
	}
}

// What is no open incident leaves the agenda, and nothing is appended to it.
func TestNotOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.replica()
	id, closed := w.called(l)
	w.write(id, event(0, incidents.Closed))
	gone := prefix + incidents.NewID("retrystorm", "gone", 1).Key()
	for _, key := range []string{gone, prefix + "nonsense", "nonsense", closed} {
		w.due.due[key] = at(0)
		if err := l.look(t.Context(), key); err != nil || !w.due.at(key).IsZero() || w.appends != 0 {
			t.Errorf("%s: got %v, on the agenda for %s, %d appends", key, err, w.due.at(key), w.appends)
		}
	}
	// An opening calls nobody by itself, unless its ladder counts from there.
	other := incidents.NewID("retrystorm", "other", 1)
	if err := l.Send(t.Context(), notify.Outcome{Incident: other, Kind: incidents.Opened, Labels: map[string]string{"severity": "critical"}}); err != nil || !w.due.at(prefix+other.Key()).IsZero() {
		t.Errorf("got %v, on the agenda for %s", err, w.due.at(prefix+other.Key()))
	}
}

// A record that cannot be read is no record that is not there: it stays on the agenda.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.replica()
	_, key := w.called(l)
	l.parts.Record = unreadable{w}
	if err := l.look(t.Context(), key); !errors.Is(err, incidents.ErrDamaged) || w.due.at(key).IsZero() {
		t.Errorf("got %v, on the agenda for %s, want that it comes again", err, w.due.at(key))
	}
	l.parts.Record = nil
	if _, err := New(l.rungs, l.parts); err == nil || !strings.Contains(err.Error(), "a part is missing") {
		t.Errorf("got %v, want that the record is missing", err)
	}
}

// unreadable is a record with a damaged message in it.
type unreadable struct{ *world }

// Events cannot be read.
func (unreadable) Events(_ context.Context, id incidents.ID) ([]incidents.Event, error) {
	return nil, fmt.Errorf("incident %s: %w", id, incidents.ErrDamaged)
}
