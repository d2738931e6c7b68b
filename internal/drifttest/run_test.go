package drifttest

import (
	"context"
	"fmt"
	"maps"
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
	// changes are the orders, as "quarantine sessions", in their order. None: nothing is changed.
	changes []string
	// repeats says that a change may be ordered a second time, when it is proved that the first order did nothing.
	repeats bool
	// also are causes of decisions that may be on the way to that one.
	also []string
	// takes is how many sessions are out of sight at the end, gives how many have another owner, both out of from.
	takes, gives int
	from         []string
	// missed says that sessions of living nodes are out of sight for a while: a node was taken for dead.
	missed bool
}

// run is one fault, from before it to after it.
type run struct {
	*lab
	t       *testing.T
	app     *app
	around  *around
	product *blackbox.Product
	want    expected
	v       *blackbox.Verdict

	before map[string]record
	ended  []string // nodes that had ended when watching began
	fired  time.Time
	alerts []blackbox.Alert
}

// newRun starts an application and a Firebreak beside it.
func newRun(t *testing.T, b *lab, bin string, s settings, last int, v *blackbox.Verdict) *run {
	t.Helper()
	r := &run{lab: b, t: t, v: v}
	r.around = startAround(t, func() int { return r.app.misses() })
	r.app = b.startApp(t, last)
	r.product = blackbox.NewProduct(t, bin, b.writePolicy(t.TempDir(), s, r.around.url))
	r.product.Serve("")
	return r
}

func (r *run) wrongly(format string, args ...any) {
	r.v.Wrongs = append(r.v.Wrongs, fmt.Sprintf(format, args...))
}

func (r *run) harm(format string, args ...any) {
	r.v.Harms = append(r.v.Harms, fmt.Sprintf(format, args...))
}

// owned are the sessions of a node that are renewed, by name.
func (r *run) owned(name string) []string {
	n := r.app.at(name)
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Sorted(maps.Keys(n.tried))
}

// dies ends nodes for good. Aged: they did so long ago.
func (r *run) dies(ago time.Duration, these ...string) {
	r.t.Helper()
	for i, name := range these {
		r.app.at(name).end()
		r.ended = append(r.ended, name)
		if ago > 0 { // one after the other, with more than the time between them in which several at once are a partition
			r.must("make "+name+" have died earlier", func(ctx context.Context) error {
				return r.store.age(ctx, name, ago+time.Duration(i)*aged)
			})
		}
	}
	if ago > 0 { // who died long ago is heard by nobody
		left := slices.DeleteFunc(names(), func(name string) bool { return slices.Contains(r.ended, name) })
		r.await("nobody to hear them any more", func() bool { return !r.hear(left, these) })
	}
}

// watch begins to hold the store against what should happen: what it holds from here on counts.
func (r *run) watch(want expected) {
	r.t.Helper()
	r.want, r.before = want, r.held()
}

// fire tells of an alert that fires from now on.
func (r *run) fire(name string) {
	r.t.Helper()
	a := blackbox.Alert{Name: name, Labels: map[string]string{"store": storeName, "severity": "warning"}, Starts: time.Now().UTC()}
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
	r.wait(what, func() bool {
		got, ok := r.only()
		last = got
		return ok && is(got)
	})
	return last
}

// wait waits for something, and tells the story if it does not come.
func (r *run) wait(what string, cond func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(blackbox.Within)
	testbed.Await(r.t, 2*blackbox.Within, what, seldom(func() bool {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited %s in vain for %s:\n%s", blackbox.Within, what, r.story())
		}
		return cond()
	}))
}

// closed waits for the end of the one incident.
func (r *run) closed() blackbox.Record {
	r.t.Helper()
	return r.until("the incident to be closed", func(got blackbox.Record) bool { return got.Summary.Stage == "closed" })
}

// left waits for the decision that leaves it alone, and ends the incident.
func (r *run) left() {
	r.t.Helper()
	r.until("the decision "+r.want.cause+" "+r.want.verdict, func(got blackbox.Record) bool { return got.Decided(r.want.cause, r.want.verdict) })
	r.resolve()
	r.closed()
}

// leftFor is the same, where nothing may be touched either while the alert goes on firing: it is looked at again some time after a person was
// called.
func (r *run) leftFor(looks int) {
	r.t.Helper()
	r.until("the decision "+r.want.cause+" "+r.want.verdict, func(got blackbox.Record) bool { return got.Decided(r.want.cause, r.want.verdict) })
	r.looks(looks)
	r.resolve()
	r.closed()
}

// fixed waits for the judgement of so many changes, and ends the incident.
func (r *run) fixed(changes int) blackbox.Record {
	r.t.Helper()
	r.until("the judgement", func(got blackbox.Record) bool {
		return got.Count("verified") >= changes && got.Count("spent") >= changes
	})
	r.v.Heal = time.Since(r.fired)
	r.resolve()
	return r.closed()
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
	ctx, cancel := calls()
	defer cancel()
	members, err := r.store.registered(ctx)
	fmt.Fprintf(&b, "the nodes at the end: %v (%v)\n", members, err)
	return b.String()
}

// judge holds the record and the store against what should have happened. The application stops first.
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
	for _, n := range r.app.nodes {
		n.end()
	}
	r.judgeContents()
	r.judgeActions(all)
	r.judgeNodes()
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
	if !got.Decided(r.want.cause, r.want.verdict) {
		r.wrongly("no decision was %s %s: %q", r.want.cause, r.want.verdict, got.Decisions())
	}
	for _, e := range got.Events {
		if e.Kind == "applied" {
			break // from here on the fault is over, or will be
		}
		if d := e.Decision; d != nil && d.Verdict != "wait" && d.Cause != r.want.cause && !slices.Contains(r.want.also, d.Cause) {
			r.wrongly("a decision was %s, want %s: %s", d.Line(), r.want.cause, d.Reason)
		}
	}
	if at, ok := got.First("applied"); ok {
		r.v.Action = at.Sub(r.fired)
	}
}
