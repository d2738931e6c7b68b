package incidents_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
)

// with changes a copy of an alert.
func with(a alerts.Alert, changes ...func(*alerts.Alert)) alerts.Alert {
	for _, c := range changes {
		c(&a)
	}
	return a
}

func starts(s float64) func(*alerts.Alert) { return func(a *alerts.Alert) { a.StartsAt = at(s) } }
func ends(s float64) func(*alerts.Alert)   { return func(a *alerts.Alert) { a.EndsAt = at(s) } }
func heard(s float64) func(*alerts.Alert) {
	return func(a *alerts.Alert) { a.Delivery.At = at(s) }
}
func byAPI(a *alerts.Alert) { a.Delivery.Source = alerts.SourceAPI }

// known is an incident that was opened by an alert at noon and saw others after it.
func known(then ...incidents.Event) *incidents.State {
	return incidents.Fold(append([]incidents.Event{{Kind: incidents.Opened, At: noon(), Opening: opening()}}, then...))
}

func sees(a alerts.Alert) incidents.Event {
	return incidents.Event{Kind: incidents.AlertSeen, At: a.Delivery.At, Alert: &a}
}

func closedAt(s float64) incidents.Event {
	return incidents.Event{Kind: incidents.Closed, At: at(s), Closing: &incidents.Closing{Outcome: incidents.OutcomeWithdrawn}}
}

func refusedStale(s float64) incidents.Event {
	return incidents.Event{Kind: incidents.Refused, At: at(s), Refusal: &incidents.Refusal{Reason: remediations.ReasonStaleAlert}}
}

// What an alert is to the newest incident of its target, however it was delivered.
func TestJoin(t *testing.T) {
	t.Parallel()
	open := known()
	over := known(sees(resolved("a", 60)), closedAt(61))
	waited := known(closedAt(100)) // ended while its alert was said to fire
	const hour = 3600
	for _, c := range []struct {
		name   string
		latest *incidents.State
		alert  alerts.Alert
		want   incidents.Joining
	}{
		{"the first", nil, firing("a"), incidents.Opens},
		{"resolved, and nobody knew", nil, resolved("a", 60), incidents.Stray},
		{"the copy of a peer", open, with(firing("a"), heard(0.2)), incidents.Repeats},
		{"the same body again", open, firing("a"), incidents.Repeats},
		{"a repeat within the hour", open, with(firing("a"), heard(hour-1)), incidents.Repeats},
		{"a repeat after an hour", open, with(firing("a"), heard(hour)), incidents.Joins},
		{"startsAt drifts later", open, with(firing("a"), starts(5), heard(6)), incidents.Repeats},
		{"startsAt drifts earlier", open, with(firing("a"), starts(-5), heard(6)), incidents.Repeats},
		{"another alert of the same target", open, firing("b"), incidents.Joins},
		{"another alert's resolve, which never fired", open, resolved("b", 60), incidents.Stray},
		{"the resolve", open, resolved("a", 60), incidents.Joins},
		{"the resolve without an end", open, with(resolved("a", 60), func(a *alerts.Alert) { a.EndsAt = time.Time{} }), incidents.Joins},
		{"the resolve at the very start", open, resolved("a", 0), incidents.Joins},
		{"a resolve of an earlier firing", open, with(resolved("a", -1), starts(-60)), incidents.Late},
		{"it ended within the millisecond in which it began", known(sees(with(firing("a"), starts(0.0009)))), with(resolved("a", 60), ends(0.0002)), incidents.Joins},

		{"resolved twice", known(sees(resolved("a", 60))), resolved("a", 60), incidents.Repeats},
		{"resolved twice, ending later", known(sees(resolved("a", 60))), resolved("a", 70), incidents.Repeats},
		{"fires again in an open incident", known(sees(resolved("a", 60))), with(firing("a"), starts(61), heard(62)), incidents.Joins},
		{"the old firing behind its resolve", known(sees(resolved("a", 60))), with(firing("a"), heard(62)), incidents.Late},
		{"a firing from within the old one", known(sees(resolved("a", 60))), with(firing("a"), starts(30), heard(62)), incidents.Late},
		{"a firing at the very end", known(sees(resolved("a", 60))), with(firing("a"), starts(60), heard(62)), incidents.Late},
		{"a firing within the end's millisecond", known(sees(resolved("a", 60))), with(firing("a"), starts(60.0004), heard(62)), incidents.Late},
		{"a firing in the next millisecond", known(sees(resolved("a", 60))), with(firing("a"), starts(60.001), heard(62)), incidents.Joins},
		{"Alertmanager was asked, and it still fires", known(sees(resolved("a", 60))), with(firing("a"), heard(62), byAPI), incidents.Joins},
		{"Alertmanager was asked before the resolve came", known(sees(resolved("a", 60))), with(firing("a"), heard(59), byAPI), incidents.Late},

		{"fires again after the end", over, with(firing("a"), starts(120), heard(121)), incidents.Opens},
		{"the old firing after the end", over, with(firing("a"), heard(121)), incidents.Late},
		{"Alertmanager was asked after the end, and it still fires", over, with(firing("a"), heard(121), byAPI), incidents.Opens},
		{"resolved after the end", over, resolved("a", 60), incidents.Repeats},
		{"another alert after the end", over, with(firing("b"), heard(121)), incidents.Opens},
		{"another's resolve after the end", over, resolved("b", 121), incidents.Stray},

		{"closed while firing, then heard again", waited, with(firing("a"), heard(101)), incidents.Opens},
		{"closed while firing, then a copy from before", waited, with(firing("a"), heard(99)), incidents.Repeats},
		{"closed while firing, then its resolve", waited, resolved("a", 120), incidents.Repeats},

		{"proof that a stale alert still fires", known(refusedStale(10)), with(firing("a"), heard(11)), incidents.Joins},
		{"the stale alert once more", known(refusedStale(10)), firing("a"), incidents.Repeats},
		{"proof that nobody waits for", known(incidents.Event{Kind: incidents.Refused, Refusal: &incidents.Refusal{Reason: remediations.ReasonCooldown}}),
			with(firing("a"), heard(11)), incidents.Repeats},
	} {
		if got := incidents.Join(c.latest, c.alert); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// Entering the same deliveries again, in any order, brings no incident a second life: everything is known.
func TestJoinReplayed(t *testing.T) {
	t.Parallel()
	deliveries := []alerts.Alert{firing("a"), with(firing("b"), heard(1)), resolved("b", 30), resolved("a", 60)}
	st := known()
	for _, a := range deliveries[1:] {
		if got := incidents.Join(st, a); got != incidents.Joins {
			t.Fatalf("%s %s: got %s, want joins", a.Fingerprint, a.Status, got)
		}
		st.Apply(sees(a))
	}
	st.Apply(closedAt(61))
	for _, a := range append(deliveries, deliveries...) {
		if got := incidents.Join(st, a); got != incidents.Repeats && got != incidents.Late {
			t.Errorf("%s %s again: got %s, want that it is known", a.Fingerprint, a.Status, got)
		}
	}
}

// Bodies that real Alertmanagers sent join as what they were recorded for.
func TestJoinRecorded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		bodies []string
		want   []incidents.Joining // one an alert
	}{
		{"fires and resolves", []string{"am031-single-01", "am031-single-02"}, []incidents.Joining{incidents.Opens, incidents.Joins}},
		{"retries", []string{"am031-retry503-01", "am031-retry503-02", "am031-retry503-03"}, []incidents.Joining{incidents.Opens, incidents.Repeats, incidents.Repeats}},
		{"repeats", []string{"am031-repeat-01", "am031-repeat-02", "am031-repeat-03"}, []incidents.Joining{incidents.Opens, incidents.Repeats, incidents.Repeats}},
		{"two receivers", []string{"am031-multiA0-01", "am031-multiA1-01"}, []incidents.Joining{incidents.Opens, incidents.Repeats}},
		{"a pair", []string{"ha031-haok-01", "ha031-haok-01", "ha031-haok-02", "ha031-haok-02", "ha031-haok-01"},
			[]incidents.Joining{incidents.Opens, incidents.Repeats, incidents.Joins, incidents.Repeats, incidents.Late}},
		{"only the end", []string{"am031-single-02"}, []incidents.Joining{incidents.Stray}},
	} {
		var st *incidents.State
		var got []incidents.Joining
		for _, body := range c.bodies {
			for _, a := range recorded(t, body) {
				joining := incidents.Join(st, a)
				got = append(got, joining)
				switch joining {
				case incidents.Opens:
					st = incidents.Fold([]incidents.Event{{Kind: incidents.Opened, Opening: &incidents.Opening{Alert: a}}})
				case incidents.Joins:
					st.Apply(sees(a))
				}
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// recorded is the alerts of a recorded body, delivered at noon.
func recorded(t *testing.T, name string) []alerts.Alert {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "alerts", "testdata", "payloads", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := alerts.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	var out []alerts.Alert
	err = alerts.ReadRecord(alerts.AppendRecord(nil, body.Delivery(noon()), body.Alerts), func(_ int, a alerts.Alert) error {
		out = append(out, a)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
