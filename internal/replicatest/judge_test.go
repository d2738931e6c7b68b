package replicatest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// takenBack is how long a change may stand that took effect after it had been given up.
const takenBack = 3 * time.Second

// verdict is what the time from one fault to the next came to.
type verdict struct {
	began, mended time.Time
	acked         []ack
	statuses      map[int]int
	records       []record

	lost   []string // acknowledged alerts that are missing
	double []string // effects that must not be
	stuck  []string // what did not end, or was not taken back
	other  []string // anything else that is wrong
	// late are changes that took effect after they had been given up, and refused commands that the target itself refused.
	late, refused []string
}

func (v *verdict) wrongs() []string { return slices.Concat(v.lost, v.double, v.stuck, v.other) }

// judge holds everything that must be true whatever was broken. No episode is under way.
func (w *world) judge(v *verdict) {
	v.acked, v.statuses = w.am.heard()
	v.stuck = append(v.stuck, w.stuck()...)
	w.judgeAlerts(v)
	w.judgeEffects(v)
	for _, e := range w.edges {
		judgeFences(v, e)
	}
	for _, r := range v.records {
		judgeRecord(v, r)
		if !fair(r) {
			v.other = append(v.other, "not fixed: "+r.story())
		}
	}
	for _, r := range w.replicas {
		if log := r.process.Log(); strings.Contains(log, "panic:") || strings.Contains(log, "fatal error:") {
			v.other = append(v.other, r.name+" crashed by itself")
		}
		if r.ended() {
			v.other = append(v.other, r.name+" ended by itself")
		}
	}
}

// fair says whether an incident ended as one may while everything around it is broken. Most are fixed. One whose fix stood while nobody
// could look finds the edge well and the alert resolved before the fix was judged: withdrawn. One that was opened by an alert that had
// waited to be read, behind a fix by an earlier one, finds nothing wrong.
func fair(r record) bool {
	switch r.Summary.Outcome {
	case "fixed", "withdrawn", "false_positive":
		return true
	}
	return false
}

// judgeAlerts: an alert that got a 200 is in the history of every replica; if it is about a target, it is in an incident's record too.
func (w *world) judgeAlerts(v *verdict) {
	recorded := map[string]bool{}
	for _, r := range v.records {
		for _, e := range r.Events {
			if a := e.told(); a != nil {
				recorded[a.key()] = true
			}
		}
	}
	for _, r := range w.replicas {
		history, err := list[alert](r.api, "/api/v1/alerts?since=2h")
		if err != nil {
			v.lost = append(v.lost, fmt.Sprintf("the history of %s: %v", r.name, err))
			continue
		}
		listed := map[string]bool{}
		for _, a := range history {
			listed[a.key()] = true
		}
		for _, k := range v.acked {
			if !listed[k.key] {
				v.lost = append(v.lost, k.key+" is not in the history of "+r.name)
			}
		}
	}
	for _, k := range v.acked {
		about := slices.ContainsFunc(w.edges, func(e *edge) bool { return strings.HasPrefix(k.key, e.fingerprint()) })
		if about && !recorded[k.key] {
			v.lost = append(v.lost, k.key+" is in no incident's record")
		}
	}
}

// judgeEffects: each action takes effect at most once at an instance, and never beside another on the same edge; nothing takes effect
// that was not recorded as being issued before; nothing stands.
func (w *world) judgeEffects(v *verdict) {
	issued, givenUp := map[string]time.Time{}, map[string]time.Time{}
	for _, r := range v.records {
		action := ""
		for _, e := range r.Events {
			switch e.Kind {
			case "issuing":
				action = e.action()
				issued[action] = e.At
			case "not_applied", "gave_up":
				givenUp[action] = e.At
			}
		}
	}
	for _, e := range w.edges {
		marks, refusals, wrongs, standing := e.testimony()
		v.double = append(v.double, wrongs...)
		if standing > 0 {
			v.stuck = append(v.stuck, fmt.Sprintf("%s: a change stands at %d instances", e.service, standing))
		}
		for _, m := range marks {
			at, ok := issued[m.action]
			if !ok || at.After(m.at.Add(clocks)) {
				v.other = append(v.other, fmt.Sprintf("%s: action %s took effect at %s, its issuing is recorded at %s", e.service, m.action, m.at, at))
			}
			if up, ok := givenUp[m.action]; ok && m.end.After(up) {
				v.late = append(v.late, fmt.Sprintf("%s: action %s stood for %s after it was given up", e.service, m.action, m.end.Sub(later(up, m.at))))
				if m.end.Sub(later(up, m.at)) > takenBack {
					v.stuck = append(v.stuck, v.late[len(v.late)-1])
				}
			}
		}
		for _, m := range refusals {
			v.refused = append(v.refused, fmt.Sprintf("%s: the target refused action %s", e.service, m.action))
		}
		judgeOverlap(v, marks)
	}
}

// clocks is how finely a recorded moment and the simulation's can be told apart.
const clocks = 2 * tick

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// judgeOverlap: there is never a second fix on one edge, not even at another instance.
func judgeOverlap(v *verdict, marks []mark) {
	for i, a := range marks {
		for _, b := range marks[:i] {
			if a.action != b.action && a.at.Before(b.end) && b.at.Before(a.end) {
				v.double = append(v.double, fmt.Sprintf("%s: action %s at instance %d beside %s at instance %d", a.service, a.action, a.instance,
					b.action, b.instance))
			}
		}
	}
}

// judgeFences: on one edge fences never fall, and no two incidents share one.
func judgeFences(v *verdict, e *edge) {
	last, owner := uint64(0), map[uint64]string{}
	for _, r := range v.records {
		if !r.about(e) {
			continue
		}
		for _, ev := range r.Events {
			if ev.Order == nil {
				continue
			}
			f := ev.Order.Fence
			if f < last || f == 0 {
				v.other = append(v.other, fmt.Sprintf("fence %d after %d in %s", f, last, r.Summary.ID))
			}
			if o := owner[f]; o != "" && o != r.Summary.ID {
				v.other = append(v.other, fmt.Sprintf("fence %d in %s and in %s", f, o, r.Summary.ID))
			}
			last, owner[f] = f, r.Summary.ID
		}
	}
}

// judgeRecord: intended before issuing, each once an action; every intent comes to one end, and what was applied is taken back; the
// incident ends exactly once, with one outcome.
func judgeRecord(v *verdict, r record) {
	wrong := func(into *[]string, format string, args ...any) {
		*into = append(*into, fmt.Sprintf(format, args...)+" in "+r.story())
	}
	intended, issued := map[string]int{}, map[string]int{}
	open, applied := "", false
	for _, e := range r.Events {
		switch e.Kind {
		case "intended":
			if open != "" {
				wrong(&v.stuck, "intent %s has no end", open)
			}
			open, applied = e.action(), false
			intended[open]++
		case "issuing":
			if issued[e.action()]++; e.action() != open {
				wrong(&v.other, "issuing %s while the intent is %q", e.action(), open)
			}
		case "applied":
			applied = true
		case "refused":
			if issued[open] == 0 {
				open = "" // armed, and not sent
			}
		case "not_applied", "gave_up", "reverted", "not_ours":
			if open == "" || applied == (e.Kind == "not_applied") {
				wrong(&v.other, "%s of intent %q (applied: %t)", e.Kind, open, applied)
			}
			open = ""
		}
	}
	if open != "" {
		wrong(&v.stuck, "intent %s has no end", open)
	}
	for _, a := range slices.Sorted(maps.Keys(intended)) {
		if intended[a] != 1 || issued[a] > 1 {
			wrong(&v.double, "action %s was intended %d times and issued %d times", a, intended[a], issued[a])
		}
	}
	if r.count("opened") != 1 || r.count("closed") != 1 || r.last().Kind != "closed" || r.Summary.Outcome == "" {
		wrong(&v.other, "opened %d times, closed %d times, outcome %q", r.count("opened"), r.count("closed"), r.Summary.Outcome)
	}
}
