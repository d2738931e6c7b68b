package review

import (
	"fmt"

	"github.com/firebreak-sre/firebreak/incidents"
)

const (
	// mostRows is how many rows a timeline has; what is left out of its middle is counted.
	mostRows = 300
	// lookBack is how many rows may lie between two equal ones that are made one: looks, decisions and refusals come by turns.
	lookBack = 3
)

// row takes an event into the timeline. Equal events that follow each other, alone or by turns with other such rows, are one.
func (r *reader) row(e incidents.Event) {
	at, k := r.after(e.At), key(e)
	if e.Kind == incidents.Adjusting {
		r.adjusting = k
	}
	if e.Kind == incidents.Adjusted {
		k = "adjusted after " + r.adjusting
	}
	for i := len(r.rows) - 1; k != "" && i >= 0 && i >= len(r.rows)-lookBack; i-- {
		if r.keys[i] == k {
			r.rows[i].Times++
			r.rows[i].Last = at
			return
		}
		if r.keys[i] == "" {
			break
		}
	}
	r.rows = append(r.rows, Row{At: e.At.UTC(), After: at, Kind: tag(string(e.Kind)), Words: plain(e.Words()), Times: 1, Last: at})
	r.keys = append(r.keys, k)
}

// key is what makes two events equal in a timeline; "" if every one of its kind counts.
func key(e incidents.Event) string {
	switch {
	case e.Kind == incidents.Observed && e.Presence != nil:
		return "look " + string(e.Presence.State) + " " + e.Note
	case e.Kind == incidents.Observed:
		return "look " + e.Note
	case e.Kind == incidents.Decided && e.Decision != nil:
		return fmt.Sprintf("decided %s %s %s", e.Decision.Cause, e.Decision.Verdict, e.Plan)
	case e.Kind == incidents.Refused && e.Refusal != nil:
		return "refused " + string(e.Refusal.Reason) + " " + e.Refusal.By
	case e.Kind == incidents.AlertSeen && e.Alert != nil:
		return "alert " + e.Alert.Fingerprint + " " + string(e.Alert.Status)
	case e.Kind == incidents.Adjusting && e.Order != nil:
		return fmt.Sprintf("adjusting %d", e.Order.Released)
	case e.Kind == incidents.InDoubt || e.Kind == incidents.RevertInDoubt:
		return string(e.Kind)
	}
	return ""
}

// timeline is the rows, without the middle of a long one, and how many those were.
func (r *reader) timeline() ([]Row, int) {
	if len(r.rows) <= mostRows {
		return r.rows, 0
	}
	out := append(r.rows[:mostRows/2:mostRows/2], r.rows[len(r.rows)-mostRows/2:]...)
	return out, len(r.rows) - mostRows
}
