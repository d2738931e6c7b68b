package policy

// EventKinds are the kinds of events that outcomes.webhooks[].events and outcomes.messages[].events may name: those that the package incidents writes.
// They are listed here again because a policy is read before there is an incident, and imports none of it; a test
// compares the two lists.
func EventKinds() []string {
	return []string{
		"opened", "alert", "observed", "decided", "refused", "intended", "issuing", "applied", "not_applied",
		"in_doubt", "gave_up", "verified", "held", "adjusting", "adjusted", "regressed", "reverting", "reverted",
		"spent", "not_ours", "revert_in_doubt", "escalated", "rung", "closed",
		"asked", "approved", "denied", "expired", "voided", "acked", "overridden", "recalled",
	}
}
