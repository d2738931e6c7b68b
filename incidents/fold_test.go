package incidents_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// After each event of a whole story the incident stands where the story says.
func TestFoldStages(t *testing.T) {
	t.Parallel()
	want := []incidents.Stage{
		incidents.Looking, incidents.Looking, incidents.Looking, incidents.Looking, incidents.Looking, incidents.Looking, incidents.Looking,
		incidents.Planned, incidents.Sending, incidents.Doubtful, incidents.Standing, incidents.Standing, incidents.Standing,
		incidents.Holding, incidents.Changing, incidents.Holding, incidents.Holding, incidents.Changing, incidents.Holding, incidents.Holding,
		incidents.Undoing, incidents.UndoDoubtful, incidents.Settled, incidents.Ended,
	}
	st := incidents.Fold(nil)
	for i, e := range story() {
		st.Apply(e)
		if st.Stage != want[i] {
			t.Errorf("after %d, %s: got stage %s, want %s", i, e.Kind, st.Stage, want[i])
		}
	}
}

// A whole story folds to everything that it says.
func TestFoldStory(t *testing.T) {
	t.Parallel()
	events := story()
	st := incidents.Fold(events)
	if !reflect.DeepEqual(st.Opening, *opening()) || st.OpenedAt != at(0) || st.ClosedAt != at(23) || st.Events != len(events) || st.Open() {
		t.Errorf("got %+v from %s to %s after %d events, open %t", st.Opening, st.OpenedAt, st.ClosedAt, st.Events, st.Open())
	}
	if got, want := st.Alerts, []alerts.Alert{resolved("a", 50), firing("b")}; !reflect.DeepEqual(got, want) {
		t.Errorf("got alerts %+v, want %+v", got, want)
	}
	if !st.Firing() || st.LastHeard() != at(0) {
		t.Errorf("got firing %t, last heard %s, want b's delivery", st.Firing(), st.LastHeard())
	}
	if len(st.Looks) != 3 || string(st.Looks[1].Seen) != `{"rps":11}` || st.Refusal != nil || !st.Escalated || st.Due != at(20) {
		t.Errorf("got %d looks, refusal %v, escalated %t, due %s", len(st.Looks), st.Refusal, st.Escalated, st.Due)
	}
	f := st.Fix()
	if got, want := f.Times, (incidents.FixTimes{Intended: at(7), Issued: at(8), Applied: at(10), Verified: at(12), Released: at(18), Reverting: at(20), Ended: at(22)}); got != want {
		t.Errorf("got times %+v, want %+v", got, want)
	}
	if f.Outcome != incidents.OutcomeFixed || f.Renewals != 1 || f.Doubts != 1 || f.Receipt.Revision != 5 || f.Order.Released != 50 ||
		f.Verify.Every != policy.Duration(time.Second) || f.Judgement.Effect != incidents.Improved {
		t.Errorf("got fix %+v", *f)
	}
	if got, want := f.Presence, (remediations.Presence{State: remediations.Ours, Revision: 3, Released: 50, Until: at(140)}); got != want {
		t.Errorf("got presence %+v, want %+v", got, want)
	}
	sum := st.Summary()
	if sum.Outcome != incidents.OutcomeFixed || sum.Words != "the storm is over" || sum.Fix != "open" || sum.Cause != "retry_storm" || sum.Alert != "RetryStorm" {
		t.Errorf("got summary %+v", sum)
	}
}

// Each way in which a change can end gives its own outcome.
func TestFoldEnds(t *testing.T) {
	t.Parallel()
	begun := story()[:9] // issuing
	verified := func(e incidents.Effect) incidents.Event {
		return incidents.Event{Kind: incidents.Verified, At: at(30), Judgement: judged(e)}
	}
	applied := incidents.Event{Kind: incidents.Applied, At: at(29)}
	reverted := incidents.Event{Kind: incidents.Reverted, At: at(40)}
	for _, c := range []struct {
		name string
		then []incidents.Event
		want incidents.Outcome
	}{
		{"refused by the target", []incidents.Event{{Kind: incidents.NotApplied}}, incidents.OutcomeRefusedByFix},
		{"never answered", []incidents.Event{{Kind: incidents.InDoubt}, {Kind: incidents.GaveUp}}, incidents.OutcomeUnknown},
		{"helped", []incidents.Event{applied, verified(incidents.Improved), reverted}, incidents.OutcomeFixed},
		{"helped, and then expired", []incidents.Event{applied, verified(incidents.Improved), {Kind: incidents.NotOurs}}, incidents.OutcomeFixed},
		{"did not help", []incidents.Event{applied, verified(incidents.Pending), verified(incidents.NoEffect), reverted}, incidents.OutcomeIneffective},
		{"made it worse", []incidents.Event{applied, verified(incidents.Worse), reverted}, incidents.OutcomeWorse},
		{"came back", []incidents.Event{applied, verified(incidents.Improved), {Kind: incidents.Regressed}, verified(incidents.Improved), reverted}, incidents.OutcomeRegressed},
		{"never judged", []incidents.Event{applied, reverted}, ""},
	} {
		st := incidents.Fold(append(append([]incidents.Event{}, begun...), c.then...))
		if st.Stage != incidents.Settled || st.Fix().Outcome != c.want {
			t.Errorf("%s: got outcome %q at %s, want %q", c.name, st.Fix().Outcome, st.Stage, c.want)
		}
	}
	st := incidents.Fold(append(append([]incidents.Event{}, story()[:8]...), incidents.Event{Kind: incidents.Refused, At: at(9),
		Refusal: &incidents.Refusal{Reason: remediations.ReasonResolved, Words: "it resolved"}}))
	if st.Stage != incidents.Settled || st.Fix().Outcome != "" || st.Refusal.Reason != remediations.ReasonResolved {
		t.Errorf("refused before the wire: got %s with %q and %+v", st.Stage, st.Fix().Outcome, st.Refusal)
	}
}

// Events of a newer build are counted, make it known that there are some, and change nothing else, wherever they stand and whatever they carry.
func TestFoldUnknownKind(t *testing.T) {
	t.Parallel()
	unknown := incidents.Event{V: 9, Kind: "quarantined", At: at(99), Due: at(1), Order: order(99, 9), Presence: &remediations.Presence{State: remediations.Foreign},
		Receipt: &remediations.Receipt{Revision: 99}, Closing: &incidents.Closing{}, Judgement: judged(incidents.Worse)}
	for n := range story() {
		want := incidents.Fold(story()[:n])
		want.Events, want.Newer = want.Events+1, true
		if got := incidents.Fold(append(story()[:n:n], unknown)); !reflect.DeepEqual(got, want) {
			t.Errorf("after %d events: got %+v, want %+v", n, got, want)
		}
	}
	if got := unknown.Words(); got == "" {
		t.Error("got no words for an event of a newer build")
	}
}

// Whatever order events stand in, folding ends without a panic and gives the same every time, also over JSON.
func TestFoldAnything(t *testing.T) {
	t.Parallel()
	all := append(story(), apart()...)
	for _, k := range policy.EventKinds() {
		all = append(all, incidents.Event{Kind: incidents.Kind(k)}) // with nothing of what belongs to it
	}
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var record []incidents.Event
		for range rnd.IntN(40) {
			record = append(record, all[rnd.IntN(len(all))])
		}
		once := incidents.Fold(record)
		if again := incidents.Fold(record); !reflect.DeepEqual(once, again) {
			t.Fatalf("seed %d: got two states of one record", seed)
		}
		once.Summary()
		if stored := incidents.Fold(throughJSON(t, record)); !reflect.DeepEqual(once, stored) {
			t.Fatalf("seed %d: got\n%+v\nafter it was stored, want\n%+v", seed, stored, once)
		}
	}
}

func throughJSON(t *testing.T, record []incidents.Event) []incidents.Event {
	t.Helper()
	if len(record) == 0 {
		return nil
	}
	data, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	out, err := incidents.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The policy names exactly the kinds that this build gives a meaning, and each has words for people.
func TestKinds(t *testing.T) {
	t.Parallel()
	seen := map[incidents.Kind]bool{}
	for _, e := range append(story(), apart()...) {
		seen[e.Kind] = true
		if got := e.Words(); got == "" {
			t.Errorf("%s: got no words", e.Kind)
		}
	}
	newer := incidents.Event{Kind: "quarantined"}.Words()
	for _, k := range policy.EventKinds() {
		if !seen[incidents.Kind(k)] {
			t.Errorf("%s is in the policy and in no story of these tests", k)
		}
		delete(seen, incidents.Kind(k))
		if got := (incidents.Event{Kind: incidents.Kind(k)}).Words(); got == "" || got == newer {
			t.Errorf("%s without anything: got words %q", k, got)
		}
	}
	for k := range seen {
		t.Errorf("%s cannot be named in a policy", k)
	}
}

// The words say what a person needs.
func TestWords(t *testing.T) {
	t.Parallel()
	all := append(story(), apart()...)
	want := map[int]string{
		0:  "RetryStorm fires for checkout→payments (a)",
		1:  "RetryStorm is firing (b)",
		2:  "looked at the live system",
		3:  "retry_storm → act: retries feed themselves [3 tries a call]",
		4:  "cooldown: a fix ended a moment ago",
		7:  "open on checkout/payments, for 1m0s at a time and 1h0m0s at most, by action 0123456789",
		8:  "sending open on checkout/payments (action 0123456789, fence 7, until 12:01:09)",
		9:  "the connection broke",
		10: "the change stands: found at the target",
		11: "looked at the live system; the change is ours",
		12: "improved: 3 % of the calls fail",
		13: "held",
		14: "open on checkout/payments until 12:02:00",
		17: "50 % of the calls of checkout/payments go free, until 12:02:20",
		20: "taking the change back: the alert resolved",
		22: "nothing of ours stands any more",
		23: "fixed: the storm is over",
	}
	for i, w := range want {
		if got := all[i].Words(); got != w {
			t.Errorf("%s: got %q, want %q", all[i].Kind, got, w)
		}
	}
}
