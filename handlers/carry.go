package handlers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/failpoint"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
	"github.com/rs/zerolog"
)

// run is one worker with one incident in hand.
type run struct {
	*Loop
	h      *Bound
	st     *incidents.State
	target Target
	log    zerolog.Logger
	// fresh says that this worker itself brought the incident to its present stage: no crash lies between.
	fresh bool
}

// Carry moves an incident on until it has to wait, and enters in the agenda until when. Any number of workers may carry the same
// one at the same time: the record lets one of them go on.
func (l *Loop) Carry(ctx context.Context, key string) error {
	id, err := incidents.IDOfKey(key)
	if err != nil {
		return err
	}
	h := l.handler(id.Handler())
	if h == nil {
		return fmt.Errorf("incident %s: no handler %q runs here", id, id.Handler())
	}
	st, err := l.store.Load(ctx, id)
	if errors.Is(err, bus.ErrNotFound) {
		// Entered in the agenda, and never opened, or older than what is kept.
		return l.agenda.Clear(ctx, key)
	}
	if err != nil {
		return err
	}
	r := &run{Loop: l, h: h, st: st, log: l.cfg.Log.With().
		Str("incident", id.String()).Str("handler", h.Name()).Str("target", st.Target).Logger()}
	r.target = r.present()
	err = r.move(l.traced(ctx, st))
	if errors.Is(err, incidents.ErrConflict) {
		l.agenda.Nudge(key) // somebody else moved it on: look at it as it is now
		return nil
	}
	if err != nil {
		return err
	}
	return r.putDown(ctx, key)
}

// present is the target as the policy knows it today. A target that was taken out of the policy is looked at no more, and what stands
// there is still given back.
func (r *run) present() Target {
	for _, a := range r.st.Alerts {
		if t, ok := r.h.Target(a); ok && t.Name == r.st.Target {
			return t
		}
	}
	return Target{Name: r.st.Target, Domain: r.st.Domain, Mode: policy.Off}
}

// putDown says when to come back.
func (r *run) putDown(ctx context.Context, key string) error {
	if r.st.Open() {
		return r.agenda.Move(ctx, key, r.st.Due)
	}
	if err := r.release(ctx); err != nil {
		return err
	}
	return r.agenda.Clear(ctx, key)
}

// release gives the ledger's lock back. It is safe to repeat, so it needs no event of its own. While the incident is open only the
// grant that its last change names is given back: another worker may be about to use a later one.
func (r *run) release(ctx context.Context) error {
	if f := r.st.Fix(); f != nil {
		end := ledger.End{Incident: r.st.ID.String(), Domain: r.st.Domain, Fence: f.Order.Fence,
			Unused: f.Times.Issued.IsZero(), Doubt: f.Outcome == incidents.OutcomeUnknown}
		end.Class = remediations.ClassP2 // what is no longer known is treated as the riskiest
		if rem, ok := r.remediation(f.Order.Remediation); ok {
			end.Class = rem.Bounds(f.Order.Step).Class
		}
		if err := r.cfg.Ledger.Release(ctx, end, r.now()); err != nil {
			return err
		}
	}
	if r.st.Open() {
		return nil
	}
	// What an incident holds behind its end was granted, and the intention that should have followed is in no record: it was never used.
	return r.cfg.Ledger.Release(ctx, ledger.End{Incident: r.st.ID.String(), Domain: r.st.Domain, Unused: true}, r.now())
}

// move makes one transition after the other until one says to wait.
func (r *run) move(ctx context.Context) error {
	for r.st.Open() {
		again, err := r.transition(ctx)
		if err != nil || !again {
			return err
		}
		r.fresh = true
	}
	return nil
}

func (r *run) transition(ctx context.Context) (again bool, err error) {
	switch r.st.Stage {
	case incidents.Looking:
		return r.look(ctx)
	case incidents.Settled:
		if err := r.release(ctx); err != nil {
			return false, err
		}
		return r.look(ctx)
	case incidents.Waiting:
		return r.answer(ctx)
	case incidents.Planned:
		return r.issue(ctx)
	case incidents.Sending, incidents.Doubtful:
		return r.resolveDoubt(ctx)
	case incidents.Standing:
		if r.st.Fix().Order.Once {
			return r.verifyOnce(ctx)
		}
		return r.verify(ctx)
	case incidents.Holding:
		return r.hold(ctx)
	case incidents.Changing:
		return r.repeatAdjust(ctx)
	case incidents.Undoing, incidents.UndoDoubtful:
		return r.repeatRevert(ctx)
	}
	return false, fmt.Errorf("incident %s is at stage %q, which this build does not know", r.st.ID, r.st.Stage)
}

func (r *run) now() time.Time { return r.cfg.Now() }

// wait says when to look again, without an event: the record has nothing new.
func (r *run) wait(until time.Time) (bool, error) {
	r.st.Due = until
	return false, nil
}

func (r *run) append(ctx context.Context, events ...incidents.Event) error {
	asking, refusal := r.st.Asking, r.st.Refusal
	err := r.Loop.append(ctx, r.st, events...)
	if err == nil && r.cfg.Tracer != nil {
		r.spanOfAsking(ctx, asking, refusal, events)
	}
	return err
}

// append stamps and stores events as one. It is the only way to the record.
func (l *Loop) append(ctx context.Context, st *incidents.State, events ...incidents.Event) error {
	now := l.cfg.Now().UTC()
	for i := range events {
		events[i].V, events[i].By = incidents.Version, l.name
		if events[i].At.IsZero() {
			events[i].At = now // a look has its own time: when it was begun
		}
	}
	last := string(events[len(events)-1].Kind)
	failpoint.Hit("before:" + last)
	if err := l.store.Append(ctx, st, events...); err != nil {
		return err
	}
	failpoint.Hit("after:" + last)
	for _, e := range events {
		l.cfg.Metrics.count(st, e)
	}
	return nil
}

func (r *run) remediation(name string) (remediations.Remediation, bool) {
	rem, ok := r.cfg.Remediations[name]
	return rem, ok
}
