package replicationlag

import (
	"github.com/firebreak-sre/firebreak/incidents"
)

// considered are the causes that a standby's numbers are held against, in the order of the rules, and what is done about each.
func considered() []incidents.Other {
	return []incidents.Other{
		{Name: string(CauseIdlePrimary), Why: "false positive"},
		{Name: string(CauseDelayedStandby), Why: "false positive"},
		{Name: string(CauseParameterPause), Why: "page"},
		{Name: string(CausePaused), Why: "page or " + fixResumeReplay},
		{Name: string(CauseWALGone), Why: "page"},
		{Name: string(CauseReceiverGone), Why: "page"},
		{Name: string(CauseReceiverHung), Why: fixRestartStream},
		{Name: string(CauseSenderStarved), Why: fixDrain},
		{Name: string(CauseStandbyDisk), Why: fixDrain},
		{Name: string(CauseSnapshotConflict), Why: fixEndConflict},
		{Name: string(CauseLockConflict), Why: fixEndConflict},
		{Name: string(CauseWriteBurst), Why: fixDrain},
		{Name: string(CauseCatchingUp), Why: "wait"},
	}
}

// ruleWords is the rule of a cause, with the policy's limits in it; "" for causes that are no rule's.
func (r deciding) ruleWords(c Cause) string {
	t := r.thresholds
	switch c {
	case CauseTwoPrimaries:
		return "more than one node takes writes → page, touch nothing"
	case CauseNoPrimary:
		return "all nodes are in recovery → page, touch nothing"
	case CauseOwnerPaused:
		return "Patroni is paused, or a switchover is scheduled → page, touch nothing"
	case CauseSlotRetention:
		return words("a slot is unreserved, or falls behind and can be lost within %s of what is written now → page", seconds(ahead))
	case CauseStandbyAbsent:
		return "the primary has no walsender for it and it does not answer → page"
	case CauseHealthy, CauseIdlePrimary:
		return words("attached, and at most %s behind, or by replay_lag at most %s without growing → false positive", t.SlackBytes, t.SLO)
	case CauseDelayedStandby:
		return "recovery_min_apply_delay is set, and replay waits for it → false positive"
	case CauseParameterPause:
		return "replay is paused, and one of five settings is lower than on the primary → page; resuming would end the server"
	case CausePaused:
		return words("replay is paused, and all settings are high enough → page; resume_replay after %s if the slot holds back more than %s of its bound",
			t.PausedFor, percent(t.RetainedShare))
	case CauseWALGone:
		return "nothing is streamed, and its slot is lost → page"
	case CauseReceiverGone:
		return "it answers, and has no WAL receiver → page"
	case CauseReceiverHung:
		return words("WAL is sent and not written, and the receiver has been silent for longer than %s → restart_stream, only if it is async and another standby is well", t.ReplyAge)
	case CauseSenderStarved:
		return words("half of the lag or more is not sent or under way, and the receiver answers → drain above %s", t.SLO)
	case CauseStandbyDisk:
		return words("half of the lag or more is written and not flushed → drain above %s", t.SLO)
	case CauseSnapshotConflict, CauseLockConflict:
		return words("half of the lag or more is not replayed, and replay waits for sessions → end_conflict if that lasts longer than %s and the lag is over 2 × %s",
			t.ConflictAge, t.SLO)
	case CauseWriteBurst:
		return words("half of the lag or more is not replayed, replay works, and more is written than it replays, or %.1f times what was → drain above %s", t.BurstRatio, t.SLO)
	case CauseCatchingUp:
		return words("it gains on the primary, and is there within %s → wait", t.CatchUpWithin)
	case CauseGathering, CauseProbeUnknown, CauseUndecided:
	}
	return ""
}

// others are the rules that did not hold, each with the number that was in the way, and the other standbys that have something too.
func (r deciding) others(chosen Cause, f finding) []incidents.Other {
	if !f.known() || !f.last().readable() || f.last().doubt != "" {
		return nil
	}
	var out []incidents.Other
	for _, o := range considered() {
		c := Cause(o.Name)
		if c == chosen || c == CauseIdlePrimary && chosen == CauseHealthy {
			continue
		}
		if why := r.whyNot(c, f.last(), f.trend); why != "" {
			out = append(out, incidents.Other{Name: o.Name + " → " + o.Why, Why: why})
		}
	}
	for _, other := range r.findings() {
		if other.name != f.name {
			out = append(out, incidents.Other{Name: other.name + ": " + string(other.cause), Why: otherWords(other)})
		}
	}
	return out
}

func otherWords(f finding) string {
	s := f.last()
	switch {
	case !f.agree:
		return "its looks do not agree yet"
	case !s.readable():
		return "it does not answer: " + s.node.Problem
	}
	return s.lag.words()
}

// whyNot is what keeps a rule from holding; "" where nothing of its own does, but a rule before it.
func (r deciding) whyNot(c Cause, s state, t trend) string {
	p := s.parts()
	switch c {
	case CauseIdlePrimary:
		if s.lag.known && s.lag.bytes > r.slack() {
			return words("%s; at most %s would be nothing", s.lag.words(), r.thresholds.SlackBytes)
		}
	case CauseDelayedStandby:
		if !s.delayed() {
			return words("recovery_min_apply_delay is %d ms, and replay does not wait for it", s.standby().ApplyDelay)
		}
	case CauseParameterPause, CausePaused:
		return r.notPaused(c, s)
	case CauseWALGone:
		if !s.lost() {
			return "its slot is not lost" + slotWords(s)
		}
	case CauseReceiverGone:
		if s.standby().Receiver != nil {
			return "it has a WAL receiver (" + s.standby().Receiver.Status + ")"
		}
	case CauseReceiverHung:
		if s.standby().Receiver != nil && !r.silent(s) {
			return words("%s; more than %s would be silent", heardWords(s), r.thresholds.ReplyAge)
		}
	case CauseSenderStarved:
		return r.notMost(p, p.unsent+p.inFlight, "are not sent or under way")
	case CauseStandbyDisk:
		return r.notMost(p, p.unflushed, "are written and not flushed")
	case CauseSnapshotConflict, CauseLockConflict, CauseWriteBurst:
		return r.notReplay(c, s, t, p)
	case CauseCatchingUp:
		switch {
		case t.ok && !t.gaining:
			return words("it does not gain: it replays %s/s and %s/s are written", size(t.replayed), size(t.written))
		case t.ok && !r.catchesUp(t):
			return words("it gains, but would be there only in %s; within %s it would be left alone", seconds(t.eta), r.thresholds.CatchUpWithin)
		}
	}
	return ""
}

func (r deciding) notPaused(c Cause, s state) string {
	lower, _ := s.settings()
	switch {
	case !s.paused():
		return "replay is not paused"
	case c == CauseParameterPause && len(lower) == 0:
		return "replay is paused, but no setting is known to be lower than on the primary: " + settingsWords(s)
	}
	return ""
}

// notMost says that a part is not the most of the lag.
func (r deciding) notMost(p parts, part int64, where string) string {
	if p.known && 2*part < p.total() {
		return words("only %s of %s %s", size(float64(part)), size(float64(p.total())), where)
	}
	return ""
}

func (r deciding) notReplay(c Cause, s state, t trend, p parts) string {
	if why := r.notMost(p, p.unreplayed, "are flushed and not replayed"); why != "" {
		return why
	}
	w := s.standby().Startup
	switch {
	case w == nil:
		return "what the startup process does could not be seen"
	case c == CauseSnapshotConflict && !s.waitsForSnapshot(), c == CauseLockConflict && !s.waitsForLock():
		return "the startup process waits for " + waitWords(w)
	case c == CauseWriteBurst && !s.replayBusy():
		return words("replay does not work, it waits for %s", waitWords(w))
	case c == CauseWriteBurst && t.ok && t.written <= t.replayed && !r.burst(t) && !t.gaining:
		return words("replay keeps up: it replays %s/s and %s/s are written", size(t.replayed), size(t.written))
	}
	return ""
}
