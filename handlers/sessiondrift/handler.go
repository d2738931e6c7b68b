// Package sessiondrift knows one failure family: sessions that nobody serves any more, or that are not the same everywhere, and what looks
// like it. From looks at a session store (Observation) it says what is the matter (Decide) and what a change did about it (Judge). It never
// looks and never acts itself: nothing that it imports can reach a system. The rules are those of runbook.md beside this file.
//
//	membership ───┐                        is anybody behind a partition,     what drifted,
//	one scan ─────┤                        is the store's clock right,        and may that
//	replicas ─────┼─▶ looks (sight.go) ─▶  is the cluster whole?          ─▶  be mended?      ──▶ verdict
//	copies ───────┤                        (sight.go: then nothing is         (orphans.go,        (decide.go)
//	Prometheus ───┘                        touched; hold.go)                  drifted.go, lag.go)
//
// A partition looks exactly like orphans. So every doubt about the membership, the clock or what goes on around comes before every rule that
// would take a session away, and what could not be read is such a doubt. Decide and Judge are pure: the same case gives the same answer, at
// any time and on any machine.
package sessiondrift

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/policy"
)

// Name is the handler's name in the policy, in subjects and in the ids of its incidents.
const Name = "sessiondrift"

// Handler answers alerts about sessions. It is safe for concurrent use and remembers nothing.
type Handler struct {
	mode       policy.Mode
	alertnames []string
	thresholds policy.DriftThresholds
	stores     []store
}

// store is a target with its defaults filled in, and where it is.
type store struct {
	policy.DriftStore
	place policy.SessionStore
}

var _ think.Thinker[Observation] = (*Handler)(nil)

// New checks the policy, fills its defaults in and returns the handler. All problems are reported together.
func New(p policy.Policy) (*Handler, error) {
	own := p.Handlers.SessionDrift
	h := &Handler{
		mode:       cmp.Or(own.Mode, policy.Observe),
		alertnames: slices.Clone(own.Alerts),
		thresholds: withDefaults(own.Thresholds),
	}
	if own.Alerts == nil {
		h.alertnames = []string{"SessionReplicationLag", "OrphanedSessionsDetected", "SessionDataInconsistency", "SessionRecoverySlow",
			"SessionsNotMeasured"}
	}
	problems := []error{h.mode.Check()}
	for _, d := range own.Stores {
		s, err := h.store(d, p)
		if _, twice := h.find(d.Store); twice {
			err = errors.Join(err, errors.New("is named twice"))
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("store %q: %w", d.Store, err))
		}
		h.stores = append(h.stores, s)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("read policy of handler %s: %w", Name, err)
	}
	return h, nil
}

// store fills the defaults of a target in. Its mode is the stricter of its own and the handler's.
func (h *Handler) store(d policy.DriftStore, p policy.Policy) (store, error) {
	d.Mode = cmp.Or(d.Mode, h.mode)
	if err := d.Mode.Check(); err != nil {
		return store{DriftStore: d}, err
	}
	d.Mode = policy.Strictest(h.mode, d.Mode)
	if len(d.Match) == 0 {
		d.Match = map[string]string{"store": d.Store}
	}
	d.Fix.Limit = orElse(d.Fix.Limit, 2*time.Minute)
	d.Fix.Timeout = orElse(d.Fix.Timeout, 15*time.Second)
	s := store{DriftStore: d}
	for _, place := range p.Sessions {
		if place.Store == d.Store {
			s.place = place
			s.place.Domain, s.place.Zone = cmp.Or(place.Domain, place.Store), cmp.Or(place.Zone, "all")
			return s, nil
		}
	}
	return s, errors.New("sessions names no such store")
}

// Name is "sessiondrift".
func (h *Handler) Name() string { return Name }

// Targets are all stores that the policy names for this handler and that are not switched off.
func (h *Handler) Targets() []think.Target {
	out := make([]think.Target, 0, len(h.stores))
	for _, s := range h.stores {
		if s.Mode != policy.Off {
			out = append(out, s.target())
		}
	}
	return out
}

// Target says which store an alert is about: the one whose match labels it carries. An alert that may be about several is about none. A
// store that is switched off hides its alerts.
func (h *Handler) Target(a alerts.Alert) (think.Target, bool) {
	if !slices.Contains(h.alertnames, a.Name()) {
		return think.Target{}, false
	}
	var about []store
	for _, s := range h.stores {
		if s.isAbout(a.Labels) {
			about = append(about, s)
		}
	}
	if len(about) != 1 || about[0].Mode == policy.Off {
		return think.Target{}, false
	}
	return about[0].target(), true
}

// isAbout says that labels hold all that the store's match asks for.
func (s store) isAbout(labels map[string]string) bool {
	for name, want := range s.Match {
		if got, ok := labels[name]; !ok || got != want {
			return false
		}
	}
	return len(s.Match) > 0
}

func (s store) target() think.Target {
	return think.Target{Name: s.Store, Domain: s.place.Domain, Zone: s.place.Zone, Mode: s.Mode}
}

// find returns the store of a target's name.
func (h *Handler) find(target string) (store, bool) {
	i := slices.IndexFunc(h.stores, func(s store) bool { return s.Store == target })
	if i < 0 {
		return store{}, false
	}
	return h.stores[i], true
}
