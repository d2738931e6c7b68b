// Package bounds says what the remediation haproxy can never pass, and at which nodes it can do anything. It brings no client, so that what
// was decided in the past, or would be by another policy, is held against the same bounds as the change itself.
package bounds

import (
	"cmp"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

const (
	// Name is what a [remediations.Step] calls the remediation, FixDrain its only fix.
	Name     = "haproxy"
	FixDrain = "drain"
	// MaxLimit is the longest that a standby may be kept out.
	MaxLimit = 10 * time.Minute
)

// Places are the servers of the read pools: their names in the backend, by cluster and node. The nil Places has none.
type Places map[string]map[string]string

// PlacesOf are those of a policy.
func PlacesOf(p policy.Policy) Places {
	all := Places{}
	for _, c := range p.Postgres {
		if c.Reads == nil || c.Reads.HAProxy == nil {
			continue
		}
		servers := make(map[string]string, len(c.Nodes))
		for _, n := range c.Nodes {
			servers[n.Node] = cmp.Or(c.Reads.HAProxy.Servers[n.Node], n.Node)
		}
		all[c.Cluster] = servers
	}
	return all
}

// Find is the server of a step's node. The error wraps [remediations.ErrRefused]: there is none, or the fix is another one than drain.
func (p Places) Find(s remediations.Step) (string, error) {
	server := p[s.Cluster][s.Node]
	switch {
	case s.Place() == "" || server == "":
		return "", fmt.Errorf("%w: there is no read pool for node %.40q of cluster %.40q", remediations.ErrRefused, s.Node, s.Cluster)
	case s.Fix != FixDrain:
		return "", fmt.Errorf("%w: there is no fix %.40q here, only %s", remediations.ErrRefused, s.Fix, FixDrain)
	}
	return server, nil
}

// Of a step are class A for up to ten minutes. A node without a pool has none: nothing is within them.
func (p Places) Of(s remediations.Step) remediations.Bounds {
	if _, err := p.Find(s); err != nil {
		return remediations.Bounds{Class: remediations.ClassN}
	}
	return remediations.Bounds{Class: remediations.ClassA, MaxLimit: MaxLimit, Never: []string{
		"a server that somebody else has drained, disabled, set to maintenance or to weight 0",
		"a server without which fewer than min_ready others would take connections",
		"open connections: they go on until they end by themselves",
	}}
}
