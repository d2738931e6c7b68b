package history

import (
	"context"
	"time"

	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/guard"
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

// document is one document in memory, for the ledger.
type document struct{ text []byte }

// Get is the document.
func (d *document) Get(context.Context) ([]byte, error) { return d.text, nil }

// Change writes it.
func (d *document) Change(_ context.Context, fn func([]byte) ([]byte, error)) error {
	text, err := fn(d.text)
	if err != nil {
		return err
	}
	if text != nil {
		d.text = text
	}
	return nil
}
