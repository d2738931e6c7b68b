package think

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
)

// looksKept is how many looks a decision is given at most, on each side of the change: some minutes' worth.
const looksKept = 120

// Bound is a thinker whose observations are only known as JSON, so that one loop, or one replay, can carry all of them.
type Bound struct {
	name    string
	target  func(alerts.Alert) (Target, bool)
	targets func() []Target
	decide  func(Scene) (incidents.Decision, error)
	judge   func(Scene) (incidents.Judgement, error)
}

// Scene is a [Case] before its observations are decoded: they are those of the state.
type Scene struct {
	Target Target
	State  *incidents.State
	Busy   int
	Now    time.Time
	// Memo keeps the looks of one incident decoded from one scene to the next. Nil: each scene decodes them anew.
	Memo *Memo
}

// Memo is what one incident's looks say, by their place in its record. The zero value is ready. It belongs to one incident and one family.
type Memo struct{ looks map[int]any }

// Bind hides what a thinker looks at.
func Bind[O any](t Thinker[O]) *Bound {
	return &Bound{
		name: t.Name(), target: t.Target, targets: t.Targets,
		decide: func(s Scene) (incidents.Decision, error) {
			c, err := decode[O](s)
			if err != nil {
				return incidents.Decision{}, err
			}
			c.Before, c.After, c.Step = append(c.Before, c.After...), nil, nil
			return t.Decide(c), nil
		},
		judge: func(s Scene) (incidents.Judgement, error) {
			c, err := decode[O](s)
			if err != nil {
				return incidents.Judgement{}, err
			}
			return t.Judge(c), nil
		},
	}
}

// Name is the family's name.
func (b *Bound) Name() string { return b.name }

// Target says what an alert is about; false if it is none of this family's business.
func (b *Bound) Target(a alerts.Alert) (Target, bool) { return b.target(a) }

// Targets are all that the policy names.
func (b *Bound) Targets() []Target { return b.targets() }

// Decide says what is the matter, by the last look of the scene's state. An error means that a recorded look cannot be read.
func (b *Bound) Decide(s Scene) (incidents.Decision, error) { return b.decide(s) }

// Judge says what the present change of the scene's state did. An error means that a recorded look cannot be read.
func (b *Bound) Judge(s Scene) (incidents.Judgement, error) { return b.judge(s) }

func decode[O any](s Scene) (Case[O], error) {
	c := Case[O]{Target: s.Target, Alerts: s.State.Alerts, Busy: s.Busy, Now: s.Now}
	before, after := splitLooks(s.State)
	var err error
	if c.Before, err = decodeLooks[O](s, before); err != nil {
		return c, err
	}
	if c.After, err = decodeLooks[O](s, after); err != nil {
		return c, err
	}
	if f := s.State.Fix(); f != nil && underWay(s.State) {
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

// span is a part of a state's looks: from, inclusive, to until, exclusive.
type span struct{ from, until int }

// splitLooks parts the looks at the moment when the present change was issued, in the order of the record. What was seen while an
// earlier change stood says nothing about now.
func splitLooks(st *incidents.State) (before, after span) {
	since, issued, all := 0, len(st.Looks), len(st.Looks)
	for i, f := range st.Fixes {
		switch standing := i == len(st.Fixes)-1 && underWay(st); {
		case !standing:
			since = f.LooksUntil
		case !f.Times.Issued.IsZero():
			issued = f.LooksBefore
		}
	}
	until := max(since, issued)
	return span{max(since, until-looksKept), until}, span{max(issued, all-looksKept), all}
}

func decodeLooks[O any](s Scene, part span) ([]Look[O], error) {
	out := make([]Look[O], 0, part.until-part.from)
	for i := part.from; i < part.until; i++ {
		l := s.State.Looks[i]
		o, err := decodeLook[O](s.Memo, i, l)
		if err != nil {
			return nil, fmt.Errorf("decode the observation of %s: %w", l.At.Format(time.RFC3339Nano), err)
		}
		out = append(out, Look[O]{At: l.At, Seen: o})
	}
	return out, nil
}

func decodeLook[O any](m *Memo, i int, l incidents.Look) (o O, err error) {
	if m != nil {
		if known, ok := m.looks[i].(O); ok {
			return known, nil
		}
	}
	if err := json.Unmarshal(l.Seen, &o); err != nil {
		return o, err
	}
	if m != nil {
		if m.looks == nil {
			m.looks = map[int]any{}
		}
		m.looks[i] = o
		delete(m.looks, i-3*looksKept) // no scene goes back so far
	}
	return o, nil
}
