package ladder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/notify"
)

const (
	// lookAgain is how often an open incident is looked at that has no further rung. It is not taken off the agenda before its end:
	// whoever did that in the moment in which a person is called again would silence it.
	lookAgain = time.Hour
	// workers is how many incidents are looked at at once.
	workers = 4
	// tries is how often one look begins anew because somebody else appended first. After that the agenda comes back to it.
	tries = 10
)

// prefix begins all keys on the agenda: claims of agendas share one bucket, and another one has the incidents themselves.
const prefix = "ladder."

// errBehind says that the events of a record are older than its state: a copy of the log answered that is behind.
var errBehind = errors.New("its events are read from a copy that is behind")

// Record is what happened: see incidents.Store.
type Record interface {
	Load(ctx context.Context, id incidents.ID) (*incidents.State, error)
	Events(ctx context.Context, id incidents.ID) ([]incidents.Event, error)
	Append(ctx context.Context, st *incidents.State, events ...incidents.Event) error
}

// Agenda says when to look at what: see bus.Agenda.
type Agenda interface {
	Set(ctx context.Context, key string, due time.Time) error
	Move(ctx context.Context, key string, due time.Time) error
	Clear(ctx context.Context, key string) error
	Run(ctx context.Context, workers int, prefixes []string, fn func(context.Context, string) error) error
}

// Parts are what a runner works with. All but Now are required.
type Parts struct {
	Record Record
	Agenda Agenda
	// Places are the names of the places that rungs can name, as the policy has them.
	Places []string
	// Missing says of an error of the record that there is none (see bus.ErrNotFound).
	Missing func(error) bool
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	Log zerolog.Logger
}

// Runner climbs ladders. It is safe for concurrent use, on any number of replicas.
type Runner struct {
	rungs Rungs
	parts Parts
}

var _ notify.Sink = (*Runner)(nil)

// New checks the ladders.
func New(rungs Rungs, p Parts) (*Runner, error) {
	if p.Record == nil || p.Agenda == nil || p.Missing == nil {
		return nil, errors.New("configure the escalation ladder: a part is missing")
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	if err := rungs.check(func(name string) bool { return slices.Contains(p.Places, name) }); err != nil {
		return nil, fmt.Errorf("configure the escalation ladder: %w", err)
	}
	return &Runner{rungs: rungs, parts: p}, nil
}

// Kinds are what a [notify.Teller] of the ladder is to be told of.
func Kinds() []incidents.Kind { return []incidents.Kind{incidents.Opened, incidents.Escalated} }

// Name is "ladder".
func (*Runner) Name() string { return "ladder" }

// Send puts an incident on the agenda. It climbs nothing: [Runner.Run] does.
func (l *Runner) Send(ctx context.Context, o notify.Outcome) error {
	begins := o.Kind == incidents.Escalated || o.Kind == incidents.Opened && l.rungs.of(o.Labels["severity"]).From == FromOpened
	if !begins {
		return nil
	}
	if err := l.parts.Agenda.Set(ctx, prefix+o.Incident.Key(), l.parts.Now()); err != nil {
		return fmt.Errorf("put %s on the escalation ladder: %w", o.Incident, err)
	}
	return nil
}

// Run climbs what is due until ctx ends.
func (l *Runner) Run(ctx context.Context) error {
	return l.parts.Agenda.Run(ctx, workers, []string{prefix}, l.look)
}

// look writes down what is due of one incident, and moves it to when the next rung is.
func (l *Runner) look(ctx context.Context, key string) error {
	id, err := incidents.IDOfKey(strings.TrimPrefix(key, prefix))
	if err != nil {
		l.parts.Log.Error().Err(err).Str("key", key).Msg("a key on the escalation ladder is no incident; it is dropped")
		return l.parts.Agenda.Clear(ctx, key)
	}
	next, open, err := l.climb(ctx, id)
	for n := 1; n < tries && errors.Is(err, incidents.ErrConflict); n++ {
		next, open, err = l.climb(ctx, id)
	}
	switch {
	case err != nil && l.parts.Missing(err):
		return l.parts.Agenda.Clear(ctx, key)
	case err != nil:
		return fmt.Errorf("climb the ladder of %s: %w", id, err)
	case !open:
		return l.parts.Agenda.Clear(ctx, key)
	}
	if again := l.parts.Now().Add(lookAgain); next.IsZero() || next.After(again) {
		next = again
	}
	return l.parts.Agenda.Move(ctx, key, next)
}

// climb appends the rungs that are due and not in the record, all or none, and says when the next one is. After an error that is
// incidents.ErrConflict nothing was appended: somebody else was first.
func (l *Runner) climb(ctx context.Context, id incidents.ID) (next time.Time, open bool, err error) {
	// The state comes first: were the events read first, what is appended between the two would not be seen, and still be built on.
	st, err := l.parts.Record.Load(ctx, id)
	if err != nil || !st.Open() {
		return time.Time{}, false, err
	}
	events, err := l.parts.Record.Events(ctx, id)
	if err != nil {
		return time.Time{}, false, err
	}
	// Where the log has forgotten the beginning of a record by age, fewer events are left than the state was made of.
	if len(events) == 0 || len(events) < st.Events && events[0].Kind == incidents.Opened {
		return time.Time{}, false, errBehind
	}
	now := l.parts.Now().UTC()
	due, next := Due(l.rungs, events, now)
	if len(due) == 0 {
		return next, true, nil
	}
	reached := make([]incidents.Event, len(due))
	for i, s := range due {
		reached[i] = s.event(now)
	}
	if err := l.parts.Record.Append(ctx, st, reached...); err != nil {
		return time.Time{}, false, err
	}
	for _, s := range due {
		l.parts.Log.Info().Str("incident", id.String()).Int("round", s.Round).Int("rung", s.Number).Strs("to", s.To).Str("mention", s.Mention).
			Msg("nobody came: the next rung is reached")
	}
	return next, true, nil
}
