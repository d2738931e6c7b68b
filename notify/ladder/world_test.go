package ladder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/notify"
)

// agenda is one whose time is the test's.
type agenda struct {
	mu  sync.Mutex
	due map[string]time.Time
}

func (a *agenda) Set(_ context.Context, key string, due time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.due[key] = due
	return nil
}

func (a *agenda) Move(ctx context.Context, key string, due time.Time) error {
	return a.Set(ctx, key, due)
}

func (a *agenda) Clear(_ context.Context, key string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.due, key)
	return nil
}

// Run is not used: tests look themselves.
func (a *agenda) Run(context.Context, int, []string, func(context.Context, string) error) error {
	return errors.ErrUnsupported
}

func (a *agenda) at(key string) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.due[key]
}

// world is a record, and what all replicas share.
type world struct {
	t   *testing.T
	due *agenda

	mu     sync.Mutex
	minute int
	events map[incidents.ID][]incidents.Event
	// appends counts those that were stored; before, if not nil, is asked before each, without the lock, and its error ends it.
	appends int
	before  func(id incidents.ID) error
	// hidden is how many of the last events a reader does not see.
	hidden int
}

var (
	_ Record = (*incidents.Store)(nil)
	_ Record = (*world)(nil)
)

var errMissing = errors.New("there is no such record")

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, due: &agenda{due: map[string]time.Time{}}, events: map[incidents.ID][]incidents.Event{}}
}

// Load is the state. Its sequence is the number of its events.
func (w *world) Load(_ context.Context, id incidents.ID) (*incidents.State, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.events[id] == nil {
		return nil, errMissing
	}
	st := incidents.Fold(w.events[id])
	st.Seq = uint64(len(w.events[id]))
	return st, nil
}

// Events are the record's.
func (w *world) Events(_ context.Context, id incidents.ID) ([]incidents.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.events[id] == nil {
		return nil, errMissing
	}
	return slices.Clone(w.events[id][:len(w.events[id])-w.hidden]), nil
}

// Append appends behind the last event that the state has seen.
func (w *world) Append(_ context.Context, st *incidents.State, events ...incidents.Event) error {
	w.mu.Lock()
	before := w.before
	w.mu.Unlock()
	if before != nil {
		if err := before(st.ID); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if st.Seq != uint64(len(w.events[st.ID])) {
		return fmt.Errorf("append to %s: %w", st.ID, incidents.ErrConflict)
	}
	w.events[st.ID] = append(w.events[st.ID], events...)
	w.appends++
	return nil
}

func (w *world) write(id incidents.ID, events ...incidents.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events[id] = append(w.events[id], events...)
}

// reached are the rungs in a record, in order.
func (w *world) reached(id incidents.ID) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return reachedIn(w.events[id])
}

func reachedIn(events []incidents.Event) string {
	var s []string
	for _, e := range events {
		if e.Kind == incidents.Rung {
			s = append(s, fmt.Sprintf("%d-%d", e.Rung.Round, e.Rung.Number))
		}
	}
	return strings.Join(s, " ")
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return at(w.minute)
}

func (w *world) set(minute int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.minute = minute
}

// replica is one process.
func (w *world) replica() *Runner {
	w.t.Helper()
	l, err := New(Defaults("phone", "chat"), Parts{Record: w, Agenda: w.due, Places: []string{"phone", "chat", "desk"},
		Missing: func(err error) bool { return errors.Is(err, errMissing) }, Now: w.now, Log: zerolog.Nop()})
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// called is a critical incident for which a person was called at minute 0, and which stands on the agenda.
func (w *world) called(l *Runner) (incidents.ID, string) {
	w.t.Helper()
	o := opened(0, 1, "critical")
	id := o.Opening.ID
	w.write(id, o, event(0, incidents.Escalated))
	if err := l.Send(w.t.Context(), notify.Outcome{Incident: id, Kind: incidents.Escalated}); err != nil {
		w.t.Fatal(err)
	}
	return id, prefix + id.Key()
}

// look looks at what is due, if it is.
func (w *world) look(l *Runner, key string) {
	w.t.Helper()
	if due := w.due.at(key); due.IsZero() || due.After(w.now()) {
		return
	}
	if err := l.look(w.t.Context(), key); err != nil {
		w.t.Errorf("minute %d: %v", w.minute, err)
	}
}
