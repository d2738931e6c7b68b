// Package incidents is the record: what happened to one target, from the first alert to the end. The record is the
// state (a fold over its events), the lock (an append names the last event it has seen) and the history.
package incidents

import (
	"encoding/json"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Version is the format of the events that this build writes. It reads all lower ones; kinds it does not know are kept
// and shown, never dropped.
const Version = 1

// Kind is what an event says. The set grows; it never changes its meaning.
type Kind string

// The kinds of events, in the order in which a whole incident goes through them.
const (
	Opened        Kind = "opened"      // the first alert of a new incident
	AlertSeen     Kind = "alert"       // an alert of this incident changed its state
	Observed      Kind = "observed"    // one look at the live system, as it was seen
	Decided       Kind = "decided"     // cause, evidence, verdict
	Refused       Kind = "refused"     // something that is outside of the handler said no; its name is in Reason
	Intended      Kind = "intended"    // the change, its undo and its expiry, before anything is sent
	Issuing       Kind = "issuing"     // the last event before the wire
	Applied       Kind = "applied"     // the target answered, or was found to hold our change
	NotApplied    Kind = "not_applied" // proof that the target did not change
	InDoubt       Kind = "in_doubt"    // sent, and neither confirmed nor refused
	GaveUp        Kind = "gave_up"     // the target never said whether it changed; nothing of ours can stand there any more
	Verified      Kind = "verified"    // improved, no effect or worse, on the symptom itself
	Held          Kind = "held"        // verified; it stands until the alert resolves or the hold is over
	Adjusting     Kind = "adjusting"   // about to renew, or to give a share of the calls back
	Adjusted      Kind = "adjusted"
	Regressed     Kind = "regressed" // the ramp brought the symptom back
	Reverting     Kind = "reverting" // about to take the change back
	Reverted      Kind = "reverted"  // nothing of ours stands at the target
	Spent         Kind = "spent"     // a change that happens once has happened: there is nothing to take back
	NotOurs       Kind = "not_ours"  // it had expired, or somebody changed it: left alone
	RevertInDoubt Kind = "revert_in_doubt"
	Escalated     Kind = "escalated" // a person is needed
	Rung          Kind = "rung"      // nobody has taken it for so long: the next people are called

	Asked      Kind = "asked"      // approval is asked for one plan
	Approved   Kind = "approved"   // a person said yes to exactly that plan
	Denied     Kind = "denied"     // a person said no
	Expired    Kind = "expired"    // nobody answered in time
	Voided     Kind = "voided"     // the plan is another one now, or the alert resolved: the asking is withdrawn
	Acked      Kind = "acked"      // a person acknowledged what was done, which lifts what waits for that
	Overridden Kind = "overridden" // a person lets the next change pass the brakes
	Recalled   Kind = "recalled"   // a person wants the change taken back now

	Closed Kind = "closed" // the end, with exactly one outcome
)

// known says whether this build gives the kind a meaning.
func (k Kind) known() bool {
	switch k {
	case Opened, AlertSeen, Observed, Decided, Refused, Intended, Issuing, Applied, NotApplied, InDoubt, GaveUp, Verified, Held,
		Adjusting, Adjusted, Regressed, Reverting, Reverted, Spent, NotOurs, RevertInDoubt, Escalated, Rung, Closed,
		Asked, Approved, Denied, Expired, Voided, Acked, Overridden, Recalled:
		return true
	}
	return false
}

// Outcome is how an incident ended. Every incident ends in exactly one.
type Outcome string

// The outcomes.
const (
	OutcomeFixed         Outcome = "fixed"          // acted, verified, reverted
	OutcomeIneffective   Outcome = "ineffective"    // acted, no effect, reverted
	OutcomeWorse         Outcome = "worse"          // acted, it got worse, reverted
	OutcomeRegressed     Outcome = "regressed"      // it helped, but came back while the fix was taken away
	OutcomeRefusedByFix  Outcome = "not_applied"    // the target refused the change
	OutcomeUnknown       Outcome = "unknown"        // the target cannot tell us; a person decides
	OutcomeObserved      Outcome = "observed"       // said what would have been done
	OutcomeRefused       Outcome = "refused"        // a bound said no until the alert resolved
	OutcomePaged         Outcome = "paged"          // not ours to fix: told to people
	OutcomeFalsePositive Outcome = "false_positive" // the live system shows no such fault
	OutcomeWithdrawn     Outcome = "withdrawn"      // the alert resolved before anything was done
	OutcomeStale         Outcome = "stale"          // too old to act on when it was read
)

// Event is one line of an incident's record. Which of the pointers is set depends on Kind.
type Event struct {
	V    int       `json:"v"`
	Kind Kind      `json:"kind"`
	At   time.Time `json:"at"`
	// By is who wrote it: a replica's name, or a person.
	By string `json:"by,omitempty"`

	Opening   *Opening               `json:"opening,omitempty"`
	Alert     *alerts.Alert          `json:"alert,omitempty"`
	Seen      json.RawMessage        `json:"seen,omitempty"`
	Decision  *Decision              `json:"decision,omitempty"`
	Refusal   *Refusal               `json:"refusal,omitempty"`
	Order     *remediations.Order    `json:"order,omitempty"`
	Presence  *remediations.Presence `json:"presence,omitempty"`
	Receipt   *remediations.Receipt  `json:"receipt,omitempty"`
	Judgement *Judgement             `json:"judgement,omitempty"`
	Closing   *Closing               `json:"closing,omitempty"`
	Asking    *Asking                `json:"asking,omitempty"`
	Rung      *Calling               `json:"rung,omitempty"`
	// Person is who said it, where a person did.
	Person *Person `json:"person,omitempty"`
	// Basis is what a decision rested on that is nowhere else in the record. Nil: an older build decided, which did not write it.
	Basis *Basis `json:"basis,omitempty"`
	// Plan is the hash of the plan that a decision, an answer or an asking's end is about.
	Plan string `json:"plan,omitempty"`
	// Until is when what a person said counts no more.
	Until time.Time `json:"until,omitzero"`
	// Due is when this record must be looked at again, if nothing happens before.
	Due time.Time `json:"due,omitzero"`
	// Note is for people: the error, or why.
	Note string `json:"note,omitempty"`
}

// Opening says what a new incident is about.
type Opening struct {
	ID      ID           `json:"id"`
	Handler string       `json:"handler"`
	Target  string       `json:"target"`
	Domain  string       `json:"domain"`
	Alert   alerts.Alert `json:"alert"`
}

// Verdict is what a decision asks for.
type Verdict string

// The verdicts of a decision.
const (
	Act           Verdict = "act"
	Wait          Verdict = "wait"           // look again at Decision.Until
	Page          Verdict = "page"           // a person must look; nothing is changed
	FalsePositive Verdict = "false_positive" // the live system shows no fault
)

// Decision is what a handler made of what it saw. It is derived from the record alone, so it can be derived again.
type Decision struct {
	Cause    string     `json:"cause"`
	Verdict  Verdict    `json:"verdict"`
	Reason   string     `json:"reason"`
	Evidence []Evidence `json:"evidence,omitempty"`
	// Until is when to look again, with Wait; with Act, when to look a second time, so that both looks can agree.
	Until time.Time `json:"until,omitzero"`
	// Step is the change that Act asks for.
	Step *remediations.Step `json:"step,omitempty"`
	// Verify is how the change will be judged.
	Verify *Verify `json:"verify,omitempty"`
	// Rule is the rule that held, in words, with the limits that it compared with. Empty: there were no numbers to apply one to.
	Rule string `json:"rule,omitempty"`
	// Others are what else was considered, and why not.
	Others []Other `json:"others,omitempty"`
}

// Basis is what a decision rested on beside the record: with it the decision can be derived again, and a difference be explained.
type Basis struct {
	// Busy is how many other targets of the handler had an open incident.
	Busy int `json:"busy"`
	// Policy is the hash of the policy in force, and Build the version of the program that decided.
	Policy string `json:"policy,omitempty"`
	Build  string `json:"build,omitempty"`
}

// Other is a cause that was considered and did not hold, or what would have been done about it.
type Other struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Evidence is one fact that a decision rests on, in numbers and in words.
type Evidence struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
	Words string  `json:"words"`
}

// Verify is how long and how often a change is looked at.
type Verify struct {
	Every     policy.Duration `json:"every"`
	Within    policy.Duration `json:"within"`
	HoldFor   policy.Duration `json:"hold_for"`
	RampEvery policy.Duration `json:"ramp_every"`
	// UntilHealed keeps the change, up to its limit, until a judgement says Healed: neither HoldFor nor a resolved alert ends it before.
	UntilHealed bool `json:"until_healed,omitempty"`
}

// Refusal is a named no.
type Refusal struct {
	Reason remediations.Reason `json:"reason"`
	Words  string              `json:"words"`
	// By is what holds it, e.g. the incident that has the lock.
	By string `json:"by,omitempty"`
	// Until is when it is worth asking again; zero if only a change of the world or a person lifts it.
	Until time.Time `json:"until,omitzero"`
}

// Effect is what a change did to the symptom.
type Effect string

// The effects. Pending means that more looks are needed.
const (
	Improved Effect = "improved"
	NoEffect Effect = "no_effect"
	Worse    Effect = "worse"
	Pending  Effect = "pending"
)

// Judgement is an effect with its numbers.
type Judgement struct {
	Effect Effect `json:"effect"`
	// Healed says that what the change was for has been gone for long enough, without the change having hidden it. It ends a change that
	// stands with Verify.UntilHealed, and means nothing for others.
	Healed   bool       `json:"healed,omitempty"`
	Words    string     `json:"words"`
	Evidence []Evidence `json:"evidence,omitempty"`
}

// Closing is the end of an incident.
type Closing struct {
	Outcome Outcome `json:"outcome"`
	Words   string  `json:"words"`
}
