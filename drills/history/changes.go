package history

import (
	"context"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/guard"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

// changes are what stands at the services' edges.
type changes struct {
	bounds   func(remediations.Step) (remediations.Bounds, bool)
	standing map[string]standing // by place
	revision uint64
}

type standing struct {
	action   string
	since    time.Time
	released int
	revision uint64
}

// since is since when a change has been standing at an edge.
func (c *changes) since(place string) (time.Time, bool) {
	s, ok := c.standing[place]
	return s.since, ok
}

// Bounds are those of the real fix.
func (c *changes) Bounds(s remediations.Step) remediations.Bounds {
	b, known := c.bounds(s)
	if !known {
		return remediations.Bounds{Class: remediations.ClassN}
	}
	return b
}

// Check says whose change stands.
func (c *changes) Check(_ context.Context, o remediations.Order) (remediations.Presence, error) {
	s, ok := c.standing[o.Place()]
	switch {
	case !ok:
		return remediations.Presence{State: remediations.Absent}, nil
	case s.action != o.Action:
		return remediations.Presence{State: remediations.Foreign, Detail: "action " + s.action}, nil
	}
	return remediations.Presence{State: remediations.Ours, Revision: s.revision, Released: s.released}, nil
}

// Apply makes a change.
func (w *world) Apply(_ context.Context, o remediations.Order) (remediations.Receipt, error) {
	w.revision++
	w.standing[o.Place()] = standing{action: o.Action, since: w.now, revision: w.revision}
	return remediations.Receipt{Revision: w.revision}, nil
}

// Adjust gives a share back, or renews.
func (c *changes) Adjust(_ context.Context, o remediations.Order, r remediations.Receipt) (remediations.Receipt, error) {
	s, ok := c.standing[o.Place()]
	if !ok || s.action != o.Action {
		return r, remediations.ErrNotOurs
	}
	c.revision++
	s.released, s.revision = o.Released, c.revision
	c.standing[o.Place()] = s
	return remediations.Receipt{Revision: s.revision}, nil
}

// Revert takes a change back.
func (c *changes) Revert(_ context.Context, o remediations.Order, _ remediations.Receipt) error {
	if s, ok := c.standing[o.Place()]; ok && s.action == o.Action {
		delete(c.standing, o.Place())
	}
	return nil
}

// gate is the rest of the world, which says no now and then.
type gate struct{ w *world }

// Admit says that an alert is silenced, once in twenty.
func (g gate) Admit(_ context.Context, a guard.Ask) *remediations.NoError {
	for _, alert := range a.Alerts {
		if f := g.w.faults[alert.Labels["service"]+"/"+alert.Labels["edge"]]; f != nil && f.silenced {
			return &remediations.NoError{Reason: remediations.ReasonSilenced, Words: "silenced by ann: deploying"}
		}
	}
	return nil
}

// LastGate says yes.
func (g gate) LastGate(context.Context, guard.Ask) *remediations.NoError { return nil }

// limits are the real ledger's book, without a document around it.
type limits struct {
	book   *ledger.Book
	limits policy.Limits
}

// Reserve is the book's.
func (l limits) Reserve(_ context.Context, a ledger.Ask, now time.Time) (remediations.Grant, error) {
	grant, no, _ := l.book.Reserve(l.limits, a, now)
	if no != nil {
		return grant, no
	}
	return grant, nil
}

// Would is the book's.
func (l limits) Would(_ context.Context, a ledger.Ask, now time.Time) (*remediations.NoError, error) {
	return l.book.Would(l.limits, a, now), nil
}

// Release is the book's.
func (l limits) Release(_ context.Context, e ledger.End, now time.Time) error {
	l.book.Release(l.limits, e, now)
	return nil
}

// Surge is the book's.
func (l limits) Surge(_ context.Context, zone string, now time.Time) error {
	l.book.Surge(l.limits, zone, now)
	return nil
}
