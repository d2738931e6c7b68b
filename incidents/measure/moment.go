// Package measure reads from an incident's record when the things happened that people ask about, how long they took, and whether that
// was within the targets of its runbook. It is pure: the same events always give the same answer, and it asks nobody.
package measure

import "time"

// Moment is something that happens at most once in the measures of an incident.
type Moment string

// The moments, in the order in which a whole incident goes through them.
const (
	// Started is when the alert began to fire, as Alertmanager says. The waiting of its rule ("for") and the time between two
	// evaluations lie before it, so the fault itself is older: the record does not know by how much.
	Started Moment = "started"
	// Detected is when the incident was opened.
	Detected Moment = "detected"
	// Decided is the first of the unbroken row of equal decisions that was acted on, or that the record ends with.
	Decided Moment = "decided"
	// Asked is when approval was asked for, and Approved when the last yes that was needed came.
	Asked    Moment = "asked"
	Approved Moment = "approved"
	// Intended, Issued and Applied are of the change that helped first; if none did, of the first that got furthest.
	Intended Moment = "intended"
	Issued   Moment = "issued"
	Applied  Moment = "applied"
	// Mitigated is Applied of a change that was judged to have improved the symptom. Verified is when that was judged.
	Mitigated Moment = "mitigated"
	Verified  Moment = "verified"
	// Recovered is when the last alert resolved, or when the symptom was judged to be healed, whichever came first. It is taken away
	// again when the fault comes back.
	Recovered Moment = "recovered"
	// Reverted is when nothing of ours stood any more, after the last change. A change that happens once is not reverted.
	Reverted Moment = "reverted"
	// Escalated is when a person was called first, and Answered when a person first said something after that.
	Escalated Moment = "escalated"
	Answered  Moment = "answered"
	Closed    Moment = "closed"
)

// Moments are all of them, in the order of a whole incident.
func Moments() []Moment {
	return []Moment{Started, Detected, Decided, Asked, Approved, Intended, Issued, Applied, Mitigated, Verified, Recovered, Reverted,
		Escalated, Answered, Closed}
}

// Words say what happened, for people.
func (m Moment) Words() string {
	switch m {
	case Started:
		return "the alert began to fire"
	case Detected:
		return "the incident was opened"
	case Decided:
		return "the decision that lasted was made"
	case Asked:
		return "approval was asked for"
	case Approved:
		return "it was approved"
	case Intended:
		return "the change was planned and armed"
	case Issued:
		return "the change was sent"
	case Applied:
		return "the change stood"
	case Mitigated:
		return "the change that helped stood"
	case Verified:
		return "the symptom was judged improved"
	case Recovered:
		return "the fault was over"
	case Reverted:
		return "nothing of ours stood any more"
	case Escalated:
		return "a person was called"
	case Answered:
		return "a person answered"
	case Closed:
		return "the incident was closed"
	}
	return string(m)
}

// Times are when moments happened. One that is not there has not happened, or the record does not say.
type Times map[Moment]time.Time

// set keeps a moment that is known.
func (t Times) set(m Moment, at time.Time) {
	if !at.IsZero() {
		t[m] = at
	}
}
