package replicationlag

import (
	"strings"
)

// stuckWords says where the WAL of a standby is stuck, with its numbers.
func (r deciding) stuckWords(f finding) string {
	s, t := f.last(), f.trend
	p := s.parts()
	switch f.cause {
	case CauseReceiverHung:
		text := words("%s were sent and not written, %s not even sent", size(float64(p.inFlight)), size(float64(p.unsent)))
		if s.sender == nil {
			text = words("%s were not received, and the primary has no walsender for it any more", size(float64(p.unsent)))
		}
		return text + ", and " + heardWords(s) + "; the receiver hangs, or the network between"
	case CauseSenderStarved:
		text := words("%s are not sent and %s are under way, while its receiver answers", size(float64(p.unsent)), size(float64(p.inFlight)))
		if s.sender != nil && s.sender.State == "catchup" {
			return text + "; it is catching up on old WAL (state catchup), too slowly"
		}
		return text + "; the walsender starves, or the line is too narrow for " + size(t.written) + "/s"
	case CauseStandbyDisk:
		return words("%s were written and not flushed: its disk is too slow for %s/s", size(float64(p.unflushed)), size(t.written))
	case CauseSnapshotConflict, CauseLockConflict:
		w := s.standby().Startup
		text := words("%s are there and not replayed, and the startup process waits (%s/%s)", size(float64(p.unreplayed)), w.WaitEventType, w.WaitEvent)
		if w.LockOn != "" {
			text += " for " + w.LockOn
		}
		return text
	case CauseWriteBurst:
		return words("%s are there and not replayed; one process replays %s/s at full work, and %s/s are written%s", size(float64(p.unreplayed)),
			size(t.replayed), size(t.written), r.burstWords(t))
	}
	return words("%s not sent, %s under way, %s not flushed, %s not replayed", size(float64(p.unsent)), size(float64(p.inFlight)),
		size(float64(p.unflushed)), size(float64(p.unreplayed)))
}

// burstWords says how a burst was told from what is usual.
func (r deciding) burstWords(t trend) string {
	switch {
	case r.burst(t):
		return words(", %.1f times as much as in the %s before", t.written/t.baseline, seconds(t.over.Seconds()))
	case t.baseline > 0:
		return words(" (as much as in the %s before: the burst began earlier than the looks)", seconds(t.over.Seconds()))
	}
	return " (no earlier look shows what is usual)"
}

// heardWords says when the line was last heard of.
func heardWords(s state) string {
	switch {
	case s.sender != nil && s.sender.ReplyAge != nil:
		return "its receiver last answered " + seconds(float64(*s.sender.ReplyAge)) + " ago"
	case s.standby().Receiver != nil && s.standby().Receiver.MessageAge != nil:
		return "the primary was last heard of " + seconds(float64(*s.standby().Receiver.MessageAge)) + " ago"
	}
	return "when its receiver last answered is not known"
}

// pageWords is what a person needs to know about a cause that is never acted on.
func (r deciding) pageWords(f finding) string {
	s := f.last()
	switch f.cause {
	case CauseStandbyAbsent:
		return words("%s is gone: the primary %s has no walsender for it, and it does not answer (%s). That is the worst lag there is. %s",
			f.name, s.primary.Name, s.node.Problem, byHand(f.cause))
	case CauseWALGone:
		return words("%s cannot come back by itself: its slot %s on %s is lost, so the WAL that it needs is removed. It must be rebuilt. %s",
			f.name, s.slot.Name, s.primary.Name, byHand(f.cause))
	case CauseReceiverGone:
		return words("%s answers, but receives nothing: it has no WAL receiver%s; %s. %s", f.name, slotWords(s), s.lag.words(), byHand(f.cause))
	case CauseParameterPause:
		lower, _ := s.settings()
		return words("replay on %s paused itself: lower than on the primary are %s. pg_wal_replay_resume() would shut the server down. All five: %s. %s",
			f.name, strings.Join(lower, ", "), settingsWords(s), byHand(f.cause))
	}
	return words("what %s says cannot be used: %s. Its lag is not known, so nothing is touched", f.name, doubtWords(s))
}

func doubtWords(s state) string {
	switch {
	case s.doubt != "":
		return s.doubt
	case s.node.Problem != "":
		return "it could not be read, though the primary streams to it: " + s.node.Problem
	case !s.readable():
		return "it says neither that it is a primary nor that it is a standby"
	}
	return s.lag.why
}

// slotWords says what the slot of a standby without a receiver holds back, or why that is not known.
func slotWords(s state) string {
	switch {
	case s.slot == nil:
		return " (the policy names no slot of it, or the primary has none: how long the WAL is kept is not known)"
	case s.slot.WALStatus == "":
		return words(" (its slot %s holds back %s; before version 13 it does not say whether it is lost)", s.slot.Name, held(s.slot))
	}
	return words(" (its slot %s is %s and holds back %s%s)", s.slot.Name, s.slot.WALStatus, held(s.slot), room(s.slot))
}

// settingsWords are the five settings on both servers.
func settingsWords(s state) string {
	var all []string
	for _, name := range ComparedSettings() {
		all = append(all, words("%s %s/%s", name, settingWords(s.node, name), settingWords(s.primary, name)))
	}
	return strings.Join(all, ", ") + words(" (%s/%s)", s.node.Name, s.primary.Name)
}

func settingWords(n *Node, name string) string {
	if v, ok := n.Settings[name]; ok {
		return words("%d", v)
	}
	return "?"
}

// byHand is what a person does about a cause; the runbook says more.
func byHand(c Cause) string {
	switch c {
	case CauseStandbyAbsent:
		return "Is the host up, is the server running, what does its log say? Readers and quorum have one standby less"
	case CauseWALGone:
		return "With Patroni: reinitialize it, by two people if no other standby is healthy; else a new base backup. Never drop a slot or delete data to help"
	case CauseReceiverGone:
		return "Its log says why: password, pg_hba.conf, network, or a timeline that it cannot follow"
	case CauseReceiverHung:
		return "Look from a second place: is the receiver's process stopped, does the network between them lose packets?"
	case CauseParameterPause:
		return "Raise them on the standby and restart it (with Patroni: through Patroni)"
	case CausePaused:
		return "Find who paused it: the server's log, backup jobs, somebody who rescues data from this standby"
	}
	return "A person must look"
}

// undecidedWords says what was seen where no rule holds.
func (r deciding) undecidedWords(f finding) string {
	s := f.last()
	text := words("%s is %s (%s)", f.name, s.lag.words(), r.stuckWords(f))
	switch w := s.standby().Startup; {
	case s.sender == nil && !s.cascaded:
		text += "; it has a receiver, and the primary no walsender for it"
	case r.silent(s):
		text += "; " + heardWords(s)
	case w == nil:
		text += "; its startup process could not be seen"
	default:
		text += words("; its startup process waits for %s", waitWords(w))
	}
	return text + ". No rule holds"
}

func waitWords(w *Startup) string {
	if w.WaitEventType == "" {
		return "nothing (it works)"
	}
	return w.WaitEventType + "/" + w.WaitEvent
}

// words names a session for people. Its query is not in it: that is in the look.
func (s Session) words() string {
	text := words("pid %d of %s", s.PID, s.User)
	if s.ApplicationName != "" {
		text += words(" (%s)", s.ApplicationName)
	}
	return text + words(", %s, its transaction %s old", s.State, seconds(float64(s.XactAge)))
}

func sessionWords(all []Session) string {
	var list []string
	for _, s := range all {
		list = append(list, s.words())
	}
	return strings.Join(list, "; ")
}

// moreWords says how many sessions would still be there.
func moreWords(c conflict) string {
	if c.more == 0 {
		return ""
	}
	return words("; %d more are left for the next look, since one action ends %d at most", c.more, len(c.victims))
}

// roleHint says what the policy would need, where it is only that.
func roleHint(c conflict) string {
	if strings.Contains(c.why, "fix.roles") {
		return words("; add %q there if its sessions on a standby may be ended", c.spared[0].User)
	}
	return ""
}
