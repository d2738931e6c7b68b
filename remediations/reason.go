package remediations

// Reason is why something outside of a handler said no. The set is closed: every no has a name that people see.
type Reason string

// The reasons.
const (
	ReasonObserve      Reason = "observe"       // the policy lets this handler look, not act
	ReasonNotAllowed   Reason = "not_allowed"   // the policy does not name this fix for this target
	ReasonStaleAlert   Reason = "stale_alert"   // the alert is too old to act on
	ReasonResolved     Reason = "resolved"      // the alert resolved meanwhile
	ReasonTargetBusy   Reason = "target_busy"   // another fix stands in this failure domain, or at the target
	ReasonBudgetSpent  Reason = "budget_spent"  // too many fixes in this hour or day
	ReasonCooldown     Reason = "cooldown"      // a fix in this failure domain ended a moment ago
	ReasonConcurrent   Reason = "concurrent"    // too many fixes stand at once, over all domains
	ReasonProbeUnknown Reason = "probe_unknown" // the live system could not be read
	ReasonLedger       Reason = "ledger_unread" // the limits could not be read: fail closed
	ReasonClass        Reason = "class"         // the fix needs approval, and there is none
	ReasonTooLate      Reason = "too_late"      // the deadline passed before the command was sent
)
