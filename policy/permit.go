package policy

import "slices"

// TargetName is one target as all handlers' targets are listed: what it is called, and what is counted about it.
type TargetName struct {
	// Handler is the handler's name, such as retrystorm, and Name the target's under it, such as checkout/payments.
	Handler, Name string
	// Domain is the failure domain, and Zone what fails together.
	Domain, Zone string
	// Mode is the target's own, never looser than the handler's.
	Mode Mode
	// Fixes are those that the policy allows on it; none is none.
	Fixes []string
}

// Permits says whether the policy names a fix on an edge of a service, as a step of a target of a handler. What it does not name is
// not permitted: not another target's edge, not a fix outside of the target's allow, nothing under a name that is empty.
// It says nothing about the mode, the limits and the time, each of which can still refuse.
func (p Policy) Permits(handler, target, service, edge, fix string) bool {
	if target == "" || fix == "" {
		return false
	}
	edges, _ := p.edges(handler)
	i := slices.IndexFunc(edges, func(e Edge) bool { return e.name() == target })
	return i >= 0 && edges[i].Service == service && edges[i].Edge == edge && slices.Contains(edges[i].Fix.Allow, fix)
}

// Targets lists the targets of all handlers in the order of the policy. Whoever gets the list may change it.
func (p Policy) Targets() []TargetName {
	var list []TargetName
	for _, handler := range handlerNames() {
		edges, mode := p.edges(handler)
		for _, e := range edges {
			e.fill(mode)
			list = append(list, TargetName{
				Handler: handler, Name: e.name(), Domain: e.Domain, Zone: e.Zone, Mode: e.Mode, Fixes: slices.Clone(e.Fix.Allow),
			})
		}
	}
	return list
}

// edges are the targets of a handler and the mode of those that have none of their own; an unknown handler has no targets.
func (p Policy) edges(handler string) ([]Edge, Mode) {
	if handler == retryStorm {
		return p.Handlers.RetryStorm.Edges, p.Handlers.RetryStorm.Mode
	}
	return nil, Off
}
