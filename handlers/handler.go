// Package handlers carries an incident from its first alert to its end: observe, decide, guard, act, verify, hold,
// give back. Each failure family is a folder below: it looks (Observe) and thinks (Decide, Judge), and never acts.
//
// Decide and Judge are pure functions of what is in the record, so that every past decision can be derived again and any
// policy can be tried on the past. They read no clock and no network; a lint rule holds that.
package handlers

import (
	"context"
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

// Handler knows one failure family. O is what it looks at; it is recorded as JSON.
type Handler[O any] interface {
	Name() string
	// Target says what an alert is about; false if it is none of this handler's business.
	Target(a alerts.Alert) (Target, bool)
	// Targets are all that the policy names, whether anything is wrong there or not.
	Targets() []Target
	// Observe looks at the live system, reads only, and returns within the context's deadline. A part that could not be
	// read is said in O, never guessed. An error means that nothing could be read; O is recorded all the same, and says it too.
	Observe(ctx context.Context, target string) (O, error)
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
