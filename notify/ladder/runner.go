package ladder

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/notify"
)

const (
	// sendTimeout bounds one telling; claimFor is how long a claim of one holds, with what two clocks may differ.
	sendTimeout = 20 * time.Second
	claimFor    = sendTimeout + 20*time.Second
	// keepWithin is how long writing down the end of a telling may take, even while the process is being stopped.
	keepWithin = 5 * time.Second
	// lookAgain is how often an open incident is looked at that has no further rung. It is not taken off the agenda before its end:
	// whoever did that in the moment in which a person is called again would silence it.
	lookAgain = time.Hour
	// workers is how many incidents are looked at at once.
	workers = 4
)

// prefix begins all keys on the agenda: claims of agendas share one bucket, and another one has the incidents themselves.
const prefix = "ladder."

// Record reads what happened: see incidents.Store.
type Record interface {
	Events(ctx context.Context, id incidents.ID) ([]incidents.Event, error)
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
	Record    Record
	Documents Documents
	Agenda    Agenda
	// Sinks are the places, by [notify.Sink.Name].
	Sinks []notify.Sink
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
	sinks map[string]notify.Sink
}

var _ notify.Sink = (*Runner)(nil)

// New checks the ladders. A place may be told of by other ways as well.
func New(rungs Rungs, p Parts) (*Runner, error) {
	if p.Record == nil || p.Documents == nil || p.Agenda == nil || p.Missing == nil {
		return nil, errors.New("configure the escalation ladder: a part is missing")
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	l := &Runner{rungs: rungs, parts: p, sinks: map[string]notify.Sink{}}
	for _, s := range p.Sinks {
		l.sinks[s.Name()] = s
	}
	if err := rungs.check(func(name string) bool { return l.sinks[name] != nil }); err != nil {
		return nil, fmt.Errorf("configure the escalation ladder: %w", err)
	}
	return l, nil
}

// Kinds are what a [notify.Teller] of the ladder is to be told of.
func Kinds() []incidents.Kind { return []incidents.Kind{incidents.Opened, incidents.Escalated} }

// Name is "ladder".
func (*Runner) Name() string { return "ladder" }

// Send puts an incident on the agenda. It tells nobody: [Runner.Run] does.
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

// Run tells what is due until ctx ends.
func (l *Runner) Run(ctx context.Context) error {
	return l.parts.Agenda.Run(ctx, workers, []string{prefix}, l.look)
}

// look tells what is due of one incident, and moves it to when the next rung is.
func (l *Runner) look(ctx context.Context, key string) error {
	id, err := incidents.IDOfKey(strings.TrimPrefix(key, prefix))
	if err != nil {
		l.parts.Log.Error().Err(err).Str("key", key).Msg("a key on the escalation ladder is no incident; it is dropped")
		return l.parts.Agenda.Clear(ctx, key)
	}
	events, err := l.parts.Record.Events(ctx, id)
	if err != nil && l.parts.Missing(err) {
		return l.parts.Agenda.Clear(ctx, key)
	}
	if err != nil {
		return fmt.Errorf("read the record of %s: %w", id, err)
	}
	st := incidents.Fold(events)
	if !st.Open() {
		return l.parts.Agenda.Clear(ctx, key)
	}
	due, next := Due(l.rungs, events, l.parts.Now())
	var failed []error
	for _, s := range due {
		for _, place := range s.To {
			if err := l.tell(ctx, st, s, place); err != nil {
				failed = append(failed, err) // the others are told nevertheless
			}
		}
	}
	if err := errors.Join(failed...); err != nil {
		return err
	}
	if again := l.parts.Now().Add(lookAgain); next.IsZero() || next.After(again) {
		next = again
	}
	return l.parts.Agenda.Move(ctx, key, next)
}

// errTold ends a claim on what was told already.
var errTold = errors.New("it was told")

// tell tells one place of one rung, unless it was told.
func (l *Runner) tell(ctx context.Context, st *incidents.State, s Step, place string) error {
	id, key := st.ID.String(), s.key(place)
	claim := l.parts.Now().Add(claimFor)
	err := l.change(ctx, id, key, func(t telling) (telling, error) {
		switch {
		case !t.Done.IsZero():
			return t, errTold
		case t.Until.After(l.parts.Now()):
			return t, fmt.Errorf("tell %s of rung %d of %s: another replica may be at it until %s", place, s.Number, id, t.Until.Format(time.TimeOnly))
		}
		return telling{Until: claim}, nil
	})
	if errors.Is(err, errTold) {
		return nil
	}
	if err != nil {
		return err
	}
	send, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	err = l.sinks[place].Send(send, outcome(st, s))
	ended := telling{Done: l.parts.Now()}
	switch {
	case errors.Is(err, notify.ErrPermanent):
		l.parts.Log.Error().Err(err).Str("incident", id).Str("integration", place).Int("rung", s.Number).Msg("a rung could not be told and is given up")
		ended.Failed, err = err.Error(), nil
	case err != nil:
		ended = telling{} // given back: whoever comes next tries again
		err = fmt.Errorf("tell %s of rung %d of %s: %w", place, s.Number, id, err)
	default:
		l.parts.Log.Info().Str("incident", id).Str("integration", place).Int("rung", s.Number).Str("mention", s.Mention).Msg("nobody came: the next rung is told")
	}
	return errors.Join(err, l.end(ctx, id, key, claim, ended))
}

// end writes down how a telling ended, unless its claim was over and somebody else has it.
func (l *Runner) end(ctx context.Context, id, key string, claim time.Time, ended telling) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
	defer cancel()
	err := l.change(ctx, id, key, func(t telling) (telling, error) {
		if !t.Done.IsZero() || ended.Done.IsZero() && !t.Until.Equal(claim) {
			return t, errTold
		}
		return ended, nil
	})
	if errors.Is(err, errTold) {
		return nil
	}
	return err
}

// outcome is what a place is told. Its id is the same for every try.
func outcome(st *incidents.State, s Step) notify.Outcome {
	words := fmt.Sprintf("nobody has taken it for %s: calling %s (rung %d of %d)", s.After, s.Mention, s.Number, s.Of)
	if s.After == 0 {
		words = fmt.Sprintf("a person is needed: calling %s (rung %d of %d)", s.Mention, s.Number, s.Of)
	}
	o := st.Opening
	e := incidents.Event{V: incidents.Version, Kind: incidents.Escalated, At: s.At, By: "ladder", Note: words}
	return notify.Outcome{ID: fmt.Sprintf("%s-rung-%d-%d", o.ID, s.Round, s.Number), Incident: o.ID, Kind: e.Kind, At: e.At, Handler: o.Handler,
		Target: o.Target, Alert: o.Alert.Name(), Labels: o.Alert.Labels, Words: words, Event: e}
}
