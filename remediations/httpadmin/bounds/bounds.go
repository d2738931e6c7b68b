// Package bounds says what the remediation httpadmin can never pass, and at which edges and nodes it can do anything. It brings no client,
// so that what was decided in the past, or would be by another policy, is held against the same bounds as the change itself.
package bounds

import (
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

const (
	// Name is what a [remediations.Step] calls the remediation.
	Name = "httpadmin"
	// FixOpen is the fix by which nothing gets through on an edge; FixDrain and FixGrow are those of a node and of a pool.
	FixOpen  = "open"
	FixDrain = "drain"
	FixGrow  = "grow_pool"
	// MaxOpen is the longest that an edge may be held open, renewals included, MaxGrown that a pool may be larger; MaxLimit is that of the
	// other fixes.
	MaxOpen  = 5 * time.Minute
	MaxGrown = 30 * time.Minute
	MaxLimit = 10 * time.Minute
)

// Places are the edges and nodes that have endpoints, with what bounds say about their controls. The zero Places has none.
type Places struct {
	edges, nodes map[string]controls
}

// controls are those of one place, by fix.
type controls map[string]control

// control is what bounds say about one.
type control struct{ expiresItself, adjusts bool }

// New reads the endpoints of each edge by "<service>/<edge>", and those of each node or pool of a cluster by "<cluster>/<node>".
func New(edges, nodes map[string]policy.HTTPFix) Places {
	return Places{edges: read(edges), nodes: read(nodes)}
}

func read(all map[string]policy.HTTPFix) map[string]controls {
	places := make(map[string]controls, len(all))
	for place, fix := range all {
		places[place] = controls{}
		for kind, c := range fix.Controls {
			places[place][kind] = control{expiresItself: c.SelfExpiring, adjusts: c.Adjust != nil}
		}
	}
	return places
}

// PlacesOf are those of a policy.
func PlacesOf(p policy.Policy) Places { return New(Edges(p), Nodes(p)) }

// Has says whether a step's place has endpoints, whatever its fix is.
func (p Places) Has(s remediations.Step) bool {
	_, known := p.find(s)
	return known
}

func (p Places) find(s remediations.Step) (controls, bool) {
	all := p.nodes
	if s.Service != "" {
		all = p.edges
	}
	found, known := all[s.Place()]
	return found, known && s.Place() != ""
}

// Of a step are class A, and up to ten minutes; five for open, thirty for a larger pool. Whether the change ends by itself, and whether it
// can be adjusted, is what the control of its fix says. A place without endpoints has none: nothing is within them.
func (p Places) Of(s remediations.Step) remediations.Bounds {
	found, known := p.find(s)
	if !known {
		return remediations.Bounds{Class: remediations.ClassN}
	}
	c := found[s.Fix]
	return remediations.Bounds{Class: remediations.ClassA, MaxLimit: Longest(s.Fix), ExpiresItself: c.expiresItself, Adjusts: c.adjusts,
		Never: []string{"what somebody else has changed", "open for more than 5 minutes"}}
}

// Longest is how long a fix may stand, renewals included.
func Longest(fix string) time.Duration {
	switch fix {
	case FixOpen:
		return MaxOpen
	case FixGrow:
		return MaxGrown
	}
	return MaxLimit
}
