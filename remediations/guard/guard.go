// Package guard is what is asked before anything is changed, outside of the handlers and besides the limits of the ledger: whether
// people stopped us, whether they are working there, whether the alert is still what it was, and whether we ourselves are
// well. Each question is a part that can be used alone; [Guard] asks all of them.
//
// It only ever says no to a change that is about to be started. Nothing here is asked before a revert, and nothing here keeps a
// person from doing anything. What cannot be read is a no.
package guard

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/windows"
)

// admitWithin is how long all questions together may take.
const admitWithin = 3 * time.Second

// Config is what a guard asks. Only the brake is required; what is nil is not asked.
type Config struct {
	Brake         *Brake
	Windows       *windows.Windows
	Alertmanagers *Alertmanagers
	Observer      *Observer
	Watchdog      *Watchdog
}

// Guard asks everything. It is safe for concurrent use.
type Guard struct {
	cfg Config
}

// New returns a guard.
func New(cfg Config) (*Guard, error) {
	if cfg.Brake == nil {
		return nil, errors.New("configure the guard: no brake")
	}
	return &Guard{cfg: cfg}, nil
}

// Ask is a change that is about to be started.
type Ask struct {
	// Handler wants it, in the failure domain Domain.
	Handler string
	Domain  string
	// Alerts are the incident's firing alerts.
	Alerts []alerts.Alert
	// Presence is what the target told just now: between Asked and Answered, by our clock.
	Presence remediations.Presence
	Asked    time.Time
	Answered time.Time
	// Now is what pauses, windows and the watchdog are compared with. Zero is the present.
	Now time.Time
	// Override says that a person ordered it in spite of a no, by name, and that this is in the record. See [Guard.Admit].
	Override bool
}

// question is one part of the guard, ready to be asked.
type question struct {
	ask func(ctx context.Context) *remediations.NoError
	// late is the reason of the no if no answer comes in time.
	late remediations.Reason
	// who says which answers an Override passes.
	who passes
}

// passes says whether a person's order passes a no.
type passes func(reason remediations.Reason) bool

func byPerson(remediations.Reason) bool { return true }
func byNobody(remediations.Reason) bool { return false }

// byPersonIfOurs passes what Alertmanager says about an alert that fires, or what it cannot say, but neither that nothing fires nor
// that the alert is not ours.
func byPersonIfOurs(reason remediations.Reason) bool {
	return slices.Contains([]remediations.Reason{remediations.ReasonSilenced, remediations.ReasonInhibited,
		remediations.ReasonMuted, remediations.ReasonUnconfirmed}, reason)
}

// Admit asks everything at once, for three seconds at most, and returns the first no in this order, or nil:
//
//  1. kill_switch, paused: the brake
//  2. maintenance: the windows of the policy
//  3. owner_paused: who manages the target paused it
//  4. no_watchdog: we are deaf
//  5. resolved, silenced, inhibited, muted, not_allowed, alert_unconfirmed: the Alertmanagers
//  6. observer_unhealthy: our clock
//  7. observer_unhealthy: the anchors
//
// Before all of them, a context that ended is too_late: whoever asked does not wait any more.
//
// An Override passes what protects people's work and what we know of ourselves: 1 to 4, 7, and of 5 all that is said of an alert
// that fires and is ours. It never passes resolved, since there is nothing to fix; nor not_allowed, since an alert that is not ours
// says nothing about this target; nor the clock, since a change with a wrong clock has neither deadline nor end.
func (g *Guard) Admit(ctx context.Context, a Ask) *remediations.NoError {
	return ask(ctx, a.Override, append(g.gate(a),
		question{late: remediations.ReasonOwnerPaused, who: byPerson,
			ask: func(context.Context) *remediations.NoError { return ownerPaused(a.Presence) }},
		question{late: remediations.ReasonWatchdog, who: byPerson,
			ask: func(context.Context) *remediations.NoError { return g.cfg.Watchdog.Check(a.now()) }},
		question{late: remediations.ReasonUnconfirmed, who: byPersonIfOurs,
			ask: func(ctx context.Context) *remediations.NoError { return g.cfg.Alertmanagers.Check(ctx, a.Alerts) }},
		question{late: remediations.ReasonObserver, who: byNobody,
			ask: func(context.Context) *remediations.NoError {
				return g.cfg.Observer.Clock(a.Presence, a.Asked, a.Answered)
			}},
		question{late: remediations.ReasonObserver, who: byPerson,
			ask: func(ctx context.Context) *remediations.NoError { return g.cfg.Observer.Anchors(ctx) }},
	))
}

// LastGate asks again, right before the command is sent, what people may have said meanwhile: the brake and the windows. Of an
// Ask it needs Handler, Domain, Now and Override, which passes all of it. A context that ended is too_late.
func (g *Guard) LastGate(ctx context.Context, a Ask) *remediations.NoError {
	return ask(ctx, a.Override, g.gate(a))
}

// gate are the questions about what people said.
func (g *Guard) gate(a Ask) []question {
	return []question{
		{late: remediations.ReasonKillSwitch, who: byPerson,
			ask: func(ctx context.Context) *remediations.NoError {
				return g.cfg.Brake.Check(ctx, a.Handler, a.Domain, a.now())
			}},
		{late: remediations.ReasonMaintenance, who: byPerson,
			ask: func(context.Context) *remediations.NoError { return g.cfg.Windows.Check(a.Handler, a.Domain, a.now()) }},
	}
}

func (a Ask) now() time.Time {
	if a.Now.IsZero() {
		return time.Now()
	}
	return a.Now
}

// ownerPaused is what the target's own manager says. The words are the target's, so they are cleaned.
func ownerPaused(p remediations.Presence) *remediations.NoError {
	if p.OwnerPaused == "" {
		return nil
	}
	return refuse(remediations.ReasonOwnerPaused, withReason("the target's own manager is paused", clean(p.OwnerPaused, maxCause)))
}

// ask asks all questions at once and returns the first no in their order that nobody passed.
func ask(parent context.Context, override bool, questions []question) *remediations.NoError {
	ctx, cancel := context.WithTimeout(parent, admitWithin)
	defer cancel()
	answers := make([]chan *remediations.NoError, len(questions))
	for i, q := range questions {
		answers[i] = make(chan *remediations.NoError, 1)
		go func() { answers[i] <- q.ask(ctx) }()
	}
	for i, q := range questions {
		no := await(ctx, q, answers[i])
		if parent.Err() != nil {
			return refuse(remediations.ReasonTooLate, "nobody waits for the answer any more: "+cause(context.Cause(parent)))
		}
		if no != nil && (!override || !q.who(no.Reason)) {
			return no
		}
	}
	return nil
}

// await is the answer to one question, or its no if the time is over. An answer that is there counts even then.
func await(ctx context.Context, q question, answered <-chan *remediations.NoError) *remediations.NoError {
	select {
	case no := <-answered:
		return no
	case <-ctx.Done():
	}
	select {
	case no := <-answered:
		return no
	default:
		return refuse(q.late, "there was no answer within "+admitWithin.String())
	}
}
