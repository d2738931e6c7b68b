package crashtest

import (
	"slices"
	"strings"
)

// checkReached proves by what the dead process left behind that it died at the point and nowhere else. acked is how many
// notifications had got a 200 when it died.
func (w *world) checkReached(p point, r record, pid, acked int) bool {
	w.t.Helper()
	var left []string // kinds of events that the dead process wrote, without what only Alertmanager said
	for _, e := range r.Events {
		if e.by(pid) && (e.Kind != "alert" || strings.HasSuffix(p.name, ":alert")) {
			left = append(left, e.Kind)
		}
	}
	last := ""
	if len(left) > 0 {
		last = left[len(left)-1]
	}
	where, what, _ := strings.Cut(p.name, ":")
	ok := false
	switch where {
	case "before":
		ok = !slices.Contains(left, what) && (last != "" || what == "opened")
		if what == "observed" { // a look before a decision is not the last of its append; the first one that is comes behind "applied"
			ok = last == "applied"
		}
	case "after":
		ok = last == what
	case "journal":
		ok = len(left) == 0 && acked == 0 && w.copies(r) == map[string]int{"before": 1, "after": 2}[what]
	case "take":
		ok = slices.Contains(left, "opened")
	case "wire":
		ok = last == "issuing"
	case "undo":
		ok = last == "reverting"
	}
	if !ok {
		w.t.Errorf("the process that had to die at %s left %q behind, with %d acknowledged notifications", p.name, left, acked)
	}
	return ok
}

// copies is how often the alert that opened an incident is in the journal.
func (w *world) copies(r record) int {
	history, err := list[alert](w, "/api/v1/alerts?since=1h")
	if err != nil {
		w.t.Errorf("read the history: %v", err)
	}
	for _, a := range history {
		if first := r.Events[0].told(); first != nil && a.key() == first.key() {
			return a.Copies
		}
	}
	return 0
}
