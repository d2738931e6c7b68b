package policy

import (
	"cmp"
	"slices"
)

// TargetName is one target as all handlers' targets are listed: what it is called, and what is counted about it.
type TargetName struct {
	// Handler is the handler's name, such as retrystorm, and Name the target's under it, such as checkout/payments or orders.
	Handler, Name string
	// Domain is the failure domain, and Zone what fails together.
	Domain, Zone string
	// Mode is the target's own, never looser than the handler's.
	Mode Mode
	// Fixes are those that the policy allows on it; none is none.
	Fixes []string
}

// Permits says whether the policy names a fix at a place, as a step of a target of a handler. A place is checkout/payments for the calls
// of checkout to payments, orders/pg2 for a node, a pooler or an application's pool of a cluster, or webshop/sessions for those of a store. What it does not name is not
// permitted: not another target's place, not a fix outside of the target's allow, not a pooler's fix on a node, nothing under a name that
// is empty.
// It says nothing about the mode, the limits and the time, each of which can still refuse.
func (p Policy) Permits(handler, target, place, fix string) bool {
	if target == "" || place == "" || fix == "" {
		return false
	}
	list := p.targets(handler)
	i := slices.IndexFunc(list, func(t TargetName) bool { return t.Name == target })
	return i >= 0 && slices.Contains(list[i].Fixes, fix) && slices.Contains(p.places(handler, target, fix), place)
}

// places are where a fix can be made on a target.
func (p Policy) places(handler, target, fix string) []string {
	switch handler {
	case retryStorm:
		return []string{target}
	case sessionDrift:
		return p.sessionPlaces(target)
	}
	c, ok := p.cluster(target)
	if !ok {
		return nil
	}
	var list []string
	switch fix {
	case fixDrain, fixEndConflict, fixRestartStream, fixResumeReplay, fixEndLeaked, fixEndBlocker:
		for _, n := range c.Nodes {
			list = append(list, placeIn(target, n.Node))
		}
	case fixGrowPool:
		list = p.changeableApps(target)
		fallthrough
	case fixResume:
		for _, b := range c.PgBouncers {
			if b.Admin != nil {
				list = append(list, placeIn(target, b.PgBouncer))
			}
		}
	}
	return list
}

// changeableApps are the places of those pools inside of applications that have an endpoint for their size.
func (p Policy) changeableApps(cluster string) []string {
	var list []string
	for _, l := range p.Handlers.PoolExhaustion.Clusters {
		for _, a := range l.Apps {
			if l.Cluster == cluster && a.HTTP != nil {
				list = append(list, placeIn(cluster, a.App))
			}
		}
	}
	return list
}

// placeIn is the name of a place in a cluster, or "" if it has none.
func placeIn(cluster, node string) string {
	if node == "" {
		return ""
	}
	return cluster + "/" + node
}

// Targets lists the targets of all handlers in the order of the policy. Whoever gets the list may change it.
func (p Policy) Targets() []TargetName {
	var list []TargetName
	for _, handler := range handlerNames() {
		list = append(list, p.targets(handler)...)
	}
	return list
}

// targets are those of one handler; an unknown handler has none.
func (p Policy) targets(handler string) []TargetName {
	var list []TargetName
	switch handler {
	case retryStorm:
		for _, e := range p.Handlers.RetryStorm.Edges {
			e.fill(p.Handlers.RetryStorm.Mode)
			list = append(list, TargetName{Name: e.name(), Domain: e.Domain, Zone: e.Zone, Mode: e.Mode, Fixes: e.Fix.Allow})
		}
	case replicationLag:
		for _, l := range p.Handlers.ReplicationLag.Clusters {
			list = append(list, p.clusterTarget(l.Cluster, or(l.Mode, p.Handlers.ReplicationLag.Mode), l.Fix.Allow))
		}
	case poolExhaustion:
		for _, l := range p.Handlers.PoolExhaustion.Clusters {
			list = append(list, p.clusterTarget(l.Cluster, or(l.Mode, p.Handlers.PoolExhaustion.Mode), l.Fix.Allow))
		}
	case sessionDrift:
		for _, s := range p.Handlers.SessionDrift.Stores {
			list = append(list, p.storeTarget(s))
		}
	}
	for i := range list {
		list[i].Handler, list[i].Fixes = handler, slices.Clone(list[i].Fixes)
	}
	return list
}

// clusterTarget is a cluster as a handler's target. A cluster that is not there has no place where it could be changed.
func (p Policy) clusterTarget(name string, mode Mode, allow []string) TargetName {
	t := TargetName{Name: name, Domain: name, Zone: "all", Mode: mode, Fixes: allow}
	if c, ok := p.cluster(name); ok {
		t.Domain, t.Zone = cmp.Or(c.Domain, name), cmp.Or(c.Zone, "all") // not filled in place: the nodes are the caller's
	}
	return t
}

// mode is a handler's own; an unknown handler is off.
func (p Policy) mode(handler string) Mode {
	switch handler {
	case retryStorm:
		return p.Handlers.RetryStorm.Mode
	case replicationLag:
		return p.Handlers.ReplicationLag.Mode
	case poolExhaustion:
		return p.Handlers.PoolExhaustion.Mode
	case sessionDrift:
		return p.Handlers.SessionDrift.Mode
	}
	return Off
}

// or is a mode, or another one if it is not said.
func or(m, otherwise Mode) Mode {
	if m == "" {
		return otherwise
	}
	return m
}
