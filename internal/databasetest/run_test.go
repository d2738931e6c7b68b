package databasetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// expected is what a run must come to.
type expected struct {
	// cause and verdict are those of some decision, and no decision about the fault but to wait is of another cause. No cause: none is asked for.
	cause, verdict string
	outcome        string
	// changes are the orders, as "end_conflict pg2", in their order. None: nothing is changed.
	changes []string
	// repeats says that a change may be ordered a second time, when it is proved that the first order did nothing.
	repeats bool
	// moves are those of the servers in the read pool while Firebreak lives, "pg2 drain"; out are those that are not ready at the end,
	// because a person took them out.
	moves, out []string
}

// watched are the sessions whose lives are watched.
type watched struct {
	sessions []*session // all
	victims  []*session // those that Firebreak has to end
	gone     []*session // those that end by the fault itself
}

// run is one fault, from before it to after it.
type run struct {
	*lab
	watched
	t       *testing.T
	product *blackbox.Product
	moves   *poolWatch
	want    expected
	v       *blackbox.Verdict

	begun  time.Time        // when watching began
	fired  time.Time        // when the first alert was told
	mended time.Time        // when the run itself ended the fault; zero while it has not
	alerts []blackbox.Alert // all that were told, the resolved ones too
}

// newRun starts a Firebreak beside a healthy lab.
func newRun(t *testing.T, b *lab, bin string, s settings, v *blackbox.Verdict) *run {
	t.Helper()
	r := &run{lab: b, t: t, v: v, product: b.prepare(t, bin, s)}
	r.product.Serve("")
	return r
}

// victim is the standby that the faults are produced at; other is the one that stays well.
func (r *run) victim() *testbed.PostgresNode { return r.Standbys[0] }
func (r *run) other() *testbed.PostgresNode  { return r.Standbys[1] }

func (r *run) wrongly(format string, args ...any) {
	r.v.Wrongs = append(r.v.Wrongs, fmt.Sprintf(format, args...))
}

func (r *run) harm(format string, args ...any) {
	r.v.Harms = append(r.v.Harms, fmt.Sprintf(format, args...))
}

// watch begins to hold the servers against what should happen: from here on sessions are counted and the pool is watched.
func (r *run) watch(want expected) {
	r.t.Helper()
	r.want, r.begun = want, time.Now().UTC() // what the servers ended before, they ended by themselves
	r.crowd()
	r.moves = r.watchPool()
}

// fire tells of an alert that fires from now on.
func (r *run) fire(name string, n *testbed.PostgresNode) {
	r.t.Helper()
	a := about(name, n.Name)
	r.alerts = append(r.alerts, a)
	if r.fired.IsZero() {
		r.fired = time.Now()
	}
	r.product.Post(a)
}

// resolve tells that everything that fires has resolved.
func (r *run) resolve() {
	r.t.Helper()
	for i := range r.alerts {
		if r.alerts[i].Ends.IsZero() {
			r.alerts[i].Ends = time.Now().UTC()
			r.product.Post(r.alerts[i])
		}
	}
}

// only is the one incident that there is; false while there is none.
func (r *run) only() (blackbox.Record, bool) {
	all, err := r.product.Records()
	if err != nil || len(all) == 0 {
		return blackbox.Record{}, false
	}
	if len(all) > 1 {
		r.t.Fatalf("there are %d incidents, want one:\n%s", len(all), r.story())
	}
	return all[0], true
}

// until waits until the one incident is so.
func (r *run) until(what string, is func(blackbox.Record) bool) blackbox.Record {
	r.t.Helper()
	var last blackbox.Record
	deadline := time.Now().Add(blackbox.Within)
	testbed.Await(r.t, 2*blackbox.Within, what, func() bool {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited %s in vain for %s:\n%s", blackbox.Within, what, r.story())
		}
		got, ok := r.only()
		last = got
		return ok && is(got)
	})
	return last
}

// closed waits for the end of the one incident.
func (r *run) closed() blackbox.Record {
	r.t.Helper()
	return r.until("the incident to be closed", func(got blackbox.Record) bool { return got.Summary.Stage == "closed" })
}

// left waits for the decision that leaves it alone, sees to it that nothing follows from another look, and ends the incident.
func (r *run) left() {
	r.t.Helper()
	r.until("the decision "+r.want.cause+" "+r.want.verdict, func(got blackbox.Record) bool { return got.Decided(r.want.cause, r.want.verdict) })
	r.resolve()
	r.closed()
}

// story is what happened, for people.
func (r *run) story() string {
	all, err := r.product.Records()
	if err != nil {
		return "no records: " + err.Error()
	}
	var b strings.Builder
	for _, got := range all {
		b.WriteString(got.Story())
	}
	if r.moves != nil {
		moves, now, err := r.moves.seen()
		fmt.Fprintf(&b, "the pool moved %q and is %v (%v)\n", moves, now, err)
	}
	for _, n := range r.Nodes() {
		for _, k := range kills(n, r.begun) {
			fmt.Fprintf(&b, "%s: %s\n", n.Name, k.line)
		}
	}
	return b.String()
}

// judge holds the record and the servers against what should have happened.
func (r *run) judge() {
	r.t.Helper()
	all, err := r.product.Records()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, got := range all {
		r.judgeRecord(got)
	}
	if len(all) != 1 {
		r.wrongly("there are %d incidents, want one", len(all))
	}
	r.judgeSessions()
	r.judgePool()
	if r.product.Failed() {
		r.wrongly("firebreak says of itself that it failed")
	}
	r.report()
}

// report fails the test where something is wrong, and tells the story of it.
func (r *run) report() {
	r.t.Helper()
	if len(r.v.Harms)+len(r.v.Wrongs) > 0 {
		r.t.Errorf("wrong action: %s\nwrong: %s\n%s", strings.Join(r.v.Harms, "\n"), strings.Join(r.v.Wrongs, "\n"), r.story())
	}
}

func (r *run) judgeRecord(got blackbox.Record) {
	changes := got.Changes()
	if r.want.repeats {
		changes = slices.Compact(changes)
	}
	if !slices.Equal(changes, r.want.changes) {
		r.harm("the changes are %q, want %q", changes, r.want.changes)
	}
	if got.Summary.Outcome != r.want.outcome {
		r.wrongly("the outcome is %q (%s), want %s", got.Summary.Outcome, got.Summary.Words, r.want.outcome)
	}
	if r.want.cause != "" && !got.Decided(r.want.cause, r.want.verdict) {
		r.wrongly("no decision was %s %s: %q", r.want.cause, r.want.verdict, got.Decisions())
	}
	for _, e := range got.Events {
		if e.Kind == "applied" || !r.mended.IsZero() && e.At.After(r.mended) {
			break // from here on the fault is over, or will be
		}
		if d := e.Decision; d != nil && d.Verdict != "wait" && d.Cause != r.want.cause {
			r.wrongly("a decision was %s, want %s: %s", d.Line(), r.want.cause, d.Reason)
		}
	}
	if at, ok := got.First("applied"); ok {
		r.v.Action = at.Sub(r.fired)
	}
}

// mend notes that the run itself ends the fault now.
func (r *run) mend() { r.mended = time.Now().UTC() }

// healed notes how long it took until the fault was over.
func (r *run) healed() { r.v.Heal = time.Since(r.fired) }
