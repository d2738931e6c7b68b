package think

import (
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Which looks belong to a change follows from the record's order: replicas take turns, and their clocks differ.
func TestLooksAreSplitByTheRecordAndNotByClocks(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return time.Date(2026, 11, 23, 3, 0, s, 0, time.UTC) }
	event := func(k incidents.Kind, s int) incidents.Event {
		e := incidents.Event{V: incidents.Version, Kind: k, At: at(s)}
		if k == incidents.Intended || k == incidents.Issuing {
			e.Order = &remediations.Order{Action: "a"}
		}
		return e
	}
	// Whoever issued and ended the change is two seconds ahead of whoever looks.
	events := []incidents.Event{event(incidents.Observed, 1), event(incidents.Intended, 3), event(incidents.Issuing, 3),
		event(incidents.Applied, 3), event(incidents.Observed, 2)}
	split := func() (before, after []incidents.Look) {
		st := incidents.Fold(events)
		b, a := splitLooks(st)
		return st.Looks[b.from:b.until], st.Looks[a.from:a.until]
	}
	before, after := split()
	if len(before) != 1 || len(after) != 1 || !after[0].At.Equal(at(2)) {
		t.Errorf("while it stands: got %v before and %v after, want one each", before, after)
	}
	events = append(events, event(incidents.Reverting, 7), event(incidents.Reverted, 7), event(incidents.Observed, 6))
	before, after = split()
	if len(before) != 1 || len(after) != 0 || !before[0].At.Equal(at(6)) {
		t.Errorf("after its end: got %v before and %v after, want the last one only", before, after)
	}
}
