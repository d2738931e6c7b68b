package replicationlag

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
	all     []sight // every look that is kept
	sights  []sight // the last looks that are one story
}

// Decide says what is the matter with a cluster's replication, by decision-table 2.1. Each standby is judged by itself, and the decision is
// about one of them: those that firing alerts name come first, then those that are furthest behind. The first rule that holds wins:
//
//	too few looks, or the last one is old                  → wait
//	two nodes take writes; what decides cannot be read;
//	  nobody takes writes; a person has the cluster        → page, touch nothing
//	a slot is about to be lost                             → page
//	nothing is behind, or late by design                   → false positive
//	replay paused itself, or was paused                    → page; resume_replay only if it threatens the slot
//	the WAL is gone, nothing is received, the node is gone → page
//	the receiver hangs                                     → restart_stream for an async standby beside a healthy one, else page
//	it gains and will be there soon                        → wait
//	the WAL is stuck before, or in, the standby's disk,
//	  or is more than one process replays                  → drain if the lag is over the SLO and other readers are well
//	replay waits for sessions on the standby               → end_conflict if it lasts, the lag is over 2 × SLO, and all may be ended
//	none, or the looks do not agree                        → wait; page undecided when that lasts
//
// A fix that the policy does not allow makes a page that names the key to set. Decide is pure.
func (h *Handler) Decide(c think.Case[Observation]) incidents.Decision {
	r, ok := h.read(c)
	if !ok {
		return incidents.Decision{Cause: string(CauseUndecided), Verdict: incidents.Page,
			Reason: words("the policy does not name the cluster %q: a person must look", c.Target.Name)}
	}
	d, f := r.rule()
	if d.Verdict == incidents.Wait && r.waitedLong(Cause(d.Cause), f) {
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
	r := deciding{Handler: h, Case: c, cluster: found, all: make([]sight, 0, len(c.Before))}
	for _, l := range c.Before {
		r.all = append(r.all, found.sightOf(l))
	}
	r.sights = h.recent(r.all)
	return r, true
}

// rule is the first rule that holds, and what it found about the standby that it is about. It may wait without an end.
func (r deciding) rule() (incidents.Decision, finding) {
	if d, ok := r.withoutSight(); ok {
		return d, finding{}
	}
	if why, slot := r.retention(); why != "" {
		return r.page(CauseSlotRetention, why), finding{slot: slot}
	}
	found := r.findings()
	if len(found) == 0 {
		return r.page(CauseUndecided, "the policy names no standby of this cluster beside its primary, so there is nothing that could lag"), finding{}
	}
	f := found[0]
	if !f.agree {
		return r.wait(CauseUndecided, words("the last %d looks at %s do not agree: one says %s, another %s", len(f.states), f.name, f.first, f.cause)), f
	}
	return r.verdict(f), f
}

// withoutSight decides the cases in which the looks cannot be judged, or must not be acted on.
func (r deciding) withoutSight() (incidents.Decision, bool) {
	if len(r.sights) == 0 {
		return incidents.Decision{Cause: string(CauseGathering), Verdict: incidents.Wait, Until: r.Now,
			Reason: "nothing has been looked at yet"}, true
	}
	n, last := r.thresholds.Samples, r.newest()
	if age := r.Now.Sub(last.at); age > r.maxGap() {
		d := r.wait(CauseGathering, words("the last look is %s old: the cluster must be looked at again", age.Round(time.Second)))
		d.Until = r.Now
		return d, true
	}
	if last.trouble != "" {
		if same := r.troubled(last.trouble); same < n {
			return r.wait(last.trouble, words("%s (seen in %d of the %d looks that must agree)", last.why, same, n)), true
		}
		return r.page(last.trouble, last.why+troubleAdvice(last.trouble)), true
	}
	if len(r.sights) < n {
		return r.wait(CauseGathering, words("%d of %d looks so far: a slope needs all of them", len(r.sights), n)), true
	}
	for _, s := range r.samples() {
		if s.trouble != "" {
			return r.wait(CauseUndecided, "an earlier one of the looks that must agree could not be used: "+s.why), true
		}
		if s.primary.Name != last.primary.Name {
			return r.wait(CauseUndecided, words("the primary has just moved from %s to %s", s.primary.Name, last.primary.Name)), true
		}
	}
	return incidents.Decision{}, false
}

// troubleAdvice is what a person needs to know about a cluster that must not be touched.
func troubleAdvice(c Cause) string {
	switch c {
	case CauseTwoPrimaries:
		return ". Nothing is touched. Find which one the clients and Patroni follow, fence the other one (stop it, or take its network), and only then compare the rows"
	case CauseNoPrimary:
		return ". Nothing is touched: electing one is Patroni's, or a person's"
	case CauseOwnerPaused:
		return ". Nothing is touched while a person works there"
	}
	return ". The lag is not known, so nothing is touched"
}

// troubled counts the looks at the end that have the same trouble.
func (r deciding) troubled(c Cause) int {
	n := 0
	for i := len(r.sights) - 1; i >= 0 && r.sights[i].trouble == c; i-- {
		n++
	}
	return n
}

func (r deciding) newest() sight { return r.sights[len(r.sights)-1] }

// samples are the looks that must agree.
func (r deciding) samples() []sight { return r.sights[len(r.sights)-r.thresholds.Samples:] }

// verdict says what is done about a cause that all looks agree on.
func (r deciding) verdict(f finding) incidents.Decision {
	switch f.cause {
	case CauseHealthy, CauseIdlePrimary, CauseDelayedStandby:
		return r.falseAlarm(f)
	case CauseProbeUnknown, CauseStandbyAbsent, CauseWALGone, CauseReceiverGone, CauseParameterPause:
		return r.page(f.cause, r.pageWords(f))
	case CausePaused:
		return r.resumeReplay(f)
	case CauseReceiverHung:
		return r.restartStream(f)
	case CauseSenderStarved, CauseStandbyDisk, CauseWriteBurst:
		return r.drain(f)
	case CauseSnapshotConflict, CauseLockConflict:
		return r.endConflict(f)
	case CauseCatchingUp:
		return r.wait(f.cause, words("%s is %s, and gains: it replays %s/s while %s/s are written, and is there in %s (left alone up to %s)",
			f.name, f.last().lag.words(), size(f.trend.replayed), size(f.trend.written), seconds(f.trend.eta), r.thresholds.CatchUpWithin))
	}
	return r.wait(CauseUndecided, r.undecidedWords(f))
}

// falseAlarm ends an incident in which the live system shows no fault, and says what is wrong with the rule that fired.
func (r deciding) falseAlarm(f finding) incidents.Decision {
	s := f.last()
	d := incidents.Decision{Cause: string(f.cause), Verdict: incidents.FalsePositive}
	switch f.cause {
	case CauseIdlePrimary:
		d.Reason = words("%s has replayed all that there is (%s); only the time since the last commit grows (%s), because nothing is written. "+
			"The rule measures now() - pg_last_xact_replay_timestamp(), which is no lag: compare positions with the primary's", f.name, s.lag.words(), seconds(s.commitAge()))
	case CauseDelayedStandby:
		d.Reason = words("%s is late by design: recovery_min_apply_delay is %s, and replay waits for just that. The rule should leave this standby out",
			f.name, time.Duration(s.standby().ApplyDelay)*time.Millisecond)
	default:
		d.Reason = words("%s is attached and %s: no standby is behind. The rule sees something else than lag, or it is over", f.name, s.lag.words())
	}
	return d
}

// wait asks for another look.
func (r deciding) wait(c Cause, reason string) incidents.Decision {
	return incidents.Decision{Cause: string(c), Verdict: incidents.Wait, Reason: reason, Until: r.newest().at.Add(r.thresholds.SampleEvery.D())}
}

func (r deciding) page(c Cause, reason string) incidents.Decision {
	return incidents.Decision{Cause: string(c), Verdict: incidents.Page, Reason: reason}
}
