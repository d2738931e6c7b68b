package sessiondrift

import (
	"strings"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// considered are the causes that are weighed against each other, in the order of the rules, and what each would do.
func considered() []incidents.Other {
	return []incidents.Other{
		{Name: string(CauseNoQuorum), Why: "page"},
		{Name: string(CausePartition), Why: "page"},
		{Name: string(CauseClock), Why: "page"},
		{Name: string(CauseTooMany), Why: "page"},
		{Name: string(CauseDeploy), Why: "wait"},
		{Name: string(CauseUnstable), Why: "wait"},
		{Name: string(CauseReplicaAhead), Why: "page"},
		{Name: string(CauseConflict), Why: "page or " + fixSetAside},
		{Name: string(CauseDominated), Why: fixReconcile},
		{Name: string(CauseLostOnReplica), Why: fixSync},
		{Name: string(CauseOrphans), Why: fixQuarantine},
		{Name: string(CauseRecoverable), Why: fixRecover},
		{Name: string(CauseReplicaDown), Why: "page"},
		{Name: string(CauseSlowSync), Why: "wait, page or " + fixSync},
		{Name: string(CauseRecoverySlow), Why: "page"},
	}
}

// ruleWords is the rule of a cause, with the policy's limits in it; "" for causes that are no rule's.
func (r deciding) ruleWords(c Cause) string {
	t := r.thresholds
	switch c {
	case CauseStoreUnreadable:
		return "the store does not say who is there, or what it says cannot be → page, touch nothing"
	case CauseNoQuorum:
		return "half of the registered nodes or fewer are alive and agree on the epoch → page, touch nothing"
	case CausePartition:
		return words("an alert of a partition fires, a silent member is still heard, a living one is not, or two were lost within %s → page, touch nothing", t.Stable)
	case CauseClock:
		return words("the store's clock is more than %s from ours, does not go on as ours, or something is in its future → page, touch nothing", t.ClockSkew)
	case CauseTooMany:
		return words("more than %g %% of all sessions are overdue, or more than %g times as many are orphans as some minutes ago → page, touch nothing",
			t.OrphanPercent, t.OrphanJump)
	case CauseDeploy:
		return words("the application was being deployed, or the epoch changed, within %s → wait", t.Stable)
	case CauseUnstable:
		return words("a member is silent, or changed its state within %s → wait; page when it goes on for twice as long", t.Stable)
	case CauseOneView:
		return "fewer than two nodes are alive, or no majority says whom it hears → page"
	case CauseNoEpoch:
		return "the membership has no epoch → page"
	case CauseReplicaAhead:
		return "a replica that has read past the primary's position holds a newer, a concurrent or another session, or is of another history " +
			"→ page, send nothing"
	case CauseConflict:
		return words("two copies have each seen what the other has not → page; set_aside of %d copies at most, if a person consents", r.store.maxSessions())
	case CauseDominated:
		return words("one copy has seen all that another has, and more, the same in both looks → reconcile, at most %d copies and 1 in 100 sessions", r.store.maxSessions())
	case CauseLostOnReplica, CauseSlowSync:
		return words("a replica that has read past a session lacks it or holds an older version, in both looks → sync, at most %d; "+
			"one that is more than %s behind → wait while it catches up, else page",
			sessions.MostSent, t.Lag)
	case CauseOrphans:
		return words("a quorum, whose majority says whom it hears and which has been stable for %s, has given the owner up, the lease ended more "+
			"than 2 x TTL ago, and the session was the same in both looks → quarantine of the oldest, at most %d and 1 in 100",
			t.Stable, r.store.maxSessions())
	case CauseRecoverable:
		return words("the same as for orphans, and the policy allows recover → recover to a living member, at most %d, if a person consents",
			recoverParts*r.store.maxSessions())
	case CauseReplicaDown:
		return "a replica is down or unreachable in both looks → page"
	case CauseLagUnknown:
		return "a replica follows, and how far it is behind is not known → page"
	case CauseRecoverySlow:
		return "more than 1 in 100 sessions, at least 10 and at most 100, are overdue although their owner is not gone → page"
	case CauseHealthy:
		return words("no orphan, no copy and no replica that differs, and every replica within %s → false positive", t.Lag)
	case CauseGathering, CauseNotMeasured, CauseUndecided, CauseRecovering:
	}
	return ""
}

// others are the rules that did not hold, each with the number that was in the way.
func (r deciding) others(chosen Cause) []incidents.Other {
	if len(r.sights) == 0 || r.newest().trouble == CauseStoreUnreadable {
		return nil
	}
	var out []incidents.Other
	for _, o := range considered() {
		if c := Cause(o.Name); c != chosen {
			if why := r.whyNot(c, r.newest().seen); why != "" {
				out = append(out, incidents.Other{Name: o.Name + " → " + o.Why, Why: why})
			}
		}
	}
	return out
}

// whyNot is what keeps a rule from holding; "" where nothing of its own does, but a rule before it.
func (r deciding) whyNot(c Cause, o Observation) string {
	switch c {
	case CauseNoQuorum, CausePartition, CauseClock, CauseTooMany, CauseDeploy, CauseUnstable:
		return r.notShaken(c, o)
	case CauseReplicaAhead:
		if what := stray(o); len(what) > 0 {
			return list(what)
		}
		if problem := o.Replicas.Problem + o.Contents.Problem; problem != "" {
			return "the replicas could not be compared: " + problem
		}
		return words("no replica holds what the primary does not (%d compared)", len(o.compared()))
	case CauseConflict, CauseDominated:
		if o.Copies.Problem != "" {
			return "copies could not be compared: " + o.Copies.Problem
		}
		return words("%d sessions with concurrent copies, %d with older ones", len(o.Copies.Concurrent), len(o.Copies.Dominated))
	case CauseLostOnReplica:
		return words("%s on a replica that has read past them", counted(len(toSend(o)), "session is missing or older", "sessions are missing or older"))
	case CauseOrphans, CauseRecoverable:
		return r.notOrphans(c, o)
	case CauseReplicaDown, CauseSlowSync:
		return r.notBehind(o)
	case CauseRecoverySlow:
		if o.Orphans.Problem == "" {
			return words("%d overdue sessions have an owner that is not gone; more than %d would be too many",
				o.Orphans.Expired-o.Orphans.Count, o.Orphans.overdueLimit())
		}
	}
	return ""
}

// notShaken is for the causes in which nothing may be touched.
func (r deciding) notShaken(c Cause, o Observation) string {
	switch c {
	case CauseNoQuorum:
		if o.Members.Quorum {
			return words("%d of %d registered nodes are alive and agree on epoch %d",
				len(inState(o, sessions.Alive)), len(o.Members.Members), o.Members.Epoch)
		}
	case CausePartition:
		if cause, _ := r.partition(o); cause == "" && o.Around.PartitionProblem == "" {
			alerts := "no alert tells of one"
			if r.store.asks().Partition == "" {
				alerts = "the policy names no alert that would tell of one"
			}
			return words("no member that is silent or gone is heard by another, and %s", alerts)
		}
	case CauseClock:
		if cause, _ := r.clock(o); cause == "" && o.Clock.Within > 0 {
			return words("the store's clock is %s from ours, within %s", seconds(o.Clock.Offset), seconds(o.Clock.Within))
		}
	case CauseTooMany:
		if cause, _ := r.tooMany(o); cause == "" && o.Orphans.Problem == "" {
			return words("%d of %d sessions are overdue; more than %g %% would be too many", o.Orphans.Expired, o.Orphans.Read, r.thresholds.OrphanPercent)
		}
	case CauseDeploy:
		if d := o.Around.Deploying; d != nil && !*d {
			return "the application is not being deployed"
		}
	case CauseUnstable:
		if stood := o.Members.At.Sub(o.Members.StableSince); stood >= r.thresholds.Stable.D() && !o.Members.StableSince.IsZero() {
			return words("no member has changed its state for %s", span(stood))
		}
	}
	return ""
}

func (r deciding) notOrphans(c Cause, o Observation) string {
	switch n := o.Orphans; {
	case n.Problem != "":
		return "the sessions could not be listed: " + n.Problem
	case n.Count == 0:
		return words("none of the %d sessions that were read is an orphan", n.Read)
	case c == CauseRecoverable && !r.store.allows(fixRecover):
		return "the policy does not allow recover: what it would give to another owner is taken out of sight instead"
	case c == CauseOrphans && r.store.allows(fixRecover):
		return "the policy allows recover, which keeps clients logged in; what is quarantined cannot be recovered before it is restored"
	case r.newest().trouble != "":
		return words("%d sessions look like orphans, and may be served behind what is seen here", n.Count)
	}
	return ""
}

func (r deciding) notBehind(o Observation) string {
	if o.Replicas.Problem != "" {
		return "the replicas could not be read: " + o.Replicas.Problem
	}
	if len(o.Replicas.Replicas) == 0 {
		return "the store has no replica"
	}
	var all []string
	for _, x := range o.Replicas.Replicas {
		if !x.Known {
			all = append(all, words("%s (%s) unknown", x.Name, x.State))
			continue
		}
		all = append(all, words("%s (%s) %s behind", x.Name, x.State, seconds(x.LagSeconds)))
	}
	return strings.Join(all[:min(len(all), mostNamed)], ", ")
}
