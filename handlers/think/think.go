// Package think is the half of a failure family that only thinks: which target an alert is about, what is the matter with it, what a change
// did. It reads no clock and no network, and nothing that it imports can reach a system, so that every past decision can be derived again
// and any policy can be tried on the past. The other half, which looks, lies in a folder below each family.
package think

import (
	"encoding/json"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
)

// Target is what an alert is about, as the policy names it.
type Target struct {
	// Name is stable and unique within the handler, e.g. "checkout/payments". It is the incident's identity.
	Name string `json:"name"`
	// Domain is the failure domain that the limits count in.
	Domain string `json:"domain"`
	// Zone is what fails together with it: too many sick targets in one zone stop all changes there.
	Zone string `json:"zone,omitempty"`
	// Mode is the strictest of the handler's and the target's own.
	Mode policy.Mode `json:"mode"`
}

// Thinker knows one failure family. O is what is looked at; it is recorded as JSON.
type Thinker[O any] interface {
	Name() string
	// Target says what an alert is about; false if it is none of this family's business.
	Target(a alerts.Alert) (Target, bool)
	// Targets are all that the policy names, whether anything is wrong there or not.
	Targets() []Target
	// Decide says what is the matter and what to do about it. Pure.
	Decide(c Case[O]) incidents.Decision
	// Judge says what the change did to the symptom, from the looks before and after it. Pure.
	Judge(c Case[O]) incidents.Judgement
}

// Case is everything that a decision may rest on.
type Case[O any] struct {
	Target Target
	// Alerts of the incident in the order in which they came, each as it last was.
	Alerts []alerts.Alert
	// Before are the looks before the change was issued, oldest first; After those since. Each carries its time.
	Before []Look[O]
	After  []Look[O]
	// Step is the change that was made; nil for Decide.
	Step *Stood
	// Busy counts the other targets of this handler that have an open incident now.
	Busy int
	Now  time.Time
}

// Look is one observation and when it was made.
type Look[O any] struct {
	At   time.Time `json:"at"`
	Seen O         `json:"seen"`
}

// Stood is the change that stands while it is judged.
type Stood struct {
	Fix string
	// Node and Params are those of its step: of several things that the fix could have been for, the one that it was for.
	Node   string
	Params json.RawMessage
	// Since is when it was applied. Released is the share of calls in percent that it leaves alone; ReleasedAt when that began.
	Since      time.Time
	Released   int
	ReleasedAt time.Time
	// Until is when looking for an effect ends.
	Until time.Time
}
