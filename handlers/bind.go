package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
)

// looksKept is how many looks a decision is given at most, on each side of the change: some minutes' worth.
const looksKept = 120

// Bound is a handler whose observations are only known as JSON, so that one loop can carry all of them.
type Bound struct {
	name    string
	target  func(alerts.Alert) (Target, bool)
	targets func() []Target
	observe func(ctx context.Context, target string) (json.RawMessage, error)
	decide  func(scene) (incidents.Decision, error)
	judge   func(scene) (incidents.Judgement, error)
}

// scene is a [Case] before its observations are decoded.
type scene struct {
	target Target
	state  *incidents.State
	busy   int
	now    time.Time
}

// Bind makes a handler ready for the [Loop].
func Bind[O any](h Handler[O]) *Bound {
	return &Bound{
		name:   h.Name(),
		target: h.Target, targets: h.Targets,
		observe: func(ctx context.Context, target string) (json.RawMessage, error) {
			o, err := h.Observe(ctx, target)
			seen, unwritable := json.Marshal(o)
			return seen, errors.Join(err, unwritable)
		},
		decide: func(s scene) (incidents.Decision, error) {
			c, err := decode[O](s)
			if err != nil {
				return incidents.Decision{}, err
			}
			c.Before, c.After, c.Step = append(c.Before, c.After...), nil, nil
			return h.Decide(c), nil
		},
		judge: func(s scene) (incidents.Judgement, error) {
			c, err := decode[O](s)
			if err != nil {
				return incidents.Judgement{}, err
			}
			return h.Judge(c), nil
		},
	}
}

// Name is the handler's name.
func (b *Bound) Name() string { return b.name }

func decode[O any](s scene) (Case[O], error) {
	c := Case[O]{Target: s.target, Alerts: s.state.Alerts, Busy: s.busy, Now: s.now}
	before, after := splitLooks(s.state)
	var err error
	if c.Before, err = decodeLooks[O](before); err != nil {
		return c, err
	}
	if c.After, err = decodeLooks[O](after); err != nil {
		return c, err
	}
	if f := s.state.Fix(); f != nil && underWay(s.state) {
		c.Step = &Stood{Fix: f.Order.Fix, Node: f.Order.Node, Params: f.Order.Params, Since: f.Times.Applied, Released: f.Presence.Released,
			ReleasedAt: f.Times.Released, Until: f.Times.Applied.Add(f.Verify.Within.D())}
	}
	return c, nil
}

// underWay says that the last change has been begun and has not ended.
func underWay(st *incidents.State) bool {
	switch st.Stage {
	case incidents.Looking, incidents.Waiting, incidents.Settled, incidents.Ended:
		return false
	}
	return true
}

// splitLooks parts the looks at the moment when the present change was issued, in the order of the record. What was seen while an
// earlier change stood says nothing about now.
func splitLooks(st *incidents.State) (before, after []incidents.Look) {
	since, issued := 0, len(st.Looks)
	for i, f := range st.Fixes {
		switch standing := i == len(st.Fixes)-1 && underWay(st); {
		case !standing:
			since = f.LooksUntil
		case !f.Times.Issued.IsZero():
			issued = f.LooksBefore
		}
	}
	before, after = st.Looks[since:max(since, issued)], st.Looks[issued:]
	return before[max(0, len(before)-looksKept):], after[max(0, len(after)-looksKept):]
}

func decodeLooks[O any](looks []incidents.Look) ([]Look[O], error) {
	out := make([]Look[O], 0, len(looks))
	for _, l := range looks {
		var o O
		if err := json.Unmarshal(l.Seen, &o); err != nil {
			return nil, fmt.Errorf("decode the observation of %s: %w", l.At.Format(time.RFC3339Nano), err)
		}
		out = append(out, Look[O]{At: l.At, Seen: o})
	}
	return out, nil
}
