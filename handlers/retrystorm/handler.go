// Package retrystorm knows one failure family: the calls of one service to one dependency that multiply themselves
// by retrying, and what looks like it. From what was seen of an edge it says what is the matter (Decide) and what a
// change did about it (Judge). It never acts, and it does not look by itself: package probe, below it, does. The rules
// are those of runbook.md beside this file.
//
//	looks ──▶ rates between them ──▶ cause of each sample ──▶ all samples agree? ──▶ verdict
//	          (rates.go)             (cause.go)               (decide.go)            act, wait, page, false positive
//
// Decide and Judge are pure: the same case gives the same answer, at any time and on any machine.
package retrystorm

import (
	"fmt"
	"slices"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/policy"
)

// Name is the handler's name in the policy, in subjects and in the ids of its incidents.
const Name = "retrystorm"

// Handler answers alerts about retry storms. It is safe for concurrent use and holds no state.
type Handler struct {
	mode       policy.Mode
	alertnames []string
	thresholds policy.StormThresholds
	edges      []edge
}

// edge is a policy edge with its defaults filled in, and what follows from it.
type edge struct {
	policy.Edge
	name   string          // service/edge
	window policy.Duration // how far its queries look back; zero for JSON
}

var _ think.Thinker[Observation] = (*Handler)(nil)

// New checks the policy, fills its defaults in and returns the handler. All problems are reported together.
func New(p policy.RetryStorm) (*Handler, error) {
	h := &Handler{
		mode:       p.Mode,
		alertnames: slices.Clone(p.Alerts),
		thresholds: withDefaults(p.Thresholds),
	}
	if h.mode == "" {
		h.mode = policy.Observe
	}
	if len(h.alertnames) == 0 {
		h.alertnames = []string{"RetryStorm"}
	}
	for _, e := range p.Edges {
		h.edges = append(h.edges, complete(e, h.mode))
	}
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("read policy of handler %s: %w", Name, err)
	}
	return h, nil
}

// Name is "retrystorm".
func (h *Handler) Name() string { return Name }

// Target says which edge an alert is about: the first one in the policy whose match labels the alert carries, all of
// them. An edge that is switched off hides the alert from the edges after it, so that switching off never widens.
func (h *Handler) Target(a alerts.Alert) (think.Target, bool) {
	if !slices.Contains(h.alertnames, a.Name()) {
		return think.Target{}, false
	}
	for _, e := range h.edges {
		if !carries(a.Labels, e.Match) {
			continue
		}
		if e.Mode == policy.Off {
			return think.Target{}, false
		}
		return e.target(), true
	}
	return think.Target{}, false
}

// Targets are all edges of the policy that are not switched off.
func (h *Handler) Targets() []think.Target {
	out := make([]think.Target, 0, len(h.edges))
	for _, e := range h.edges {
		if e.Mode != policy.Off {
			out = append(out, e.target())
		}
	}
	return out
}

func (e edge) target() think.Target {
	return think.Target{Name: e.name, Domain: e.Domain, Zone: e.Zone, Mode: e.Mode}
}

// Probe is where the numbers of one edge are, with the policy's defaults filled in. Exactly one of Prometheus and JSON is set.
type Probe struct {
	policy.EdgeProbe
	// Window is how far the queries of Prometheus look back: see [Observation.Window]. It is zero for JSON.
	Window policy.Duration
}

// Probe returns where the numbers of a target's edge are; false if the policy does not name the edge (any more).
func (h *Handler) Probe(target string) (Probe, bool) {
	e, ok := h.find(target)
	return Probe{EdgeProbe: e.Probe, Window: e.window}, ok
}

// carries says that labels hold every one of want.
func carries(labels, want map[string]string) bool {
	for k, v := range want {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// find returns the edge of a target's name.
func (h *Handler) find(target string) (edge, bool) {
	for _, e := range h.edges {
		if e.name == target {
			return e, true
		}
	}
	return edge{}, false
}
