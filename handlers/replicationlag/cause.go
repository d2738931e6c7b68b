package replicationlag

// Cause is what is the matter with a standby, or with its cluster. The set is closed.
type Cause string

// The causes that are about looking at all, and about the cluster as a whole. None of them is acted on.
const (
	CauseGathering     Cause = "gathering"      // there are not enough looks yet
	CauseTwoPrimaries  Cause = "two_primaries"  // two nodes take writes: nothing here may be touched by a machine
	CauseProbeUnknown  Cause = "probe_unknown"  // what decides could not be read: nothing is known, nothing is touched
	CauseNoPrimary     Cause = "no_primary"     // all nodes are in recovery: a failover is under way, or is needed
	CauseOwnerPaused   Cause = "owner_paused"   // Patroni is paused, or a switchover is scheduled: a person is working there
	CauseSlotRetention Cause = "slot_retention" // a slot is about to be lost, or to fill the primary's disk
	CauseStandbyAbsent Cause = "standby_absent" // no row on the primary and the node does not answer: the worst lag there is
	CauseHealthy       Cause = "healthy"        // the live system shows no lag
	CauseUndecided     Cause = "undecided"      // none of the rules holds, or the looks do not agree
)

// The causes of lag, in the order of decision-table 2.1, which is the order in which they are looked for.
const (
	CauseIdlePrimary      Cause = "idle_primary"      // 0: nothing is behind; only the time since the last commit grows
	CauseDelayedStandby   Cause = "delayed_standby"   // 1: recovery_min_apply_delay: by design
	CauseParameterPause   Cause = "parameter_pause"   // 2: replay paused itself; resuming would end the server
	CausePaused           Cause = "paused"            // 3: somebody paused replay
	CauseWALGone          Cause = "wal_gone"          // 4: the primary no longer has the WAL that it needs: it must be rebuilt
	CauseReceiverGone     Cause = "receiver_gone"     // 5: nothing is received: login, pg_hba, network or timeline
	CauseReceiverHung     Cause = "receiver_hung"     // 6: the receiver or the network hangs
	CauseSenderStarved    Cause = "sender_starved"    // 7: the WAL does not leave the primary fast enough
	CauseStandbyDisk      Cause = "standby_disk"      // 8: the WAL arrives, and is not flushed
	CauseSnapshotConflict Cause = "snapshot_conflict" // 9: replay waits for a query's snapshot on the standby
	CauseLockConflict     Cause = "lock_conflict"     // 10: replay of DDL waits for a lock on the standby
	CauseWriteBurst       Cause = "write_burst"       // 11: more is written than one process replays
	CauseCatchingUp       Cause = "catching_up"       // 12: it gains on the primary by itself
)

// The fixes, as the policy names them in fix.allow.
const (
	fixDrain         = "drain"
	fixEndConflict   = "end_conflict"
	fixRestartStream = "restart_stream"
	fixResumeReplay  = "resume_replay"
)

// calm says that a cause is no fault of this standby: another one may have one.
func (c Cause) calm() bool {
	return c == CauseHealthy || c == CauseIdlePrimary || c == CauseDelayedStandby
}

// classify is the first row of decision-table 2.1 that one look at one standby satisfies. What a row needs of two looks is in t.
//
// Two rows are stricter than a glance at the table: an idle primary and a delayed standby are only believed of a standby that is attached
// and not paused, since "nothing is behind" also holds for one that lost its primary while nothing was written.
func (r deciding) classify(s state, t trend) Cause {
	lower, _ := s.settings()
	switch {
	case s.absent():
		return CauseStandbyAbsent
	case !s.readable() || s.doubt != "":
		return CauseProbeUnknown
	case s.attached() && !s.paused() && s.lag.known && s.lag.bytes <= r.slackOf(s) && !r.silent(s):
		if t.idle() && s.commitAge() > r.thresholds.SLO.D().Seconds() {
			return CauseIdlePrimary
		}
		return CauseHealthy
	case s.attached() && s.delayed() && !r.silent(s):
		return CauseDelayedStandby
	case s.pause() == pausePaused && len(lower) > 0:
		return CauseParameterPause
	case s.paused():
		return CausePaused
	case s.lost() && (s.sender == nil || s.standby().Receiver == nil):
		return CauseWALGone
	case s.standby().Receiver == nil:
		return CauseReceiverGone
	case !s.lag.known:
		return CauseProbeUnknown
	case !t.ok:
		return CauseUndecided // a position went back, or the looks were made at the same instant: nothing has a slope
	}
	return r.classifyFlow(s, t)
}

// classifyFlow is for a standby that has a receiver: where does the WAL get stuck?
func (r deciding) classifyFlow(s state, t trend) Cause {
	p := s.parts()
	half := func(part int64) bool { return p.known && part > r.slackOf(s)/2 && 2*part >= p.total() }
	switch {
	case r.silent(s) && (s.sender == nil || half(p.unsent+p.inFlight)) && !t.gaining:
		return CauseReceiverHung
	case r.silent(s) || !s.attached():
		return CauseUndecided // a quiet line without WAL stuck in it, or a receiver without a walsender: the next look tells
	case r.lagsLittle(s, t):
		return CauseHealthy
	case r.catchesUp(t):
		return CauseCatchingUp
	case half(p.unsent + p.inFlight):
		return CauseSenderStarved
	case half(p.unflushed):
		return CauseStandbyDisk
	case half(p.unreplayed):
		return r.classifyReplay(s, t)
	}
	return CauseUndecided
}

// classifyReplay is for WAL that is on the standby and is not replayed: what does the startup process wait for?
func (r deciding) classifyReplay(s state, t trend) Cause {
	switch {
	case s.waitsForSnapshot():
		return CauseSnapshotConflict
	case s.waitsForLock():
		return CauseLockConflict
	case s.replayBusy() && (t.gaining || t.written > t.replayed || r.burst(t)):
		return CauseWriteBurst
	}
	return CauseUndecided
}

// lagsLittle says that the standby is behind by less than the SLO, which an upper bound shows too, and that this does not grow. A position
// that is behind by megabytes can be 0.3 s behind: bytes alone are no fault.
func (r deciding) lagsLittle(s state, t trend) bool {
	free := !s.waitsForSnapshot() && !s.waitsForLock()
	return free && t.replayed > 0 && s.lag.kind != unmeasured && s.lag.seconds <= r.thresholds.SLO.D().Seconds() && t.ages <= steady
}

// catchesUp says that it gains, and will be there soon enough to be left alone.
func (r deciding) catchesUp(t trend) bool {
	return t.gaining && t.eta <= r.thresholds.CatchUpWithin.D().Seconds()
}

// burst says that the primary writes more than in the looks before by the policy's ratio.
func (r deciding) burst(t trend) bool {
	return t.ok && t.baseline > 0 && t.written >= r.thresholds.BurstRatio*t.baseline
}

// steady is by how many seconds the lag may grow in each second to be called the same: noise of two measurements, not a fault.
const steady = 0.5

// slackOf is how much WAL behind counts as nothing at a standby: while replay waits for somebody, nothing does, however little is written.
func (r deciding) slackOf(s state) int64 {
	if s.waitsForSnapshot() || s.waitsForLock() {
		return 0
	}
	return r.slack()
}

// slack is how much WAL behind counts as nothing.
func (r deciding) slack() int64 { return int64(r.thresholds.SlackBytes) }
