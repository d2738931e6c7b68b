package ladder

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/notify"
)

// Nobody comes: each rung is told at its minute, once, to all its places, and then it is only looked at now and then.
func TestNobodyComes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.replica()
	id, key := w.called(l)
	want := map[int]string{0: "1-1", 4: "1-1", 5: "1-1 1-2", 14: "1-1 1-2", 15: "1-1 1-2 1-3", 29: "1-1 1-2 1-3", 30: "1-1 1-2 1-3 1-4", 300: "1-1 1-2 1-3 1-4"}
	for minute := range 301 {
		w.set(minute)
		w.look(l, key)
		if says, checked := want[minute]; checked && (w.phone.heard() != says || w.chat.heard() != says) {
			t.Errorf("minute %d: got %q and %q, want %q", minute, w.phone.heard(), w.chat.heard(), says)
		}
	}
	if next := w.due.at(key); next.After(at(300).Add(lookAgain)) || !next.After(at(300)) {
		t.Errorf("it is looked at again at %s", next)
	}
	o := w.phone.told[2]
	if o.Incident != id || o.Kind != incidents.Escalated || o.Event.Kind != incidents.Escalated || o.At != at(15) || o.Alert != "RetryStorm" ||
		o.Words != "nobody has taken it for 15m0s: calling head of engineering (rung 3 of 4)" || o.Event.Words() != o.Words || strings.Contains(o.ID, ".") {
		t.Errorf("got %+v, want who is called and why", o)
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
		if minute == 99 && (w.phone.heard() != "1-1 1-2" || w.due.at(key).IsZero()) {
			t.Errorf("got %q, on the agenda for %s, want silence while it stays open", w.phone.heard(), w.due.at(key))
		}
	}
	if got, want := w.phone.heard(), "1-1 1-2 2-1 2-2"; got != want || !w.due.at(key).IsZero() {
		t.Errorf("got %q, on the agenda for %s, want %q and nothing", got, w.due.at(key), want)
	}
}

// Many replicas look at the same moment, again and again: each place is told once of each rung.
func TestReplicas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	replicas := []*Runner{w.replica(), w.replica(), w.replica(), w.replica()}
	_, key := w.called(replicas[0])
	for _, minute := range []int{0, 1, 5, 6, 15, 30, 31} {
		w.set(minute)
		var work sync.WaitGroup
		for _, l := range replicas {
			work.Go(func() {
				// All but one may be told that another is at it.
				_ = l.look(t.Context(), key)
			})
		}
		work.Wait()
	}
	if got, want := w.phone.heard()+" | "+w.chat.heard(), "1-1 1-2 1-3 1-4 | 1-1 1-2 1-3 1-4"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// All of a ladder that came due while nobody ran is told by the next process, in order, once.
func TestRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, key := w.called(w.replica())
	w.set(20)
	for range 3 {
		if err := w.replica().look(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
	if got, want := w.phone.heard(), "1-1 1-2 1-3"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A process that dies between claiming and the end leaves the place to others, after a while: it is told late, or twice with one id, and never not.
func TestKilled(t *testing.T) {
	t.Parallel()
	killed := errors.New("killed")
	for writes, want := range []string{"1-1", "1-1 1-1", "1-1"} {
		w := newWorld(t)
		l := w.replica()
		_, key := w.called(l)
		n := 0
		w.docs.fail = func() error {
			if n++; n > writes {
				return killed
			}
			return nil
		}
		if err := l.look(t.Context(), key); !errors.Is(err, killed) {
			t.Errorf("killed at write %d: got %v", writes, err)
		}
		w.docs.fail = nil
		if err := w.replica().look(t.Context(), key); (err != nil) != (writes == 1) {
			t.Errorf("killed at write %d: the next one got %v, want that it waits for the claim: %v", writes, err, writes == 1)
		}
		w.set(1) // the claim is over
		if err := w.replica().look(t.Context(), key); err != nil {
			t.Error(err)
		}
		if got := w.phone.heard(); got != want || w.chat.heard() != "1-1" {
			t.Errorf("killed at write %d: got %q and %q, want %q", writes, got, w.chat.heard(), want)
		}
	}
}

// One broken place keeps no other from being told, and is told when it is well again. One that never will be is given up.
func TestBrokenPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.replica()
	_, key := w.called(l)
	w.phone.broken(errors.New("no line"))
	for range 3 {
		if err := l.look(t.Context(), key); err == nil || !strings.Contains(err.Error(), "no line") {
			t.Errorf("got %v, want that the phone has no line", err)
		}
	}
	w.set(5)
	if err := l.look(t.Context(), key); err == nil || w.chat.heard() != "1-1 1-2" {
		t.Errorf("got %v and %q, want the chat told in time", err, w.chat.heard())
	}
	w.phone.broken(nil)
	if err := l.look(t.Context(), key); err != nil || w.phone.heard() != "1-1 1-2" || w.chat.heard() != "1-1 1-2" {
		t.Errorf("got %v, %q and %q, want what was missing and nothing twice", err, w.phone.heard(), w.chat.heard())
	}
	w.set(15)
	w.phone.broken(notify.ErrPermanent)
	for range 2 {
		if err := l.look(t.Context(), key); err != nil {
			t.Errorf("got %v, want it given up", err)
		}
	}
	w.phone.broken(nil)
	if err := l.look(t.Context(), key); err != nil || w.phone.heard() != "1-1 1-2" {
		t.Errorf("got %v and %q, want no further try", err, w.phone.heard())
	}
}

// A slow place is told by one replica; another that looks meanwhile leaves it alone.
func TestSlowPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.phone.entered, w.phone.leave = make(chan struct{}), make(chan struct{})
	first, second := w.replica(), w.replica()
	_, key := w.called(first)
	done := make(chan error, 1)
	go func() { done <- first.look(t.Context(), key) }()
	select {
	case <-w.phone.entered:
	case <-time.After(patience):
		t.Fatal("the place is not told")
	}
	if err := second.look(t.Context(), key); err == nil || !strings.Contains(err.Error(), "another replica may be at it") {
		t.Errorf("got %v, want that another replica is at it", err)
	}
	close(w.phone.leave)
	if err := <-done; err != nil || w.phone.heard() != "1-1" || w.chat.heard() != "1-1" {
		t.Errorf("got %v, %q and %q, want both told once", err, w.phone.heard(), w.chat.heard())
	}
}

// What is no open incident leaves the agenda; what a newer build wrote is left alone.
func TestNotOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.replica()
	gone := prefix + incidents.NewID("retrystorm", "gone", 1).Key()
	for _, key := range []string{gone, prefix + "nonsense", "nonsense"} {
		w.due.due[key] = at(0)
		if err := l.look(t.Context(), key); err != nil || !w.due.at(key).IsZero() {
			t.Errorf("%s: got %v, on the agenda for %s", key, err, w.due.at(key))
		}
	}
	id, key := w.called(l)
	for _, text := range []string{`{"v":2}`, `{`} {
		delete(w.docs.revs, id.String())
		if _, err := w.docs.Create(t.Context(), id.String(), []byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := l.look(t.Context(), key); err == nil || w.phone.heard() != "" {
			t.Errorf("%s: got %v and %q, want that nothing is told twice by mistake", text, err, w.phone.heard())
		}
	}
	// An opening calls nobody by itself, unless its ladder counts from there.
	other := incidents.NewID("retrystorm", "other", 1)
	if err := l.Send(t.Context(), notify.Outcome{Incident: other, Kind: incidents.Opened, Labels: map[string]string{"severity": "critical"}}); err != nil || !w.due.at(prefix+other.Key()).IsZero() {
		t.Errorf("got %v, on the agenda for %s", err, w.due.at(prefix+other.Key()))
	}
}

// Another replica writes to the document at the same moment, each time: what was told is written down nevertheless.
func TestContended(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.replica()
	_, key := w.called(l)
	n := 0
	w.docs.fail = func() error {
		if n++; n%2 == 1 {
			return ErrChanged
		}
		return nil
	}
	for range 2 {
		if err := l.look(t.Context(), key); err != nil || w.phone.heard() != "1-1" || w.chat.heard() != "1-1" {
			t.Errorf("got %v, %q and %q, want each told once", err, w.phone.heard(), w.chat.heard())
		}
	}
}
