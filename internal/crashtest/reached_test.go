package crashtest

import (
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// death is what is known of a process that was killed: its id, when that was seen, and how many notifications had got a 200.
type death struct {
	pid   int
	at    time.Time
	acked int
}

// checkReached proves by what the dead process left behind that it died at the point and nowhere else.
func (w *world) checkReached(p point, r blackbox.Record, d death) bool {
	w.t.Helper()
	var left []string // kinds of events that the dead process wrote, without what only Alertmanager said
	for _, e := range r.Events {
		if e.WrittenBy(d.pid) && (e.Kind != "alert" || strings.HasSuffix(p.name, ":alert")) {
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
		// How far a handler came with what was stored, while the answer was still to be sent, is chance.
		ok = d.acked == 0 && w.storedBy(r, d) == (what == "after") && (what == "after" || len(left) == 0)
	case "take":
		ok = slices.Contains(left, "opened")
	case "wire":
		ok = last == "issuing"
	case "undo":
		ok = last == "reverting"
	}
	if !ok {
		w.t.Errorf("the process that had to die at %s left %q behind, with %d acknowledged notifications", p.name, left, d.acked)
	}
	return ok
}

// storedBy says whether the alert that opened an incident came into the journal through the dead process.
func (w *world) storedBy(r blackbox.Record, d death) bool {
	history, err := blackbox.List[blackbox.ToldAlert](w.api(), "/api/v1/alerts?since=1h")
	if err != nil {
		w.t.Errorf("read the history: %v", err)
	}
	for _, a := range history {
		if first := r.Events[0].Told(); first != nil && keyOf(a) == keyOf(*first) {
			return a.Delivery.At.Before(d.at)
		}
	}
	return false
}
