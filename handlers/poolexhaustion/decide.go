package poolexhaustion

import (
	"time"

	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
)

// deciding is one case while it is being decided.
type deciding struct {
	*Handler
	think.Case[Observation]
	cluster cluster
	sights  []sight // the last looks that are one story
}

// Decide says why clients wait for a connection, by decision-table 2.2. What agrees is what is true from one look to the next, so it takes
// two looks at least, and one more for each further sample. The first rule that holds wins:
//
//	too few looks, or the last one is old               → wait
//	two nodes take writes; what decides cannot be read;
//	  nobody takes writes                               → page, touch nothing
//	somebody paused a database                          → resume, if a person consents; disabled it → page
//	the server is full, or lets nobody in               → page; never a larger pool
//	commits wait for a synchronous standby that is gone → page; whatever waits there is never ended
//	others wait for a prepared transaction              → page with its gid, owner and age
//	many wait for one session                           → end_blocker if it may be ended
//	sessions sit idle in a transaction                  → end_leaked, the oldest of those that may be ended
//	nearly as many clients as the pooler takes          → page with who they are
//	the queue gets shorter by itself                    → wait
//	two sources tell different stories                  → wait; page undecided when that lasts
//	the database works as much as the pool lets it      → page: shed at the edge; never a larger pool
//	the server has room and the pool does not           → grow_pool by at most a quarter, for a time
//	nobody waits                                        → false positive
//
// A fix that the policy does not allow makes a page that names the key to set. Decide is pure.
func (h *Handler) Decide(c think.Case[Observation]) incidents.Decision {
	r, ok := h.read(c)
	if !ok {
		return incidents.Decision{Cause: string(CauseUndecided), Verdict: incidents.Page,
			Reason: words("the policy does not name the cluster %q: a person must look", c.Target.Name)}
	}
	d, f := r.rule()
	if d.Verdict == incidents.Wait && r.waitedLong() {
		d = r.afterWaiting(d)
	}
	d.Evidence = r.evidence(f)
	d.Rule, d.Others = r.ruleWords(Cause(d.Cause)), r.others(Cause(d.Cause), f)
	return d
}

// read makes a case ready to be decided; false if the policy does not name its cluster.
func (h *Handler) read(c think.Case[Observation]) (deciding, bool) {
	found, ok := h.find(c.Target.Name)
	if !ok {
		return deciding{}, false
	}
	all := make([]sight, 0, len(c.Before))
	for _, l := range c.Before {
		all = append(all, h.sightOf(found, l))
	}
	return deciding{Handler: h, Case: c, cluster: found, sights: h.recent(all)}, true
}

func (r deciding) newest() sight { return r.sights[len(r.sights)-1] }

// pairs are the samples: each look that must agree with the one before it, the newest last.
func (r deciding) pairs() []pair {
	n := len(r.sights)
	all := make([]pair, 0, r.thresholds.Samples)
	for i := n - r.thresholds.Samples; i < n; i++ {
		all = append(all, pair{r.sights[i-1], r.sights[i]})
	}
	return all
}

// rule is the first rule that holds, and what it found. It may wait without an end.
func (r deciding) rule() (incidents.Decision, finding) {
	if d, f, ok := r.withoutSight(); ok {
		return d, f
	}
	pairs := r.pairs()
	f := r.classify(pairs[len(pairs)-1])
	for _, p := range pairs[:len(pairs)-1] {
		if g := r.classify(p); !g.same(f) {
			return r.wait(CauseUndecided, words("the last %d looks do not agree: some say %s, others %s", r.looksNeeded(), g.cause, f.cause)), f
		}
	}
	return r.verdict(f), f
}

// withoutSight decides the cases in which the looks cannot be judged, or in which one look says enough.
func (r deciding) withoutSight() (incidents.Decision, finding, bool) {
	if len(r.sights) == 0 {
		return incidents.Decision{Cause: string(CauseGathering), Verdict: incidents.Wait, Until: r.Now,
			Reason: "nothing has been looked at yet"}, finding{}, true
	}
	n, last := r.looksNeeded(), r.newest()
	if age := r.Now.Sub(last.at); age > r.maxGap() {
		d := r.wait(CauseGathering, words("the last look is %s old: the cluster must be looked at again", age.Round(time.Second)))
		d.Until = r.Now
		return d, finding{}, true
	}
	f := finding{cause: last.trouble, queue: last.queue, why: last.why}
	if last.trouble != "" {
		if same := r.troubled(); same < n {
			return r.wait(last.trouble, words("%s (seen in %d of the %d looks that must agree)", last.why, same, n)), f, true
		}
		return r.verdict(f), f, true
	}
	if len(r.sights) < n {
		return r.wait(CauseGathering, words("%d of %d looks so far: what moves takes all of them", len(r.sights), n)), finding{}, true
	}
	for _, s := range r.sights[len(r.sights)-n:] {
		switch {
		case s.trouble != "":
			return r.wait(CauseUndecided, "an earlier one of the looks that must agree could not be used: "+s.why), finding{}, true
		case s.seen.Server.Node != last.seen.Server.Node || s.seen.Server.SystemIdentifier != last.seen.Server.SystemIdentifier:
			return r.wait(CauseUndecided, words("the primary has just moved from %s to %s", s.seen.Server.Node, last.seen.Server.Node)), finding{}, true
		}
	}
	return incidents.Decision{}, finding{}, false
}

// troubled counts the looks at the end that have the same trouble at the same place.
func (r deciding) troubled() int {
	n, last := 0, r.newest()
	for i := len(r.sights) - 1; i >= 0; i-- {
		s := r.sights[i]
		if s.trouble != last.trouble || (s.queue == nil) != (last.queue == nil) || s.queue != nil && s.queue.key() != last.queue.key() {
			break
		}
		n++
	}
	return n
}

// verdict says what is done about a cause that all looks agree on.
func (r deciding) verdict(f finding) incidents.Decision {
	switch f.cause {
	case CausePaused:
		return r.resume(f)
	case CauseLockConvoy:
		return r.endBlocker(f)
	case CauseLeak:
		return r.endLeaked(f)
	case CausePoolTooSmall:
		return r.grow(f)
	case CauseHealthy:
		return incidents.Decision{Cause: string(f.cause), Verdict: incidents.FalsePositive, Reason: r.healthyWords()}
	case CauseRecovering, CauseUndecided:
		return r.wait(f.cause, f.why)
	}
	return r.page(f.cause, r.pageWords(f))
}

// wait asks for another look.
func (r deciding) wait(c Cause, reason string) incidents.Decision {
	return incidents.Decision{Cause: string(c), Verdict: incidents.Wait, Reason: reason, Until: r.newest().at.Add(r.thresholds.SampleEvery.D())}
}

func (r deciding) page(c Cause, reason string) incidents.Decision {
	return incidents.Decision{Cause: string(c), Verdict: incidents.Page, Reason: reason}
}
