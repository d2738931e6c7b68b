package fieldtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

const (
	// patience is how long any stage may take. Firebreak measures stores of sessions every 30 s, so that is twice waited for.
	patience = 2 * blackbox.Within
	// askEvery is how often something is looked at that is awaited.
	askEvery = 100 * time.Millisecond
)

// run is one fault, from before it to after it.
type run struct {
	*world
	t      *testing.T
	before int   // incidents that there were
	heard0 heard // what people had heard
	began  time.Time
	well   time.Time // when whoever uses it was served as ever again
	wrongs []string
}

func (w *world) newRun(t *testing.T) *run {
	t.Helper()
	r := &run{world: w, t: t}
	r.await("everybody to be served, and nothing to fire", func() bool { return w.scene.well() && w.quiet(t) })
	all, err := w.product.Records()
	if err != nil {
		t.Fatal(err)
	}
	r.before, r.heard0 = len(all), w.people.heard()
	if r.heard0.messages != r.before {
		t.Fatalf("there are %d incidents, and %d messages", r.before, r.heard0.messages)
	}
	w.nothingMore(t)
	return r
}

// quiet says that Prometheus scrapes all that there is, and does not see the fault any more.
func (w *world) quiet(t *testing.T) bool {
	t.Helper()
	targets := len(w.scene.targets()) + 1
	up, err := w.prom.Query(t.Context(), fmt.Sprintf(`count(up == 1) == %d unless on() ALERTS{alertname=%q}`, targets, w.fault.alert))
	return err == nil && len(up) == 1
}

// nothingMore fails the test if people have heard anything since they were last told all that they should be.
func (w *world) nothingMore(t *testing.T) {
	t.Helper()
	if more := w.people.heard().more(w.told); more != (heard{}) {
		t.Errorf("Slack and PagerDuty heard something that nobody should have told them, or twice: %+v\n%s", more, w.people.last())
	}
}

func (r *run) wrongly(format string, args ...any) {
	r.wrongs = append(r.wrongs, fmt.Sprintf(format, args...))
}

// await waits for something, and tells the story if it does not come.
func (r *run) await(what string, cond func() bool) {
	r.t.Helper()
	deadline, next := time.Now().Add(patience), time.Time{}
	testbed.Await(r.t, 2*patience, what, func() bool {
		now := time.Now()
		if now.Before(next) {
			return false
		}
		next = now.Add(askEvery)
		if cond() {
			return true
		}
		if now.After(deadline) {
			r.t.Fatalf("waited %s in vain for %s:\n%s", patience, what, r.story())
		}
		return false
	})
}

// records are the incidents of this run.
func (r *run) records() []blackbox.Record {
	all, err := r.product.Records()
	if err != nil || len(all) < r.before {
		return nil
	}
	return all[r.before:]
}

// until waits until the one incident of this run is so.
func (r *run) until(what string, is func(blackbox.Record) bool) blackbox.Record {
	r.t.Helper()
	var last blackbox.Record
	r.await(what, func() bool {
		all := r.records()
		if len(all) > 1 {
			r.t.Fatalf("there are %d incidents, want one:\n%s", len(all), r.story())
		}
		if len(all) == 0 {
			return false
		}
		last = all[0]
		return is(last)
	})
	return last
}

// story is what happened, for people.
func (r *run) story() string {
	var b strings.Builder
	for _, got := range r.records() {
		b.WriteString(got.Story())
	}
	firing, err := r.prom.Query(r.t.Context(), `ALERTS{alertname!="Watchdog"}`)
	fmt.Fprintf(&b, "alerts now: %v (%v)\nSlack: %s\nPagerDuty and Slack heard: %+v since %+v\n", firing, err,
		r.people.last(), r.people.heard(), r.heard0)
	return b.String()
}

// closed waits for the end of the incident, and until everybody was told just that: Slack's message begins as it does in the end.
func (r *run) closed(final string, want heard) blackbox.Record {
	r.t.Helper()
	got := r.until("the incident to be closed", func(got blackbox.Record) bool { return got.Summary.Stage == "closed" })
	r.await("everybody to be told", func() bool {
		last := r.people.last()
		return r.people.heard().more(r.heard0) == want && strings.HasPrefix(last, final) && strings.Contains(last, got.Summary.ID)
	})
	r.told = r.people.heard()
	return got
}

// fixed is a run in which the fault is found, fixed, and over.
func (r *run) fixed() times {
	r.t.Helper()
	r.began = r.scene.begin(r.t)
	r.until("the change", func(got blackbox.Record) bool { return got.Has("applied") })
	r.scene.mend(r.t)
	r.await("everybody to be served again", r.scene.well)
	r.well = time.Now()
	got := r.closed("✅ Fixed: ", heard{messages: 1, changes: r.fault.told})
	r.judge(got)
	r.wrongs = append(r.wrongs, r.scene.judge(r.t)...)
	all := r.times(got)
	r.wrongs = append(r.wrongs, r.late(all)...)
	r.report()
	return all
}

// judge holds the record against what should have happened.
func (r *run) judge(got blackbox.Record) {
	if changes := got.Changes(); !slices.Equal(changes, r.fault.changes) {
		r.wrongly("the changes are %q, want %q", changes, r.fault.changes)
	}
	if !got.Decided(r.fault.cause, "act") {
		r.wrongly("no decision was to act on %s: %q", r.fault.cause, got.Decisions())
	}
	for _, kind := range []string{"intended", "applied", r.fault.ends} {
		if n := got.Count(kind); n != 1 {
			r.wrongly("%d events are %s, want 1", n, kind)
		}
	}
	if got.Summary.Outcome != "fixed" {
		r.wrongly("the outcome is %q (%s), want fixed", got.Summary.Outcome, got.Summary.Words)
	}
	if !resolved(got) {
		r.wrongly("it was not told that the alert is over")
	}
}

// resolved says that the last that a record was told of its alert is that it is over.
func resolved(got blackbox.Record) bool {
	last := ""
	for _, e := range got.Events {
		if a := e.Told(); a != nil {
			last = a.Status
		}
	}
	return last == "resolved"
}

// report fails the test where something is wrong, and tells the story of it.
func (r *run) report() {
	r.t.Helper()
	if r.product.Failed() {
		r.wrongly("firebreak says of itself that it failed")
	}
	if len(r.wrongs) > 0 {
		r.t.Errorf("wrong: %s\n%s", strings.Join(r.wrongs, "\nwrong: "), r.story())
	}
}

// leftAlone is a run in which nothing may be changed: a person is called, ends the fault, and is let go.
func (r *run) leftAlone() {
	r.t.Helper()
	fault := r.fault.alone(r.t, r.scene)
	r.until("a person to be called", func(got blackbox.Record) bool {
		return got.Decided(fault.cause, "page") && len(r.people.pager.Open()) == 1
	})
	fault.end(r.t)
	got := r.closed("📟 Told to people: ", heard{messages: 1, pages: 1, over: 1, triggers: 1, resolves: 1})
	if changes := got.Changes(); len(changes) > 0 {
		r.wrongly("the changes are %q, want none", changes)
	}
	if got.Summary.Outcome != "paged" || !resolved(got) {
		r.wrongly("the outcome is %q (%s), want paged, with the alert over", got.Summary.Outcome, got.Summary.Words)
	}
	r.report()
}
