package remediations

import "time"

// Reason is why something outside of a handler said no. The set is closed: every no has a name that people see.
type Reason string

// The reasons. Those of the first group are about the alert, of the second about who may act, of the third about how much, and of
// the last about the plan itself.
const (
	ReasonStaleAlert  Reason = "stale_alert"       // the alert is too old to act on
	ReasonResolved    Reason = "resolved"          // the alert resolved meanwhile, or Alertmanager knows it no more
	ReasonSilenced    Reason = "silenced"          // somebody silenced the alert in Alertmanager
	ReasonInhibited   Reason = "inhibited"         // another alert inhibits it in Alertmanager
	ReasonMuted       Reason = "muted"             // a time interval of Alertmanager mutes it
	ReasonUnconfirmed Reason = "alert_unconfirmed" // Alertmanager could not be asked whether the alert still fires: fail closed

	ReasonObserve         Reason = "observe"            // the policy lets this handler look, not act
	ReasonNotAllowed      Reason = "not_allowed"        // the policy does not name this fix for this target
	ReasonClass           Reason = "class"              // the fix needs approval, and nobody is named who may give it
	ReasonDenied          Reason = "denied"             // a person said no to this plan
	ReasonApprovalExpired Reason = "approval_expired"   // nobody answered in time
	ReasonPaused          Reason = "paused"             // a person paused acting
	ReasonKillSwitch      Reason = "kill_switch"        // acting is switched off, or the switch could not be read: fail closed
	ReasonMaintenance     Reason = "maintenance"        // a maintenance window of the policy is open
	ReasonOwnerPaused     Reason = "owner_paused"       // the target's own manager is paused: somebody works there
	ReasonObserver        Reason = "observer_unhealthy" // we may be the one that is cut off, or our clock is wrong
	ReasonWatchdog        Reason = "no_watchdog"        // the alert that always fires stopped coming: we are deaf

	ReasonTargetBusy     Reason = "target_busy"       // another fix stands in this failure domain, or at the target
	ReasonConcurrent     Reason = "concurrent"        // too many fixes stand at once
	ReasonBudgetSpent    Reason = "budget_spent"      // too many fixes in this hour or day
	ReasonCooldown       Reason = "cooldown"          // a fix in this failure domain ended a moment ago
	ReasonUnacknowledged Reason = "unacknowledged"    // a risky fix in this failure domain ended, and nobody has acknowledged it
	ReasonFrozen         Reason = "frozen"            // a fix in this failure domain ended in doubt, and nobody has acknowledged it
	ReasonBlastRadius    Reason = "blast_radius"      // too many targets of the zone are sick at once: the fault is upstream of us
	ReasonStorm          Reason = "storm"             // too many were a moment ago
	ReasonChain          Reason = "ineffective_chain" // fixed again and again, and back again
	ReasonLedger         Reason = "ledger_unread"     // the limits could not be read: fail closed

	ReasonProbeUnknown Reason = "probe_unknown" // the live system could not be read
	ReasonPlanChanged  Reason = "plan_changed"  // looked at again, the plan is another one
	ReasonTooLate      Reason = "too_late"      // the deadline passed before the command was sent
	ReasonNewerRecord  Reason = "newer_record"  // a newer build wrote to the record what this one does not understand
)

// Reasons are all of them.
func Reasons() []Reason {
	return []Reason{ReasonStaleAlert, ReasonResolved, ReasonSilenced, ReasonInhibited, ReasonMuted, ReasonUnconfirmed,
		ReasonObserve, ReasonNotAllowed, ReasonClass, ReasonDenied, ReasonApprovalExpired, ReasonPaused, ReasonKillSwitch, ReasonMaintenance, ReasonOwnerPaused, ReasonObserver, ReasonWatchdog,
		ReasonTargetBusy, ReasonConcurrent, ReasonBudgetSpent, ReasonCooldown, ReasonUnacknowledged, ReasonFrozen, ReasonBlastRadius, ReasonStorm,
		ReasonChain, ReasonLedger, ReasonProbeUnknown, ReasonPlanChanged, ReasonTooLate, ReasonNewerRecord}
}

// NoError is a named no: it was possible to ask, and the answer is no.
type NoError struct {
	Reason Reason
	Words  string
	// By is the incident or the person that stands in the way, if one does.
	By string
	// Until is when it is worth asking again; zero if only a change of the world or a person lifts it.
	Until time.Time
}

// Error is the reason with its words.
func (e *NoError) Error() string { return string(e.Reason) + ": " + e.Words }
