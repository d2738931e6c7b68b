// Package known says of every remediation what it can never pass, without having one: the bounds that the real ones would give under a
// policy, at its places and at those that do not exist. It brings no client, so that a replay can try any policy on the past.
package known

import (
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	breaker "github.com/firebreak-sre/firebreak/remediations/breaker/bounds"
	haproxy "github.com/firebreak-sre/firebreak/remediations/haproxy/bounds"
	httpadmin "github.com/firebreak-sre/firebreak/remediations/httpadmin/bounds"
	pgbouncer "github.com/firebreak-sre/firebreak/remediations/pgbouncer/bounds"
	postgres "github.com/firebreak-sre/firebreak/remediations/postgres/bounds"
	sessions "github.com/firebreak-sre/firebreak/remediations/sessions/bounds"
)

// Catalog is what the remediations of one policy say. The zero Catalog knows none. It is safe for concurrent use.
type Catalog struct {
	bounds map[string]func(remediations.Step) remediations.Bounds
}

// New reads a policy that was checked before: with one that was not, the real remediations might not even start. A further remediation is
// one line.
func New(p policy.Policy) Catalog {
	return Catalog{bounds: map[string]func(remediations.Step) remediations.Bounds{
		breaker.Name:   breaker.Of,
		haproxy.Name:   haproxy.PlacesOf(p).Of,
		httpadmin.Name: httpadmin.PlacesOf(p).Of,
		pgbouncer.Name: pgbouncer.PlacesOf(p).Of,
		postgres.Name:  postgres.Of,
		sessions.Name: func(s remediations.Step) remediations.Bounds {
			return sessions.Of(s, func(name string) bool { _, is := p.SessionStore(name); return is })
		},
	}}
}

// Bounds are what the remediation that a step names would say of it; false if there is no such remediation.
func (c Catalog) Bounds(step remediations.Step) (remediations.Bounds, bool) {
	of, known := c.bounds[step.Remediation]
	if !known {
		return remediations.Bounds{}, false
	}
	return of(step), true
}
