package sessiondrift

import (
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/policy"
)

// deciding is one case while it is being decided.
type deciding struct {
	*Handler
	think.Case[Observation]
	store  store
	sights []sight // the last looks that are one story
}

// Decide says why sessions have drifted, by decision-table 2.4. What agrees is what is true from one look to the next, sample_every apart, so
// it takes two looks at least. The first rule that holds wins:
//
//	too few looks, or the last one is old               → wait
//	the store does not say who is there; no quorum; any
//	  sign of a partition; a clock that is not right;
//	  too many overdue sessions                         → page, touch nothing
//	a replica holds what the primary never had          → page, touch nothing
//	copies are concurrent                               → page; set_aside, if a person consents
//	copies that another one dominates                   → reconcile
//	a replica lacks sessions, or has older ones         → sync
//	owners are gone                                     → recover, if a person consents; else quarantine
//	a replica is down, or nobody knows how far it is    → page
//	a replica is behind                                 → wait while it catches up, else page
//	sessions are overdue although their owner lives     → page
//	something could not be read                         → page
//	nothing has drifted                                 → false positive
//
// What is held up by a deploy, by a member that has just changed its state, or by something that could not be read waits, and becomes a page
// when that lasts. A fix that the policy does not allow makes a page that names the key to set. Decide is pure.
func (h *Handler) Decide(c think.Case[Observation]) incidents.Decision {
	r, ok := h.read(c)
	if !ok {
		return incidents.Decision{Cause: string(CauseUndecided), Verdict: incidents.Page,
			Reason: words("the policy does not name the store %q: a person must look", c.Target.Name)}
	}
	f := r.rule()
	if f.verdict == incidents.Wait && r.waitedLong(f) {
		f = r.afterWaiting(f)
	}
	d := r.decision(f)
	d.Evidence = r.evidence()
	d.Rule, d.Others = r.ruleWords(Cause(d.Cause)), r.others(Cause(d.Cause))
	return d
}

// read makes a case ready to be decided; false if the policy does not name its store.
func (h *Handler) read(c think.Case[Observation]) (deciding, bool) {
	found, ok := h.find(c.Target.Name)
	if !ok {
		return deciding{}, false
	}
	all := make([]sight, 0, len(c.Before))
	for _, l := range c.Before {
		all = append(all, h.sightOf(found, l))
	}
	return deciding{Handler: h, Case: c, store: found, sights: h.recent(all)}, true
}

func (r deciding) newest() sight { return r.sights[len(r.sights)-1] }

// samples are the looks that must agree, oldest first: the newest, the last one that was made long enough before it, and all between them.
// Nil: there is none that was.
func (r deciding) samples() []sight {
	for i := len(r.sights) - looksNeeded; i >= 0; i-- {
		if r.newest().at.Sub(r.sights[i].at) >= r.apart() {
			return r.sights[i:]
		}
	}
	return nil
}

// rule is the first rule that holds. It may wait without an end. A rule that waits for what takes minutes lets those after it page or act.
func (r deciding) rule() finding {
	if f, ok := r.withoutSight(); ok {
		return f
	}
	var waits *finding
	for _, rule := range []func() (finding, bool){
		r.replicaAhead, r.conflict, r.dominated, r.behind, r.orphans, r.replicaDown, r.lagUnknown, r.lagging, r.recoverySlow,
	} {
		f, ok := rule()
		switch {
		case !ok || waits != nil && f.verdict == incidents.Wait:
		case f.patient:
			waits = &f
		default:
			return f
		}
	}
	if waits != nil {
		return *waits
	}
	return r.calm()
}

// withoutSight decides the cases in which the looks say nothing, or in which nothing may be touched.
func (r deciding) withoutSight() (finding, bool) {
	if len(r.sights) == 0 {
		return wait(CauseGathering, "nothing has been looked at yet"), true
	}
	last, samples := r.newest(), r.samples()
	if age := r.Now.Sub(last.at); age > r.maxGap() {
		return wait(CauseGathering, words("the last look is %s old: the store must be looked at again", span(age))), true
	}
	switch {
	case last.trouble != "" && samples == nil:
		return wait(last.trouble, last.why+" (seen in one look only)"), true
	case samples == nil:
		return wait(CauseGathering, words("what is the same in %d looks, %s apart, is what counts, and there are not so many yet",
			looksNeeded, r.thresholds.SampleEvery)), true
	case last.trouble != "":
		for _, s := range samples {
			if s.trouble == "" {
				return wait(last.trouble, last.why+" (since the last look only)"), true
			}
		}
		return page(last.trouble, last.why+". "+byHand(last.trouble)), true
	}
	for _, s := range samples {
		if s.trouble != "" {
			return wait(CauseUndecided, "the last look says nothing of it, and the one before it did: "+s.why), true
		}
	}
	return finding{}, false
}

// recoverySlow is for sessions that are overdue although their owner is registered and not gone: it does not renew them.
func (r deciding) recoverySlow() (finding, bool) {
	for _, s := range r.samples() {
		n := s.seen.Orphans
		if n.Problem != "" || n.Expired-n.Count <= n.overdueLimit() {
			return finding{}, false
		}
	}
	n := r.newest().seen.Orphans
	return page(CauseRecoverySlow, words("%d sessions are overdue although their owners are not gone (more than %d is too many): these owners do not renew them",
		n.Expired-n.Count, n.overdueLimit())), true
}

// overdueLimit is how many overdue sessions of living owners are no fault: 1 in 100, but at least ten and at most a hundred. Clients leave.
func (n Orphans) overdueLimit() int { return max(smallJump, min(manyExpired, n.Read/100)) }

// calm is for looks in which nothing was found to have drifted.
func (r deciding) calm() finding {
	last, samples := r.newest(), r.samples()
	unread := last.seen.unread(r.store.asks())
	for _, s := range samples[:len(samples)-1] {
		before := s.seen.unread(r.store.asks())
		switch {
		case len(unread) > 0 && len(before) == 0:
			return wait(CauseNotMeasured, "the last look could not read these: "+list(unread))
		case len(unread) == 0 && len(before) > 0:
			return wait(CauseNotMeasured, "an earlier one of the looks that must agree could not read these: "+list(before))
		}
	}
	if len(unread) > 0 {
		return page(CauseNotMeasured, "nothing is seen to have drifted, but these could not be read: "+list(unread))
	}
	for _, c := range last.seen.compared() {
		if c.Buckets > c.Examined || c.More {
			return wait(CauseUndecided, words("%d of %d parts differ on %s, and only %d were looked into: what is in the others may be on its way, or not",
				c.Buckets, sessions.Buckets, c.Name, c.Examined))
		}
	}
	for _, s := range samples[:len(samples)-1] {
		if what := r.drift(s.seen); len(what) > 0 {
			return wait(CauseRecovering, "it is gone since the last look: "+list(what))
		}
	}
	return finding{cause: CauseHealthy, verdict: incidents.FalsePositive, why: r.healthyWords()}
}

// unread names what a look could not read, with why.
func (o Observation) unread(asked policy.DriftMetrics) []string {
	var all []string
	add := func(name, problem string, missing bool) {
		switch {
		case problem != "":
			all = append(all, name+" ("+problem+")")
		case missing:
			all = append(all, name+" (nothing was said)")
		}
	}
	add("the sessions", o.Orphans.Problem, false)
	if o.Orphans.Problem == "" && !o.Orphans.Complete {
		add("all sessions", words("only %d were read", o.Orphans.Read), false)
	}
	add("the replicas", o.Replicas.Problem, false)
	add("what the replicas hold", o.Contents.Problem, false)
	for _, c := range o.Contents.Replicas {
		add("what "+c.Name+" holds", c.Problem, false)
	}
	for _, x := range o.Replicas.Replicas {
		compared := slices.ContainsFunc(o.Contents.Replicas, func(c Compared) bool { return c.Name == x.Name })
		add("what "+x.Name+" holds", "", o.Contents.Problem == "" && !compared)
	}
	add("copies", o.Copies.Problem, false)
	if o.Copies.More && len(o.Copies.Dominated)+len(o.Copies.Concurrent) == 0 {
		add("all copies", "there are more than can be named", false)
	}
	a := o.Around
	add("alerts of a partition", a.PartitionProblem, false)
	add("whether a deploy goes on", a.DeployingProblem, asked.Deploying != "" && a.Deploying == nil)
	add("clients that miss their session", a.NotFoundProblem, asked.NotFound != "" && a.NotFound == nil)
	add("orphans before", a.OrphansBeforeProblem, asked.OrphansBefore != "" && a.OrphansBefore == nil)
	return all
}

// drift names what one look sees that has drifted.
func (r deciding) drift(o Observation) []string {
	var all []string
	if o.Orphans.Problem == "" && o.Orphans.Count > 0 {
		all = append(all, counted(o.Orphans.Count, "orphan", "orphans"))
	}
	all = append(all, stray(o)...)
	if n := len(toSend(o)); n > 0 {
		all = append(all, counted(n, "session behind on a replica", "sessions behind on a replica"))
	}
	if n := len(o.Copies.Dominated) + len(o.Copies.Concurrent); o.Copies.Problem == "" && n > 0 {
		all = append(all, counted(n, "session with copies that differ", "sessions with copies that differ"))
	}
	for _, x := range o.Replicas.Replicas {
		if o.Replicas.Problem == "" && !strays(x) && (!follows(x) || !x.Known || x.LagSeconds > r.thresholds.Lag.D().Seconds()) {
			all = append(all, x.Name+" ("+strings.TrimSpace(x.State)+")")
		}
	}
	return all
}

// until is when to look again.
func (r deciding) until(f finding) time.Time {
	switch {
	case len(r.sights) == 0 || f.cause == CauseGathering && r.Now.Sub(r.newest().at) > r.maxGap():
		return r.Now
	case f.patient:
		return r.newest().at.Add(r.patientStep())
	}
	return r.newest().at.Add(r.thresholds.SampleEvery.D())
}
