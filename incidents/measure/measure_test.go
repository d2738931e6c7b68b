package measure_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/measure"
	"github.com/firebreak-sre/firebreak/remediations"
)

// noon is when the alert of these tests begins to fire.
func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func at(seconds float64) time.Time { return noon().Add(time.Duration(seconds * float64(time.Second))) }

func firing(fingerprint string) alerts.Alert {
	return alerts.Alert{Fingerprint: fingerprint, Status: alerts.Firing, Labels: map[string]string{"alertname": "RetryStorm"}, StartsAt: noon()}
}

func resolved(fingerprint string, seconds float64) *alerts.Alert {
	a := firing(fingerprint)
	a.Status, a.EndsAt = alerts.Resolved, at(seconds)
	return &a
}

func opened(handler string, seconds float64) incidents.Event {
	return incidents.Event{Kind: incidents.Opened, At: at(seconds), Opening: &incidents.Opening{
		ID: incidents.NewID(handler, "checkout/payments", 1), Handler: handler, Target: "checkout/payments", Alert: firing("a")}}
}

func decided(seconds float64, cause string, v incidents.Verdict) incidents.Event {
	return incidents.Event{Kind: incidents.Decided, At: at(seconds), Decision: &incidents.Decision{Cause: cause, Verdict: v}}
}

func plain(k incidents.Kind, seconds float64) incidents.Event {
	return incidents.Event{Kind: k, At: at(seconds)}
}

func judged(seconds float64, effect incidents.Effect) incidents.Event {
	return incidents.Event{Kind: incidents.Verified, At: at(seconds), Judgement: &incidents.Judgement{Effect: effect}}
}

func refused(seconds float64, r remediations.Reason) incidents.Event {
	return incidents.Event{Kind: incidents.Refused, At: at(seconds), Refusal: &incidents.Refusal{Reason: r}}
}

func said(k incidents.Kind, seconds float64, name string) incidents.Event {
	return incidents.Event{Kind: k, At: at(seconds), Person: &incidents.Person{Name: name, Via: "slack", ID: name}}
}

func asked(seconds float64, need int) incidents.Event {
	return incidents.Event{Kind: incidents.Asked, At: at(seconds), Asking: &incidents.Asking{Need: need}}
}

func closed(seconds float64, o incidents.Outcome) incidents.Event {
	return incidents.Event{Kind: incidents.Closed, At: at(seconds), Closing: &incidents.Closing{Outcome: o}}
}

func ends(seconds float64, a *alerts.Alert) incidents.Event {
	return incidents.Event{Kind: incidents.AlertSeen, At: at(seconds), Alert: a}
}

// seconds are the moments as seconds after noon.
func seconds(t measure.Times) map[measure.Moment]float64 {
	out := map[measure.Moment]float64{}
	for m, when := range t {
		out[m] = when.Sub(noon()).Seconds()
	}
	return out
}

// whole is an incident whose first change did nothing, and whose second one two people approved and that helped.
func whole() []incidents.Event {
	return []incidents.Event{
		opened("retrystorm", 2),
		decided(3, "retry_storm", incidents.Wait),
		decided(5, "retry_storm", incidents.Act), decided(6, "retry_storm", incidents.Act),
		refused(7, remediations.ReasonCooldown), refused(8, remediations.ReasonCooldown), refused(9, remediations.ReasonPaused),
		plain(incidents.Intended, 10), plain(incidents.Issuing, 11), plain(incidents.Applied, 12), judged(20, incidents.NoEffect),
		plain(incidents.Escalated, 20), plain(incidents.Reverting, 21), plain(incidents.Reverted, 22),
		decided(30, "retry_storm", incidents.Act), decided(31, "dependency_down", incidents.Act), decided(33, "dependency_down", incidents.Act),
		asked(34, 2), plain(incidents.Voided, 35), asked(36, 2),
		said(incidents.Approved, 40, "alice"), said(incidents.Approved, 46, "bob"),
		plain(incidents.Intended, 47), plain(incidents.Issuing, 48), plain(incidents.Applied, 49),
		judged(60, incidents.Improved), judged(65, incidents.Improved),
		ends(80, resolved("a", 75)),
		plain(incidents.Reverting, 90), plain(incidents.Reverted, 91), closed(92, incidents.OutcomeFixed),
		said(incidents.Acked, 500, "carol"),
	}
}

// The moments of a whole incident are those of the change that helped.
func TestWhole(t *testing.T) {
	t.Parallel()
	m := measure.Of(whole())
	want := map[measure.Moment]float64{measure.Started: 0, measure.Detected: 2, measure.Decided: 31, measure.Asked: 36, measure.Approved: 46,
		measure.Intended: 47, measure.Issued: 48, measure.Applied: 49, measure.Mitigated: 49, measure.Verified: 60, measure.Recovered: 75,
		measure.Reverted: 91, measure.Escalated: 20, measure.Answered: 40, measure.Closed: 92}
	if got := seconds(m.At); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(want) != len(measure.Moments()) {
		t.Errorf("%d moments are tried, and there are %d", len(want), len(measure.Moments()))
	}
	if want := (measure.Changes{Sent: 2, Stood: 2, Helped: 1, Reverted: 2}); m.Changes != want {
		t.Errorf("got %+v, want %+v", m.Changes, want)
	}
	if want := []time.Duration{10 * time.Second}; !slices.Equal(m.Waits, want) {
		t.Errorf("got waits %v, want %v: what was withdrawn is no wait", m.Waits, want)
	}
	if want := map[remediations.Reason]int{remediations.ReasonCooldown: 2, remediations.ReasonPaused: 1}; !maps.Equal(m.Refused, want) {
		t.Errorf("got refusals %v, want %v", m.Refused, want)
	}
	if m.Outcome != incidents.OutcomeFixed || m.Handler != "retrystorm" || m.Target != "checkout/payments" || !m.Whole || !m.Last.Equal(at(500)) {
		t.Errorf("got %+v", m)
	}
}

// What is read piece by piece is what is read at once, at every point, and what was returned stays as it is.
func TestTracker(t *testing.T) {
	t.Parallel()
	var tr measure.Tracker
	var before []measure.Measures
	for _, e := range whole() {
		tr.Apply(e)
		before = append(before, tr.Measures())
	}
	for i, m := range before {
		again := measure.Of(whole()[:i+1])
		if !maps.Equal(seconds(m.At), seconds(again.At)) || m.Changes != again.Changes || !maps.Equal(m.Refused, again.Refused) {
			t.Fatalf("after %d events: got %+v, want %+v", i+1, m, again)
		}
	}
}

// An incident is over when its last alert is, and not over any more when one comes back.
func TestRecovered(t *testing.T) {
	t.Parallel()
	second, back := firing("b"), firing("a")
	healed := judged(30, incidents.Improved)
	healed.Judgement.Healed = true
	change := []incidents.Event{plain(incidents.Intended, 10), plain(incidents.Issuing, 11), plain(incidents.Applied, 12)}
	for _, c := range []struct {
		name   string
		events []incidents.Event
		want   float64 // 0: it is not over
	}{
		{"one fires still", []incidents.Event{ends(3, &second), ends(9, resolved("a", 8))}, 0},
		{"the last one ended", []incidents.Event{ends(3, &second), ends(9, resolved("a", 8)), ends(20, resolved("b", 15))}, 15},
		{"told again", []incidents.Event{ends(9, resolved("a", 8)), ends(20, resolved("a", 8))}, 8},
		{"back again", []incidents.Event{ends(9, resolved("a", 8)), ends(12, &back)}, 0},
		{"back and over", []incidents.Event{ends(9, resolved("a", 8)), ends(12, &back), ends(30, resolved("a", 25))}, 25},
		{"an end in the future", []incidents.Event{ends(9, resolved("a", 300))}, 9},
		{"an end before the beginning", []incidents.Event{ends(9, resolved("a", -300))}, 9},
		{"healed before the alert says so", append(slices.Clone(change), healed, ends(90, resolved("a", 80))), 30},
		{"healed and back", append(slices.Clone(change), healed, plain(incidents.Regressed, 40)), 0},
	} {
		m := measure.Of(append([]incidents.Event{opened("retrystorm", 2)}, c.events...))
		if got := seconds(m.At)[measure.Recovered]; got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// Without a change the decision is the one that the record ends with; approvals that led to nothing are shown while they stand.
func TestWithoutChange(t *testing.T) {
	t.Parallel()
	m := measure.Of([]incidents.Event{opened("poolexhaustion", 1), decided(2, "leak", incidents.Act), decided(4, "overload", incidents.Page),
		decided(9, "overload", incidents.Page), closed(60, incidents.OutcomePaged)})
	if got := seconds(m.At); got[measure.Decided] != 4 || got[measure.Intended] != 0 {
		t.Errorf("got %v, want the decision of 4 and no change", got)
	}
	open := measure.Of([]incidents.Event{opened("poolexhaustion", 1), decided(2, "leak", incidents.Act), asked(3, 1), said(incidents.Approved, 8, "alice")})
	if got := seconds(open.At); got[measure.Asked] != 3 || got[measure.Approved] != 8 {
		t.Errorf("got %v, want what was asked and approved", got)
	}
	denied := measure.Of([]incidents.Event{opened("poolexhaustion", 1), asked(3, 1), said(incidents.Denied, 8, "alice")})
	if got := seconds(denied.At); got[measure.Asked] != 0 || got[measure.Approved] != 0 {
		t.Errorf("got %v, want nothing that stands", got)
	}
}

// That nothing of ours stands is so until a further change may stand; one that was not sent, or did not happen, takes nothing away from it.
func TestReverted(t *testing.T) {
	t.Parallel()
	first := []incidents.Event{opened("retrystorm", 1), plain(incidents.Intended, 2), plain(incidents.Issuing, 3), plain(incidents.Applied, 4), plain(incidents.Reverted, 9)}
	for _, c := range []struct {
		name string
		then []incidents.Kind
		want float64
	}{
		{"one change", nil, 9},
		{"planned and refused", []incidents.Kind{incidents.Intended, incidents.Refused}, 9},
		{"sent and not there", []incidents.Kind{incidents.Intended, incidents.Issuing, incidents.NotApplied}, 9},
		{"sent", []incidents.Kind{incidents.Intended, incidents.Issuing}, 0},
		{"in doubt", []incidents.Kind{incidents.Intended, incidents.Issuing, incidents.GaveUp}, 0},
		{"happened once", []incidents.Kind{incidents.Intended, incidents.Issuing, incidents.Applied, incidents.Spent}, 0},
		{"taken back too", []incidents.Kind{incidents.Intended, incidents.Issuing, incidents.Applied, incidents.Reverted}, 13},
	} {
		events := slices.Clone(first)
		for i, k := range c.then {
			events = append(events, plain(k, float64(10+i)))
		}
		if got := seconds(measure.Of(events).At)[measure.Reverted]; got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// A record without its beginning, an empty one, and one of a newer build are read as far as they go.
func TestTorn(t *testing.T) {
	t.Parallel()
	if m := measure.Of(nil); len(m.At) != 0 || m.Whole || len(m.Compare()) != 0 {
		t.Errorf("got %+v of nothing", m)
	}
	torn := measure.Of(whole()[8:])
	if torn.Whole || !torn.At[measure.Started].IsZero() || seconds(torn.At)[measure.Verified] != 60 {
		t.Errorf("got %+v", torn)
	}
	if _, why := torn.Took(measure.Started, measure.Recovered); why != "the record's beginning is gone" {
		t.Errorf("got %q", why)
	}
	newer := slices.Insert(whole(), 5, incidents.Event{Kind: "of_tomorrow", V: 99, At: at(6)}, incidents.Event{Kind: incidents.Verified, At: at(6)},
		incidents.Event{Kind: incidents.Decided, At: at(6)})
	if got, want := seconds(measure.Of(newer).At), seconds(measure.Of(whole()).At); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
