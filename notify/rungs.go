package notify

import (
	"slices"

	"github.com/firebreak-sre/firebreak/incidents"
)

// Called says by which name the policy's escalation ladder calls the sink, and returns the teller. It is [Sink.Name] unless it is said.
func (t *Teller) Called(name string) *Teller {
	t.called = name
	return t
}

// wanted says whether the sink is told of an event. A rung of the ladder is told to those whom it names, whatever kinds they asked for, and
// to nobody else: it calls people, and whoever it does not name is not called.
func (t *Teller) wanted(e incidents.Event) bool {
	if e.Kind == incidents.Rung {
		return e.Rung.Names(t.called)
	}
	return slices.Contains(t.kinds, e.Kind)
}
