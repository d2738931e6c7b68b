// Package retrystorm knows one failure family: the calls of one service to one dependency that multiply themselves
// by retrying, and what looks like it. It looks at an edge (Observe), says what is the matter (Decide) and what a
// change did about it (Judge). It never acts. The rules are those of runbook.md beside this file.
//
//	looks ──▶ rates between them ──▶ cause of each sample ──▶ all samples agree? ──▶ verdict
//	          (rates.go)             (cause.go)               (decide.go)            act, wait, page, false positive
//
// Decide and Judge are pure: the same case gives the same answer, at any time and on any machine.
package retrystorm

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/handlers"
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
	client     *http.Client
}

// edge is a policy edge with its defaults filled in, and what follows from it.
type edge struct {
	policy.Edge
	name   string          // service/edge
	window policy.Duration // how far its queries look back; zero for JSON
}

var _ handlers.Handler[Observation] = (*Handler)(nil)

// New checks the policy, fills its defaults in and returns the handler. It looks at nothing yet. All problems are
// reported together. The client's transport is used for the probes; its redirects are not, and nil is a plain client.
func New(p policy.RetryStorm, client *http.Client) (*Handler, error) {
	if client == nil {
		client = &http.Client{}
	}
	h := &Handler{
		mode:       p.Mode,
		alertnames: slices.Clone(p.Alerts),
		thresholds: withDefaults(p.Thresholds),
		client:     refuseRedirects(client),
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
func (h *Handler) Target(a alerts.Alert) (handlers.Target, bool) {
	if !slices.Contains(h.alertnames, a.Name()) {
		return handlers.Target{}, false
	}
	for _, e := range h.edges {
		if !carries(a.Labels, e.Match) {
			continue
		}
		if e.Mode == policy.Off {
			return handlers.Target{}, false
		}
		return e.target(), true
	}
	return handlers.Target{}, false
}

// Targets are all edges of the policy that are not switched off.
func (h *Handler) Targets() []handlers.Target {
	out := make([]handlers.Target, 0, len(h.edges))
	for _, e := range h.edges {
		if e.Mode != policy.Off {
			out = append(out, e.target())
		}
	}
	return out
}

func (e edge) target() handlers.Target {
	return handlers.Target{Name: e.name, Domain: e.Domain, Zone: e.Zone, Mode: e.Mode}
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
