package retrystorm

import (
	"fmt"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
)

// reading is one case while it is being decided.
type reading struct {
	*Handler
	think.Case[Observation]
	edge    edge
	looks   []look  // the last looks that are one story
	samples []rates // the last samples of them, thresholds.samples if there are so many
}

// Decide says what is the matter with an edge, by decision-table 2.3. The first rule that holds wins:
//
//	too few looks, or the last one is old         → wait
//	the last looks could not be read              → page probe_unknown: nothing is known, nothing is touched
//	many_edges alert at once                      → page shared_cause
//	callers wait for database connections         → page pool_exhausted
//	a sample covers fewer than min_calls          → wait; at the 12th time false positive, or page if they fail
//	it shrinks by itself                          → wait
//	error share > error_share                     → open, unless at least half of the calls still end well
//	ratio > thresholds.ratio, and goodput suffers → retry_budget
//	ratio ≈ 1, dependency well, queue old         → shed
//	ratio ≤ ratio_healed and goodput well         → false positive
//	none, or the samples do not agree             → wait; at the 12th time page undecided
//
// A fix that the policy does not allow makes a page that names the key to set. Decide is pure.
func (h *Handler) Decide(c think.Case[Observation]) incidents.Decision {
	e, ok := h.find(c.Target.Name)
	if !ok {
		return incidents.Decision{Cause: string(CauseUndecided), Verdict: incidents.Page,
			Reason: words("the policy does not name the edge %q: a person must look", c.Target.Name)}
	}
	r := reading{Handler: h, Case: c, edge: e, looks: h.recent(c.Before)}
	r.samples = h.samples(r.looks, h.thresholds.Samples)
	d := r.rule()
	if d.Verdict == incidents.Wait && r.waitedLong() {
		d = r.afterWaiting(d)
	}
	d.Evidence = r.evidence()
	d.Rule, d.Others = r.ruleWords(Cause(d.Cause)), r.others(Cause(d.Cause))
	return d
}

// rule is the first rule that holds. It may wait without an end.
func (r reading) rule() incidents.Decision {
	if d, ok := r.withoutNumbers(); ok {
		return d
	}
	if d, ok := r.firstThings(); ok {
		return d
	}
	return r.byNumbers()
}

// withoutNumbers decides the cases in which there are no numbers to judge by.
func (r reading) withoutNumbers() (incidents.Decision, bool) {
	if len(r.looks) == 0 {
		return incidents.Decision{Cause: string(CauseGathering), Verdict: incidents.Wait, Until: r.Now,
			Reason: "nothing has been looked at yet"}, true
	}
	if failed, why := r.failed(); failed > 0 {
		reason := words("the edge could not be read in the last %d looks: %s", failed, why)
		if failed >= r.thresholds.Samples {
			return r.page(CauseProbeUnknown, reason+". Nothing is known about it, so nothing is touched"), true
		}
		return r.wait(CauseProbeUnknown, reason), true
	}
	if age := r.Now.Sub(madeAt(r.looks[len(r.looks)-1])); age > r.maxGap() {
		d := r.wait(CauseGathering, words("the last look is %s old: the edge must be looked at again", age.Round(time.Second)))
		d.Until = r.Now
		return d, true
	}
	n, reason := len(r.spans(r.looks)), "; a sample is the difference of two looks at the same run of an instance"
	if r.looks[len(r.looks)-1].Seen.Source == SourcePrometheus {
		n, reason = len(r.samples), ""
	}
	if n < r.thresholds.Samples {
		return r.wait(CauseGathering, words("%d of %d samples so far%s", n, r.thresholds.Samples, reason)), true
	}
	return incidents.Decision{}, false
}

// failed counts the looks at the end that cannot be judged, and says why the last one cannot.
func (r reading) failed() (int, string) {
	n, why := 0, ""
	for _, l := range slices.Backward(r.looks) {
		p := l.Seen.Problem()
		if p == "" {
			break
		}
		if n++; n == 1 {
			why = p
		}
	}
	return n, why
}

// firstThings decides what comes before the numbers of this one edge, and whether there are enough of them.
func (r reading) firstThings() (incidents.Decision, bool) {
	t := r.thresholds
	if r.Busy+1 >= t.ManyEdges {
		return r.page(CauseSharedCause, words("%d edges have an open incident at once (%d are a shared cause): look at network, DNS and the last deploy; no edge is touched by itself",
			r.Busy+1, t.ManyEdges)), true
	}
	last := r.looks[max(0, len(r.looks)-t.Samples):]
	waiting := 0
	for _, l := range last {
		if w := l.Seen.poolWaiting(); w.usable() && w.Value > 0 {
			waiting++
		}
	}
	switch {
	case waiting == len(last):
		return r.page(CausePoolExhausted, words("%.0f callers wait for a database connection: the pool comes first (decision-table 2.2), retries are its echo",
			last[len(last)-1].Seen.poolWaiting().Value)), true
	case waiting > 0:
		return r.wait(CauseUndecided, "callers waited for a database connection in some of the last looks, not in all"), true
	}
	if len(r.samples) < t.Samples || slices.ContainsFunc(r.samples, func(s rates) bool { return s.Covered < t.MinCalls }) {
		return r.tooFew(), true
	}
	return incidents.Decision{}, false
}

// tooFew waits for more calls.
func (r reading) tooFew() incidents.Decision {
	least := r.samples[0].Covered
	for _, s := range r.samples {
		least = min(least, s.Covered)
	}
	return r.wait(CauseTooFewCalls, words("a sample covers only %.0f calls, %.0f are needed to tell a storm from chance", least, r.thresholds.MinCalls))
}

// byNumbers decides by the samples. They must agree.
func (r reading) byNumbers() incidents.Decision {
	t := r.develop(r.samples)
	open, q := slices.Contains(r.edge.Fix.Allow, fixOpen), r.queue()
	first := r.cause(r.samples[0], t, open, q)
	for _, s := range r.samples[1:] {
		if next := r.cause(s, t, open, q); next != first {
			return r.wait(CauseUndecided, words("the last %d samples do not agree: one says %s, another %s", len(r.samples), first, next))
		}
	}
	if t.recovering && first != CauseHealthy {
		return r.wait(CauseRecovering, words("%s, but it is shrinking by itself and the goodput rises", first))
	}
	newest := r.samples[len(r.samples)-1]
	switch first {
	case CauseDependencyDown:
		if r.state(newest).serving {
			return r.page(first, words("%s of the attempts fail, yet %s of the calls still end well: opening the edge would take that away, and there are too few retries to cut",
				percent(newest.errorShare()), percent(newest.served())))
		}
		return r.act(first, fixOpen, words("%s of the attempts fail at the dependency and only %s of the calls end well",
			percent(newest.errorShare()), percent(newest.served())))
	case CauseRetryStorm:
		return r.act(first, fixBudget, words("%.2f attempts per call, and %s of the calls end well: the retries are the load",
			newest.ratio(), percent(newest.served())))
	case CauseMetastable:
		return r.act(first, fixShed, words("the dependency is well and nobody retries, but the oldest request has waited %.1f s: the queue outlived its cause",
			r.looks[len(r.looks)-1].Seen.queueAge().Value))
	case CauseHealthy:
		return r.falseAlarm(newest, t)
	}
	return r.wait(CauseUndecided, words("%.2f attempts per call, %s of the attempts fail, %s of the calls end well: neither well nor clearly a storm",
		newest.ratio(), percent(newest.errorShare()), percent(newest.served())))
}

// falseAlarm ends an incident in which the live system shows no fault.
func (r reading) falseAlarm(newest rates, t trend) incidents.Decision {
	d := incidents.Decision{Cause: string(CauseHealthy), Verdict: incidents.FalsePositive,
		Reason: words("%.2f attempts per call and %s of the calls end well: no storm", newest.ratio(), percent(newest.served()))}
	if t.busier {
		d.Cause = string(CauseLoad)
		d.Reason += "; the calls rise: load, not a storm"
	}
	return d
}

// queue says how old the callers' queue was in the last looks. A queue that was not read at all is young: the policy does
// not ask for it, or the look would not count.
func (r reading) queue() queue {
	last := r.looks[max(0, len(r.looks)-r.thresholds.Samples):]
	first, newest := last[0].Seen.queueAge(), last[len(last)-1].Seen.queueAge()
	for _, l := range last {
		if q := l.Seen.queueAge(); !q.usable() || q.Value <= queueOld {
			if newest.usable() && newest.Value > queueOld {
				return queueUnclear
			}
			return queueYoung
		}
	}
	if newest.Value <= (1-shrunk)*first.Value {
		return queueUnclear
	}
	return queueStaysOld
}

// wait asks for another look.
func (r reading) wait(c Cause, reason string) incidents.Decision {
	until := madeAt(r.looks[len(r.looks)-1]).Add(r.thresholds.SampleEvery.D())
	return incidents.Decision{Cause: string(c), Verdict: incidents.Wait, Reason: reason, Until: until}
}

func (r reading) page(c Cause, reason string) incidents.Decision {
	return incidents.Decision{Cause: string(c), Verdict: incidents.Page, Reason: reason}
}

// act asks for a fix, or for a person if the policy does not allow it.
func (r reading) act(c Cause, fix, reason string) incidents.Decision {
	if key := r.edge.missing(fix); key != "" {
		return r.page(c, words("%s. The fix %s would be next, but the policy does not allow it: set handlers.retrystorm.edges[%s].%s",
			reason, fix, r.edge.name, key))
	}
	t := r.thresholds
	return incidents.Decision{
		Cause: string(c), Verdict: incidents.Act, Reason: reason, Until: r.Now.Add(t.ConfirmAfter.D()),
		Step: r.edge.step(c, fix),
		Verify: &incidents.Verify{Every: t.SampleEvery, Within: t.VerifyWithin,
			HoldFor: t.HoldFor, RampEvery: t.RampEvery},
	}
}

// missing names the policy's key without which a fix cannot be used; "" if it can.
func (e edge) missing(fix string) string {
	f := e.Fix
	switch {
	case !slices.Contains(f.Allow, fix):
		return words("fix.allow (add %s)", fix)
	case f.Breaker != nil:
		return ""
	case f.HTTP == nil:
		return "fix.breaker or .fix.http"
	}
	if _, ok := f.HTTP.Controls[fix]; !ok {
		return "fix.http.controls." + fix
	}
	return ""
}

// step is the change. Its reason holds no numbers: the same decision gives the same step, whatever the last digit was.
func (e edge) step(c Cause, fix string) *remediations.Step {
	s := &remediations.Step{
		Remediation: "breaker", Service: e.Service, Edge: e.Edge.Edge, Fix: fix,
		TTL: e.Fix.TTL, Limit: e.Fix.Limit, Timeout: e.Fix.Timeout, Ramp: slices.Clone(e.Fix.Ramp),
		Reason: words("%s on %s", c, e.name),
	}
	if e.Fix.Breaker == nil {
		s.Remediation = "httpadmin"
	}
	switch fix {
	case fixBudget:
		s.Params = fmt.Appendf(nil, `{"budget_percent":%d}`, e.Fix.BudgetPercent)
	case fixShed:
		s.Params = fmt.Appendf(nil, `{"shed_percent":%d}`, e.Fix.ShedPercent)
	}
	return s
}
