package remediations

// Help says what a reason means and what lifts it, in whole sentences for people: the command line and the documentation print the same
// words. Both are empty for what is not one of [Reasons].
func (r Reason) Help() (means, lifts string) {
	for _, part := range [](func(Reason) (string, string)){alertHelp, whoHelp, muchHelp, planHelp} {
		if means, lifts = part(r); means != "" {
			return means, lifts
		}
	}
	return "", ""
}

// again is what lifts reasons that are asked again by themselves.
const again = "Nothing to do: it is asked again by itself while the alert fires."

// alertHelp is for reasons that are about the alert.
func alertHelp(r Reason) (means, lifts string) {
	switch r {
	case ReasonStaleAlert:
		return "The alert was too old when it was read, so it says nothing about now.",
			"The next delivery of an alert that still fires. If it comes often, look why deliveries are late (limits.alert_max_age)."
	case ReasonResolved:
		return "The alert resolved meanwhile, or Alertmanager does not know it any more: there is nothing to fix.",
			"Nothing needs to. If it fires again, a new incident begins."
	case ReasonSilenced:
		return "Somebody silenced the alert in Alertmanager, which usually means that somebody works on it.",
			"The end of the silence; or a person: firebreak act."
	case ReasonInhibited:
		return "Another alert inhibits this one in Alertmanager: the cause is elsewhere.",
			"The end of the other alert; or a person: firebreak act."
	case ReasonMuted:
		return "A time interval of Alertmanager mutes the alert.",
			"The end of the interval; or a person: firebreak act."
	case ReasonUnconfirmed:
		return "Alertmanager could not be asked whether the alert still fires, or has only just taken it in. What is not confirmed is a no.",
			"An answer of Alertmanager: check that it can be reached (alertmanagers in the policy). It is asked again by itself."
	}
	return "", ""
}

// whoHelp is for reasons that are about who may act.
func whoHelp(r Reason) (means, lifts string) {
	switch r {
	case ReasonObserve:
		return "The policy lets this handler look and say what it would do, and not act.",
			"Mode approve or auto in the policy, for the handler or the target; for one change a person: firebreak act."
	case ReasonNotAllowed:
		return "The policy does not name this fix for this target, the fix can never be made there, or the alert is not routed to us.",
			"The policy (the target's fix.allow, or alertmanagers[].receiver) or Alertmanager's route. No person's order passes this."
	case ReasonClass:
		return "The fix needs a person's approval, and the policy names nobody who may give it.",
			"The policy: name who may approve."
	case ReasonDenied:
		return "A person said no to exactly this plan.",
			"Another plan, if the looks lead to one; for a fix of class A also a person: firebreak act."
	case ReasonApprovalExpired:
		return "Approval was asked for, and nobody answered in time.",
			"A new asking, which comes by itself if the incident has some left; for a fix of class A also a person: firebreak act."
	case ReasonPaused:
		return "A person paused acting, everywhere or here.",
			"firebreak resume, or the end of the pause."
	case ReasonKillSwitch:
		return "The kill switch is on, or one of its means could not be read, which counts as on.",
			"firebreak kill-switch off, removing the stop file, or SIGUSR2 to the process: firebreak blocked says which one it is."
	case ReasonMaintenance:
		return "A maintenance window of the policy is open: people work there.",
			"The end of the window; or a person: firebreak act."
	case ReasonOwnerPaused:
		return "What manages the target is itself paused: somebody works there by hand.",
			"Whoever paused the target's manager lets it go on; or a person: firebreak act."
	case ReasonObserver:
		return "Firebreak may be the one that is cut off, or its clock is wrong, so what it sees may not be so.",
			"The network of this replica, or its clock (guard.observer in the policy). It is asked again by itself."
	case ReasonWatchdog:
		return "The alert that always fires has stopped coming: alerts, also the end of this one, may not reach Firebreak.",
			"The path from Prometheus over Alertmanager to here. It is lifted by the next delivery of that alert."
	}
	return "", ""
}

// muchHelp is for reasons that are about how much.
func muchHelp(r Reason) (means, lifts string) {
	switch r {
	case ReasonTargetBusy:
		return "Another change stands in this failure domain or at the target, and there is never more than one.",
			"The end of the other change: it ends by itself, or is taken back by firebreak recall. No person's order passes this."
	case ReasonConcurrent:
		return "Too many changes stand at once.",
			"The end of one of them; or a person: firebreak act."
	case ReasonBudgetSpent:
		return "The budget of this hour or day is spent. So many changes mean that they do not cure the cause.",
			"Time (firebreak budget says when the next one is free); or a person: firebreak act."
	case ReasonCooldown:
		return "A change in this failure domain ended a moment ago, and it is left alone for a while.",
			"Time; or a person: firebreak act."
	case ReasonUnacknowledged:
		return "A risky change in this failure domain ended, and nobody has said that they looked at it.",
			"A person who has looked: firebreak ack, with the incident of that change. Time never lifts it."
	case ReasonFrozen:
		return "A change in this failure domain ended in doubt: nobody knows what it left.",
			"A person who has looked at the target: firebreak ack, with the incident of that change. Time never lifts it."
	case ReasonBlastRadius:
		return "Too many targets of the zone are sick at once: the fault is upstream of them, and fixing each of them would not cure it.",
			"Fewer sick targets, and then calm; or a person: firebreak act."
	case ReasonStorm:
		return "Too many targets were sick, or too many alerts came, a moment ago.",
			"Calm for a while (limits.blast_radius.calm); or a person: firebreak act."
	case ReasonChain:
		return "This target was fixed again and again, and the fault came back each time: the fix hides it.",
			"A person who looks for the cause and acknowledges it: firebreak ack begins a new count."
	case ReasonLedger:
		return "The limits could not be read. What cannot be read is a no.",
			"The bus: check that it can be reached and that all clocks agree. It is asked again by itself."
	}
	return "", ""
}

// planHelp is for reasons that are about the plan itself.
func planHelp(r Reason) (means, lifts string) {
	switch r {
	case ReasonProbeUnknown:
		return "The live system or the target could not be read, so nothing is known and nothing is touched.",
			"A probe that can be read: check its address and what it answers. It is asked again by itself."
	case ReasonPlanChanged:
		return "Looked at again right before the change, the plan was another one.",
			again
	case ReasonTooLate:
		return "The deadline passed before the command was sent, so it was not sent.",
			again
	case ReasonNewerRecord:
		return "A newer build wrote to this record what this one does not understand, so this one looks and changes nothing.",
			"The newer build carries it on: finish the upgrade, or go back to it."
	}
	return "", ""
}
