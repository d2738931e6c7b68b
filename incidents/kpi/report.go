// Package kpi is how well incidents were answered since some time: how many there were, how long they took against the targets of their
// runbooks, how often a change helped, what was refused and how they ended. It is pure. It is fed message by message and holds only the
// incidents that are open at that point of the record, so it can read as many as there are.
package kpi

import (
	"time"

	"github.com/firebreak-sre/firebreak/incidents/measure"
)

// Report is the figures of a span of time. Incidents count in it by when they were opened.
type Report struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Handlers are the figures of each handler; Runbooks those of each runbook that several handlers automate.
	Handlers []Group `json:"handlers"`
	Runbooks []Group `json:"runbooks,omitempty"`
	// Earlier counts incidents that ended in this time and were opened before: they are in no figure. Unread counts messages that
	// could not be read: what they say is in no figure either.
	Earlier int `json:"earlier"`
	Unread  int `json:"unread"`
}

// Group is the figures of one handler, or of one runbook.
type Group struct {
	// Handler is empty in the figures of a runbook.
	Handler string `json:"handler,omitempty"`
	Runbook string `json:"runbook,omitempty"`
	// Incidents is how many were opened, Open how many of them have not ended.
	Incidents int `json:"incidents"`
	Open      int `json:"open"`
	// Spans are how long things took: the targets of the runbook, and detection, mitigation and recovery in any case.
	Spans []Span `json:"spans"`
	// Approvals is how long people took to say yes, where they did.
	Approvals Quantiles `json:"approvals"`
	Success   Rate      `json:"success"`
	Changes   Changes   `json:"changes"`
	Refused   []Refused `json:"refused,omitempty"`
	Outcomes  []Counted `json:"outcomes,omitempty"`
}

// Quantiles say how durations are spread, in seconds. P50 and P95 are right to half a percent, Worst is exact. All are 0 if Count is.
type Quantiles struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50_s"`
	P95   float64 `json:"p95_s"`
	Worst float64 `json:"worst_s"`
}

// Span is how long it took from one moment to another.
type Span struct {
	Name string         `json:"name"`
	From measure.Moment `json:"from"`
	To   measure.Moment `json:"to"`
	Quantiles
	// Target is the limit of the runbook in seconds, and Source its row; 0 and empty: it sets none.
	Target float64 `json:"target_s,omitempty"`
	Source string  `json:"source,omitempty"`
	// Met and Missed count incidents against the target, exactly. Those that took too long and were not over count as missed, so
	// the two can be more than Count. What cannot be measured is in neither.
	Met    int `json:"met"`
	Missed int `json:"missed"`
}

// Rate is how many of the ended incidents in which a change was sent were fixed by it. Low and High are the 95 % interval of Wilson.
type Rate struct {
	Fixed int     `json:"fixed"`
	Of    int     `json:"of"`
	Share float64 `json:"share"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	// Target is the share that the runbook demands, Source its row. Result is met if the whole interval is above it, missed if it is
	// below, and not measurable if there are too few incidents to tell.
	Target float64        `json:"target,omitempty"`
	Source string         `json:"source,omitempty"`
	Result measure.Result `json:"result,omitempty"`
}

// Changes count what was done at the targets.
type Changes struct {
	Sent     int `json:"sent"`
	Stood    int `json:"stood"`
	Helped   int `json:"helped"`
	Reverted int `json:"reverted"`
}

// Refused is how often a reason was said, and in how many incidents.
type Refused struct {
	Reason    string `json:"reason"`
	Incidents int    `json:"incidents"`
	Times     int    `json:"times"`
}

// Counted is how many incidents ended so.
type Counted struct {
	Outcome string `json:"outcome"`
	Count   int    `json:"count"`
}
