package incidents_test

import (
	"testing"

	"github.com/firebreak-sre/firebreak/incidents"
)

// People acknowledge an incident when it has ended, so its record can be written to after that of the next one. The newest incident is still the
// next one.
func TestLatestIsNotTheOneThatWasAcknowledgedLast(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	ended := incidents.Event{V: incidents.Version, Kind: incidents.Closed, At: noon(), Closing: &incidents.Closing{Outcome: incidents.OutcomeUnknown}}
	acked := incidents.Event{V: incidents.Version, Kind: incidents.Acked, At: noon(), Person: &incidents.Person{Name: "alice", Via: "api"}}
	first := keep(t, s, opens("a/b", 1), ended)
	second := keep(t, s, opens("a/b", 2), ended)
	third := keep(t, s, opens("a/b", 3))
	for _, st := range []*incidents.State{first, second} {
		if err := s.Append(within(t), st, acked); err != nil {
			t.Fatal(err)
		}
		latest, err := s.Latest(within(t), "retrystorm", "a/b")
		if err != nil || latest == nil || latest.ID != third.ID || !latest.Open() {
			t.Errorf("after the ack of %s: got %+v, %v, want %s, which is open", st.ID, latest, err, third.ID)
		}
	}
}
