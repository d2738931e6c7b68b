package replay

import (
	"time"

	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Rules are everything that a policy says about what may be done, without anything that could do it. All fields are required.
type Rules struct {
	// Hash is the policy's, and Build the version of the program, as decisions have them in their record.
	Hash, Build string
	// Thinkers are the families by name.
	Thinkers map[string]*think.Bound
	// Permits says whether the policy names a fix at a place for a target; Anyone, whether it names somebody who may approve it.
	Permits func(handler, target, place, fix string) bool
	Anyone  func(handler, target, fix string) bool
	// Bounds are those of a step's fix; false if there is no such remediation.
	Bounds func(remediations.Step) (remediations.Bounds, bool)
	// Windows says whether a maintenance window is open; nil if none is.
	Windows func(handler, domain string, now time.Time) *remediations.NoError
	Limits  policy.Limits
}

// target is what an incident's alerts are about under these rules; switched off if they know no such target.
func (r Rules) target(h *think.Bound, st *incidents.State) think.Target {
	for _, a := range st.Alerts {
		if t, ok := h.Target(a); ok && t.Name == st.Target {
			return t
		}
	}
	return think.Target{Name: st.Target, Domain: st.Domain, Mode: policy.Off}
}
