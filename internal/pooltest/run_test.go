package pooltest

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
	// cause and verdict are those of some decision; the last one that acts, pages or sees no fault is of this cause.
	cause, verdict string
	outcome        string
	// changes are the orders, as "end_leaked pg1", in their order. None: nothing is changed.
	changes []string
	// repeats says that a change may be ordered a second time, when it is proved that the first order did nothing.
	repeats bool
	// shapes are what the database at the pooler, or the pool of the application, looks like, from before the alert to the end of the
	// incident. None: it stays as it is.
	shapes []string
	// closes says that the pooler itself closes sessions: its pool becomes smaller, or the run sends its clients away.
	closes bool
	// crashes says that the run ends all sessions itself.
	crashes bool
}

// run is one fault, from before it to after it.
type run struct {
	*lab
	t        *testing.T
	settings settings
	pooler   *testbed.PgBouncer
	console  *console
	app      *appPool // in the place of a pooler
	product  *blackbox.Product
	shapes   *shapes
	want     expected
	v        *blackbox.Verdict

	sessions  []*session // all whose lives are watched
	victims   []*session // those that Firebreak has to end
	cancelled []*session // those whose statement it has to cancel
	gone      []*session // those that end by the fault itself
	begun     time.Time
	fired     time.Time
	mended    time.Time        // when the run itself ended the fault; zero while it has not
	alerts    []blackbox.Alert // all that were told, the resolved ones too
}

// newRun starts a pooler and a Firebreak beside a healthy lab.
func newRun(t *testing.T, b *lab, bin string, s settings, v *blackbox.Verdict) *run {
	t.Helper()
	r := &run{lab: b, t: t, v: v, settings: s}
	if s.noPooler {
		r.app = startApp(t, b)
		r.settings.app = r.app.addr
	} else {
		r.pooler = b.startPooler(t, s)
		r.console = look(t, r.pooler)
	}
	r.product = b.prepare(t, bin, r.pooler, r.settings)
	r.product.Serve("")
	return r
}

func (r *run) wrongly(format string, args ...any) {
	r.v.Wrongs = append(r.v.Wrongs, fmt.Sprintf(format, args...))
}

func (r *run) harm(format string, args ...any) {
	r.v.Harms = append(r.v.Harms, fmt.Sprintf(format, args...))
}

// watch begins to hold the servers against what should happen: from here on the log counts, and the pooler is watched.
func (r *run) watch(want expected) {
	r.t.Helper()
	r.want, r.begun = want, time.Now().UTC() // what ended before did so by itself
	if r.pooler != nil {
		eye := look(r.t, r.pooler) // one of its own: it is another goroutine's
		r.shapes = watchShape(r.t, eye.shape)
	} else {
		r.shapes = watchShape(r.t, r.app.shape)
	}
	r.crowd()
}

// fire tells of an alert that fires from now on. What is there then is what is watched.
func (r *run) fire(name string) {
	r.t.Helper()
	if r.fired.IsZero() {
		r.census()
		r.fired = time.Now()
	}
	a := about(name)
	r.alerts = append(r.alerts, a)
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
	r.await(what, func() bool {
		got, ok := r.only()
		last = got
		return ok && is(got)
	})
	return last
}

// await waits for something, and tells the story if it does not come.
func (r *run) await(what string, cond func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(blackbox.Within)
	testbed.Await(r.t, 2*blackbox.Within, what, seldom(func() bool {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited %s in vain for %s:\n%s", blackbox.Within, what, r.story())
		}
		return cond()
	}))
}

// applied waits for the change.
func (r *run) applied() blackbox.Record {
	r.t.Helper()
	return r.until("the change", func(got blackbox.Record) bool { return got.Has("applied") })
}

// spent waits until a change that happens once was judged for what it did.
func (r *run) spent() {
	r.t.Helper()
	r.until("the judgement", func(got blackbox.Record) bool { return got.Has("verified") && got.Has("spent") })
}

// closed waits for the end of the one incident.
func (r *run) closed() blackbox.Record {
	r.t.Helper()
	return r.until("the incident to be closed", func(got blackbox.Record) bool { return got.Summary.Stage == "closed" })
}

// over ends the alerts, and waits for the end of the incident.
func (r *run) over() {
	r.t.Helper()
	r.resolve()
	r.closed()
}

// left waits for the decision that leaves it alone, and ends the incident.
func (r *run) left() {
	r.t.Helper()
	r.until("the decision "+r.want.cause+" "+r.want.verdict, func(got blackbox.Record) bool { return got.Decided(r.want.cause, r.want.verdict) })
	r.over()
}

// mend notes that the run itself ends the fault now.
func (r *run) mend() { r.mended = time.Now().UTC() }

// healed notes how long it took until the fault was over.
func (r *run) healed() { r.v.Heal = time.Since(r.fired) }

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
	if r.shapes != nil {
		shapes, err := r.shapes.seen()
		fmt.Fprintf(&b, "the pool was %q (%v)\n", shapes, err)
	}
	for _, k := range kills(r.Primary, r.begun) {
		fmt.Fprintln(&b, k.line)
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
	r.judgeShapes()
	if r.product.Failed() {
		r.wrongly("firebreak says of itself that it failed")
	}
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

// judgeShapes: the pool looked as it was to all the time, and does so at the end.
func (r *run) judgeShapes() {
	if r.shapes == nil {
		return
	}
	got, err := r.shapes.seen()
	if err != nil {
		r.wrongly("look at the pool: %v", err)
	}
	want := r.want.shapes
	if want == nil {
		want = got[:min(1, len(got))]
	}
	if !slices.Equal(got, want) {
		r.harm("the pool was %q, want %q", got, want)
	}
}
