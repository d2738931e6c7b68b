package operate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

// Approval is one plan that waits for people.
type Approval struct {
	Incident incidents.ID `json:"incident"`
	Handler  string       `json:"handler"`
	Target   string       `json:"target"`
	Domain   string       `json:"domain"`
	// Asking and Plan are what an answer must name.
	Asking string             `json:"asking"`
	Plan   string             `json:"plan"`
	Class  remediations.Class `json:"class"`
	Cause  string             `json:"cause"`
	Step   remediations.Step  `json:"step"`
	// Have of Need different people have said yes: By.
	Have int                `json:"have"`
	Need int                `json:"need"`
	By   []incidents.Person `json:"by,omitempty"`
	// Requested is who asked for it and cannot approve it; nil if Firebreak did.
	Requested *incidents.Person    `json:"requested,omitempty"`
	Until     time.Time            `json:"until"`
	Why       string               `json:"why"`
	Evidence  []incidents.Evidence `json:"evidence,omitempty"`
	// Changed says in words what is different from what was asked about before.
	Changed []string `json:"changed,omitempty"`
}

// open are the states of all open incidents, by id. One that cannot be read makes the whole list an error: what is missing in a list of
// what waits, or of what is blocked, would be taken for "nothing is".
func (a *api) open(ctx context.Context) ([]*incidents.State, error) {
	keys, err := a.Agenda.Open(ctx)
	if err != nil {
		return nil, err
	}
	var list []*incidents.State
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		id, err := incidents.IDOfKey(k)
		if err != nil {
			continue // not an incident's
		}
		st, err := a.Records.Load(ctx, id)
		if errors.Is(err, bus.ErrNotFound) {
			continue // entered, and not opened yet
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", id, err)
		}
		if st.Open() {
			list = append(list, st)
		}
	}
	return list, nil
}

func (a *api) approvals(c call) error {
	open, err := a.open(c.r.Context())
	if err != nil {
		return err
	}
	now := a.Now()
	var list []Approval
	for _, st := range open {
		if st.Stage == incidents.Waiting && st.Asking != nil && now.Before(st.Asking.Until) {
			list = append(list, approval(st))
		}
	}
	slices.SortStableFunc(list, func(x, y Approval) int { return x.Until.Compare(y.Until) })
	return lines(c, list)
}

func approval(st *incidents.State) Approval {
	ask := st.Asking
	out := Approval{Incident: st.ID, Handler: st.Handler, Target: st.Target, Domain: st.Domain, Asking: ask.ID, Plan: ask.Plan,
		Class: ask.Class, Cause: ask.Cause, Step: ask.Step, Have: len(st.Approvals), Need: ask.Need, Requested: ask.By, Until: ask.Until,
		Why: ask.Why, Evidence: ask.Evidence, Changed: ask.Changed}
	for _, said := range st.Approvals {
		out.By = append(out.By, said.Person)
	}
	return out
}

func (a *api) budget(c call) error {
	view, err := a.Ledger.View(c.r.Context(), a.Now())
	if err != nil {
		return err
	}
	return lines[ledger.Budget](c, view.Budgets)
}
