package measure_test

import (
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/measure"
)

// compared is what became of one target.
func compared(t *testing.T, name string, events ...incidents.Event) measure.Compared {
	t.Helper()
	for _, c := range measure.Of(events).Compare() {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no target %q", name)
	return measure.Compared{}
}

// A figure is met, missed or not measurable, and what is not plainly met says why.
func TestCompare(t *testing.T) {
	t.Parallel()
	acted := func(handler string, more ...incidents.Event) []incidents.Event {
		return append([]incidents.Event{opened(handler, 2), plain(incidents.Intended, 10), plain(incidents.Issuing, 11), plain(incidents.Applied, 12)}, more...)
	}
	called := func(more ...incidents.Event) []incidents.Event {
		return append([]incidents.Event{opened("partition", 2), plain(incidents.Escalated, 10)}, more...)
	}
	backwards := opened("retrystorm", -1)
	for _, c := range []struct {
		name, target string
		events       []incidents.Event
		want         measure.Result
		took         time.Duration
		why          string
	}{
		{"in time", measure.Detection, []incidents.Event{opened("retrystorm", 9.999)}, measure.Met, 9999 * time.Millisecond, ""},
		{"just too late", measure.Detection, []incidents.Event{opened("retrystorm", 10)}, measure.Missed, 10 * time.Second, ""},
		{"clocks disagree", measure.Detection, []incidents.Event{backwards}, measure.NotMeasurable, 0, "it ended 1s before it began: two clocks disagree"},
		{"helped", measure.Mitigation, acted("retrystorm", judged(40, incidents.Improved)), measure.Met, 12 * time.Second, ""},
		{"not judged yet", measure.Mitigation, acted("retrystorm"), measure.NotMeasurable, 0, "it has not happened yet, and there is time left"},
		{"not judged for long", measure.Mitigation, acted("retrystorm", plain(incidents.Observed, 31)), measure.Missed, 31 * time.Second, "it had not happened when the record ended"},
		{"did not help", measure.Mitigation, acted("retrystorm", judged(20, incidents.NoEffect), closed(25, incidents.OutcomeIneffective)), measure.Missed, 25 * time.Second, "no change was judged to help"},
		{"nothing was done", measure.Mitigation, []incidents.Event{opened("retrystorm", 2), closed(900, incidents.OutcomePaged)}, measure.NotMeasurable, 0, "no change was made"},
		{"still going on", measure.Recovery, []incidents.Event{opened("retrystorm", 2), plain(incidents.Observed, 301)}, measure.Missed, 301 * time.Second, "it had not happened when the record ended"},
		{"closed before it was over", measure.Recovery, []incidents.Event{opened("retrystorm", 2), closed(20, incidents.OutcomeUnknown)}, measure.NotMeasurable, 0, "the record ended before it happened"},
		{"read long after its end", measure.Recovery, []incidents.Event{opened("retrystorm", 2), closed(20, incidents.OutcomeUnknown), said(incidents.Acked, 9000, "alice")}, measure.NotMeasurable, 0, "the record ended before it happened"},
		{"five minutes by hand", measure.Manual, called(ends(320, resolved("a", 309))), measure.Met, 299 * time.Second, ""},
		{"nobody was called", measure.Response, []incidents.Event{opened("partition", 2)}, measure.NotMeasurable, 0, "it never began: the record does not say that a person was called"},
		{"nobody came", measure.Response, called(closed(1000, incidents.OutcomePaged)), measure.Missed, 990 * time.Second, "it had not happened when the record ended"},
		{"somebody came", measure.Response, called(said(incidents.Acked, 70, "alice")), measure.Met, time.Minute, ""},
		{"a share", measure.Success, called(), measure.NotMeasurable, 0, "it is a share of many incidents"},
		{"not in the record", measure.DataLoss, acted("replicationlag"), measure.NotMeasurable, 0, "the record does not count lost transactions"},
	} {
		got := compared(t, c.target, c.events...)
		if got.Result != c.want || got.Took != c.took || got.Why != c.why {
			t.Errorf("%s: got %s after %s, %q; want %s after %s, %q", c.name, got.Result, got.Took, got.Why, c.want, c.took, c.why)
		}
	}
}

// Every target is one figure of one kind, with its source, and belongs to a handler; a handler without a runbook has none.
func TestTargets(t *testing.T) {
	t.Parallel()
	type key struct{ runbook, name string }
	seen := map[key]bool{}
	for _, target := range measure.Targets() {
		k := key{target.Runbook, target.Name}
		if seen[k] {
			t.Errorf("%v is there twice", k)
		}
		seen[k] = true
		kinds := 0
		for _, is := range []bool{target.Limit > 0 && target.From != "" && target.To != "", target.Share > 0 && target.Share < 1, target.Unknown != ""} {
			if is {
				kinds++
			}
		}
		if kinds != 1 || target.Source == "" {
			t.Errorf("%v: got %+v, want exactly one kind of figure, and its source", k, target)
		}
	}
	for handler, want := range map[string]string{"retrystorm": "RB-011", "poolexhaustion": "RB-011", "replicationlag": "RB-009", "failover": "RB-009",
		"partition": "RB-010", "sessiondrift": "RB-012", "firebreak": ""} {
		of := measure.TargetsOf(handler)
		if measure.Runbook(handler) != want || (len(of) == 0) != (want == "") {
			t.Errorf("%s: got %q with %d targets, want %q", handler, measure.Runbook(handler), len(of), want)
		}
		for _, target := range of {
			if target.Runbook != want {
				t.Errorf("%s has a target of %s", handler, target.Runbook)
			}
		}
	}
	if len(measure.TargetsOf("retrystorm"))+len(measure.TargetsOf("replicationlag"))+len(measure.TargetsOf("partition"))+len(measure.TargetsOf("sessiondrift")) != len(measure.Targets()) {
		t.Error("a target belongs to no handler")
	}
}
