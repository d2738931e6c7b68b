package replicationlag

import "github.com/firebreak-sre/firebreak/incidents"

// facts collects evidence. A value that cannot be written as JSON is left out.
type facts []incidents.Evidence

func (f *facts) add(name string, value float64, unit, text string) {
	if finite(value) {
		*f = append(*f, incidents.Evidence{Name: name, Value: value, Unit: unit, Words: text})
	}
}

// evidence is what a decision rests on: where the WAL of the standby is, how it moves, what replay waits for, and what was read.
func (r deciding) evidence(f finding) []incidents.Evidence {
	var e facts
	if f.known() {
		e.state(f.last(), "")
		e.trend(f.trend)
		if f.cause == CauseSnapshotConflict || f.cause == CauseLockConflict {
			e.conflict(r.conflict(f))
		}
	}
	if f.slot != nil {
		e.slot(f.slot)
	}
	if n := len(r.sights); n > 0 {
		e.pool(r.sights[n-1].seen)
	}
	e.add("looks", float64(len(r.sights)), "", words("%d looks without a long pause between them", len(r.sights)))
	e.add("busy", float64(r.Busy), "", words("%d other clusters have an open incident", r.Busy))
	return e
}

// state adds what one look says about one standby. The suffix tells looks apart, e.g. "_before".
func (e *facts) state(s state, suffix string) {
	if !s.readable() {
		e.add("readable"+suffix, 0, "", words("%s could not be read: %s", s.node.Name, s.node.Problem))
		return
	}
	if s.lag.known {
		e.add("behind"+suffix, float64(s.lag.bytes), "B", words("%s is %s behind %s", s.node.Name, size(float64(s.lag.bytes)), s.primary.Name))
		if s.lag.kind != unmeasured {
			e.add("lag"+suffix, s.lag.seconds, "s", s.lag.words())
		}
	} else {
		e.add("lag_known"+suffix, 0, "", s.lag.words())
	}
	if age := s.commitAge(); age > 0 {
		e.add("commit_age"+suffix, age, "s", words("the last replayed commit is %s old, by the primary's clock", seconds(age)))
	}
	if p := s.parts(); p.known {
		e.add("unsent"+suffix, float64(p.unsent), "B", words("%s are not sent", size(float64(p.unsent))))
		e.add("in_flight"+suffix, float64(p.inFlight), "B", words("%s are sent and not written", size(float64(p.inFlight))))
		e.add("unflushed"+suffix, float64(p.unflushed), "B", words("%s are written and not flushed", size(float64(p.unflushed))))
		e.add("unreplayed"+suffix, float64(p.unreplayed), "B", words("%s are flushed and not replayed", size(float64(p.unreplayed))))
	}
	if s.sender != nil && s.sender.ReplyAge != nil {
		e.add("reply_age"+suffix, float64(*s.sender.ReplyAge), "s", heardWords(s))
	}
	if w := s.standby().Receiver; w != nil && w.MessageAge != nil {
		e.add("message_age"+suffix, float64(*w.MessageAge), "s", words("%s last heard of the primary %s ago", s.node.Name, seconds(float64(*w.MessageAge))))
	}
	if w := s.standby().Startup; w != nil && w.LockWait != nil {
		e.add("lock_wait"+suffix, float64(*w.LockWait), "s", words("replay has waited for a lock for %s", seconds(float64(*w.LockWait))))
	}
	if s.slot != nil {
		e.slot(s.slot)
	}
}

func (e *facts) trend(t trend) {
	if !t.ok {
		return
	}
	e.add("wal_rate", t.written, "B/s", words("the primary writes %s/s", size(t.written)))
	e.add("replay_rate", t.replayed, "B/s", words("the standby replays %s/s", size(t.replayed)))
	if t.baseline > 0 {
		e.add("wal_rate_before", t.baseline, "B/s", words("the primary wrote %s/s in the %s before", size(t.baseline), seconds(t.over.Seconds())))
	}
	if t.gaining {
		e.add("eta", t.eta, "s", words("it is there in %s if that goes on", seconds(t.eta)))
	}
}

func (e *facts) conflict(c conflict) {
	e.add("conflict_age", c.age.Seconds(), "s", words("replay has waited for %s: %s", seconds(c.age.Seconds()), c.how))
	e.add("holders", float64(len(c.victims)+c.more), "", words("%s that may be ended: %s", counted(len(c.victims)+c.more, "session"), sessionWords(c.victims)))
	if len(c.spared) > 0 {
		e.add("holders_spared", float64(len(c.spared)), "", words("%s that may not be ended: %s; the first because %s",
			counted(len(c.spared), "session"), sessionWords(c.spared), c.why))
	}
}

func (e *facts) slot(s *Slot) {
	if s.Retained != nil {
		e.add("slot_retained", float64(*s.Retained), "B", words("the slot %s (%s) holds back %s", s.Name, s.WALStatus, held(s)))
	}
	if s.SafeBytes != nil {
		e.add("slot_safe", float64(*s.SafeBytes), "B", words("the slot %s can be lost after %s more", s.Name, size(float64(max(0, *s.SafeBytes)))))
	}
}

// pool adds who takes readers.
func (e *facts) pool(o Observation) {
	if o.Pool == nil || o.Pool.Problem != "" {
		return
	}
	e.add("readers", float64(o.ready("")), "", words("%d of %d readers take new sessions", o.ready(""), len(o.Pool.Readers)))
}
