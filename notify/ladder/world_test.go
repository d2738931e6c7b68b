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

const patience = 30 * time.Second

// documents are kept in memory, with the revisions of a real store.
type documents struct {
	mu    sync.Mutex
	last  uint64
	texts map[string][]byte
	revs  map[string]uint64
	// fail, if not nil, is asked before every write.
	fail func() error
}

func newDocuments() *documents {
	return &documents{texts: map[string][]byte{}, revs: map[string]uint64{}}
}

func (d *documents) Get(_ context.Context, key string) ([]byte, uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.revs[key] == 0 {
		return nil, 0, fmt.Errorf("get %s: %w", key, ErrNoDocument)
	}
	return slices.Clone(d.texts[key]), d.revs[key], nil
}

func (d *documents) Create(ctx context.Context, key string, doc []byte) (uint64, error) {
	return d.Update(ctx, key, doc, 0)
}

func (d *documents) Update(_ context.Context, key string, doc []byte, revision uint64) (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		if err := d.fail(); err != nil {
			return 0, err
		}
	}
	if d.revs[key] != revision {
		return 0, fmt.Errorf("update %s: %w", key, ErrChanged)
	}
	d.last++
	d.texts[key], d.revs[key] = slices.Clone(doc), d.last
	return d.last, nil
}

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

// place is somewhere that is told.
type place struct {
	name string
	mu   sync.Mutex
	told []notify.Outcome
	fail error
	// entered, if not nil, gets a token from each telling, which waits for one of leave then.
	entered, leave chan struct{}
}

func (p *place) Name() string { return p.name }

func (p *place) Send(_ context.Context, o notify.Outcome) error {
	if p.entered != nil {
		p.entered <- struct{}{}
		<-p.leave
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return p.fail
	}
	p.told = append(p.told, o)
	return nil
}

// heard is what it was told, in order.
func (p *place) heard() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var s []string
	for _, o := range p.told {
		_, rung, _ := strings.Cut(o.ID, "-rung-")
		s = append(s, rung)
	}
	return strings.Join(s, " ")
}

func (p *place) broken(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = err
}

// world is a record, places, and what all replicas share.
type world struct {
	t     *testing.T
	docs  *documents
	due   *agenda
	phone *place
	chat  *place

	mu     sync.Mutex
	minute int
	events map[incidents.ID][]incidents.Event
}

var errMissing = errors.New("there is no such record")

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, docs: newDocuments(), due: &agenda{due: map[string]time.Time{}}, phone: &place{name: "phone"}, chat: &place{name: "chat"},
		events: map[incidents.ID][]incidents.Event{}}
}

// Events are the record's.
func (w *world) Events(_ context.Context, id incidents.ID) ([]incidents.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.events[id] == nil {
		return nil, errMissing
	}
	return slices.Clone(w.events[id]), nil
}

func (w *world) write(id incidents.ID, events ...incidents.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events[id] = append(w.events[id], events...)
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
	l, err := New(Defaults("phone", "chat"), Parts{Record: w, Documents: w.docs, Agenda: w.due, Sinks: []notify.Sink{w.phone, w.chat},
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
