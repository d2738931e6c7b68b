package sessiondrift

import "github.com/firebreak-sre/firebreak/incidents"

// Cause is why sessions drift, or what looks like it. The set is closed.
type Cause string

// The causes in which nothing may be touched: what is known of the cluster is not enough, or says that it is not whole.
const (
	CauseGathering       Cause = "gathering"           // there are not enough looks yet
	CauseStoreUnreadable Cause = "store_unreadable"    // the store does not say who is there
	CauseNoQuorum        Cause = "no_quorum"           // no majority of the registered nodes: this may be the small side
	CausePartition       Cause = "partition"           // nodes do not hear each other
	CauseClock           Cause = "clock"               // the store's clock is not to be believed
	CauseTooMany         Cause = "too_many"            // too many overdue sessions to be orphans
	CauseDeploy          Cause = "deploy"              // the application is being rolled out, or has just changed who is registered
	CauseUnstable        Cause = "membership_unstable" // a member changed its state not long ago
	CauseOneView         Cause = "one_view"            // an owner would be given up by the view of one node, or of its lease alone
	CauseNoEpoch         Cause = "no_epoch"            // the store has no epochs: nothing can be fenced
	CauseNotMeasured     Cause = "not_measured"        // something that decides could not be read
	CauseUndecided       Cause = "undecided"           // looks disagree, or contradict themselves
)

// The causes of drift, in the order in which they are looked for.
const (
	CauseReplicaAhead  Cause = "replica_ahead"       // a replica holds what the primary never had: was it a primary?
	CauseConflict      Cause = "conflict"            // copies of a session have each seen what the other has not
	CauseDominated     Cause = "dominated_copies"    // copies are older than another one
	CauseLostOnReplica Cause = "lost_on_replica"     // a replica lacks sessions although it has read past them
	CauseSlowSync      Cause = "slow_sync"           // a replica is behind
	CauseOrphans       Cause = "orphans"             // sessions of owners that are gone
	CauseRecoverable   Cause = "orphans_recoverable" // the same, and the policy lets a living member have them
	CauseReplicaDown   Cause = "replica_down"        // a replica does not follow
	CauseLagUnknown    Cause = "lag_unknown"         // nobody can say how far a replica is
	CauseRecoverySlow  Cause = "recovery_slow"       // sessions are overdue although their owner lives
	CauseRecovering    Cause = "recovering"          // it gets better by itself
	CauseHealthy       Cause = "healthy"             // nothing has drifted
)

// The fixes, as the policy names them in fix.allow.
const (
	fixSync       = "sync"
	fixQuarantine = "quarantine"
	fixReconcile  = "reconcile"
	fixSetAside   = "set_aside"
	fixRecover    = "recover"
)

// finding is what the looks that must agree say, by one rule.
type finding struct {
	cause   Cause
	verdict incidents.Verdict
	why     string
	// patient says of a wait that its end is known to take minutes.
	patient bool
	// fix and params are the change that is asked for; "" if none is.
	fix    string
	params any
}

func page(c Cause, why string) finding { return finding{cause: c, verdict: incidents.Page, why: why} }

func wait(c Cause, why string) finding { return finding{cause: c, verdict: incidents.Wait, why: why} }

func act(c Cause, fix string, params any, why string) finding {
	return finding{cause: c, verdict: incidents.Act, fix: fix, params: params, why: why}
}

// patiently is a wait for what takes minutes.
func patiently(c Cause, why string) finding {
	f := wait(c, why)
	f.patient = true
	return f
}
