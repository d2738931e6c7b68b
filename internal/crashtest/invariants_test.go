package crashtest

import (
	"fmt"
	"slices"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// verdict is what a run came to.
type verdict struct {
	point    string
	target   target
	reached  bool
	failed   bool     // for whatever reason, also if it was broken off before it could be judged
	lost     []string // acknowledged alerts that are missing
	double   []string // effects that must not be
	left     []string // what was not taken back, or whose end nobody knows
	other    []string // anything else that is wrong
	outcomes []string // of the incidents before the last one, which only shows that all goes on
}

func (v *verdict) wrongs() []string {
	return slices.Concat(v.lost, v.double, v.left, v.other)
}

// judge holds everything that must be true whenever and wherever Firebreak was killed. kills is how often that was.
func (w *world) judge(v *verdict, all []blackbox.Record, kills int) {
	w.judgeAlerts(v, all)
	w.judgeEffects(v, all)
	w.judgeFences(v, all)
	for _, r := range all {
		judgeRecord(v, r)
	}
	if w.leases != nil {
		w.judgeWrites(v, all, kills)
	}
}

// judgeAlerts: an alert that got a 200 is in the history, and in the record of an incident.
func (w *world) judgeAlerts(v *verdict, all []blackbox.Record) {
	history, err := blackbox.List[blackbox.ToldAlert](w.api(), "/api/v1/alerts?since=1h")
	if err != nil {
		v.lost = append(v.lost, err.Error())
		return
	}
	listed, recorded := map[string]bool{}, map[string]bool{}
	for _, a := range history {
		listed[keyOf(a)] = true
	}
	for _, r := range all {
		for _, e := range r.Events {
			if a := e.Told(); a != nil {
				recorded[keyOf(*a)] = true
			}
		}
	}
	for _, n := range w.am.acknowledged() {
		if !listed[n.key()] {
			v.lost = append(v.lost, n.key()+" is not in the history")
		}
		if !recorded[n.key()] {
			v.lost = append(v.lost, n.key()+" is in no incident's record")
		}
	}
}

// judgeEffects: I1, effects(intent) ≤ 1 at each instance; I2, nothing takes effect without an earlier issuing.
func (w *world) judgeEffects(v *verdict, all []blackbox.Record) {
	marks, wrongs, standing := w.patient.testimony()
	v.double = append(v.double, wrongs...)
	if standing > 0 {
		v.left = append(v.left, fmt.Sprintf("a change stands at %d instances", standing))
	}
	issued := map[string]blackbox.Event{}
	for _, r := range all {
		for _, e := range r.Events {
			if e.Kind == "issuing" {
				issued[e.Action()] = e
			}
		}
	}
	for _, m := range marks {
		if e, ok := issued[m.action]; !ok || e.At.After(m.at) {
			v.other = append(v.other, fmt.Sprintf("action %s took effect at %s, and its issuing is recorded at %s", m.action, m.at, e.At))
		}
	}
}

// judgeFences: I3, fences never fall, and no two incidents share one: each has taken the ledger's lock for itself.
func (w *world) judgeFences(v *verdict, all []blackbox.Record) {
	last, owner := uint64(0), map[uint64]string{}
	for _, r := range all {
		for _, e := range r.Events {
			if e.Order == nil {
				continue
			}
			f := e.Order.Fence
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

// ends are the kinds of events that end an intent.
func ends(kind string) bool {
	return kind == "not_applied" || kind == "gave_up" || kind == "reverted" || kind == "not_ours"
}

// judgeRecord: I2, intended before issuing, each once an action; every intent comes to one end, what was applied is taken back;
// I5, the incident ends exactly once.
func judgeRecord(v *verdict, r blackbox.Record) {
	wrong := func(into *[]string, format string, args ...any) {
		*into = append(*into, fmt.Sprintf(format, args...)+" in "+line(r))
	}
	intended, issued := map[string]int{}, map[string]int{}
	open, applied := "", false
	for _, e := range r.Events {
		switch {
		case e.Kind == "intended":
			if open != "" {
				wrong(&v.left, "intent %s has no end", open)
			}
			open, applied = e.Action(), false
			intended[open]++
		case e.Kind == "issuing":
			if issued[e.Action()]++; e.Action() != open {
				wrong(&v.other, "issuing %s while the intent is %q", e.Action(), open)
			}
		case e.Kind == "applied":
			applied = true
		case e.Kind == "refused" && issued[open] == 0:
			open = "" // armed, and not sent
		case ends(e.Kind):
			if open == "" || applied == (e.Kind == "not_applied") {
				wrong(&v.other, "%s of intent %q (applied: %t)", e.Kind, open, applied)
			}
			open = ""
		}
	}
	if open != "" {
		wrong(&v.left, "intent %s has no end", open)
	}
	for a, n := range intended {
		if n != 1 || issued[a] > 1 {
			wrong(&v.double, "action %s was intended %d times and issued %d times", a, n, issued[a])
		}
	}
	if r.Count("opened") != 1 || r.Count("closed") != 1 || r.Events[len(r.Events)-1].Kind != "closed" {
		wrong(&v.other, "opened %d times, closed %d times", r.Count("opened"), r.Count("closed"))
	}
}

// judgeWrites counts the revisions of the lease, since a reader cannot see all of them: one for what was applied or, where that was
// proved not to have happened, one for the marker that fences it off; one for each adjustment; one for the marker of the end.
// A second write of the same thing would be one too many. Each kill may cost one fencing marker.
func (w *world) judgeWrites(v *verdict, all []blackbox.Record, kills int) {
	explained := kills
	for _, r := range all {
		for _, kind := range []string{"applied", "not_applied", "in_doubt", "adjusting", "reverting"} {
			explained += r.Count(kind)
		}
	}
	writes, err := w.leases.writes(w.ctx)
	if err != nil {
		v.other = append(v.other, "count the writes of the lease: "+err.Error())
		return
	}
	if writes > uint64(explained) {
		v.double = append(v.double, fmt.Sprintf("the lease was written %d times, and the record explains %d", writes, explained))
	}
}
