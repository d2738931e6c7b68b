package tracing

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Name is what a span is about. The set is closed, so that whoever groups by it has few groups.
type Name string

// The spans, in the order of an incident. See the package's documentation for what is below what.
const (
	Receive   Name = "receive"   // a webhook's body, from its first byte to all alerts being stored
	Reread    Name = "reread"    // what Alertmanager's API told after a truncated notification
	Reconcile Name = "reconcile" // what Alertmanager's API says and no webhook said: one alert
	Journal   Name = "journal"   // storing one entry for good
	Take      Name = "take"      // what one alert is to one handler's incident, recorded
	Look      Name = "look"      // the probe
	Decide    Name = "decide"    // the rules, and everything outside of the handler that may say no
	Approve   Name = "approve"   // the look and the decision again, after people said yes
	Reserve   Name = "reserve"   // the ledger's answer
	Approval  Name = "approval"  // waiting for people: from the asking to its end
	Issue     Name = "issue"     // the last gate, and the command behind it
	Apply     Name = "apply"     // one command to the target, and its answer
	Check     Name = "check"     // asking the target what stands there, after an answer was lost
	Verify    Name = "verify"    // whether the change helped, looked at once
	Adjust    Name = "adjust"    // a renewal, or a share given back
	Revert    Name = "revert"    // one command to take the change back
	Close     Name = "close"     // the end of the incident
	Tell      Name = "tell"      // telling one place of one event
)

// kind is on which side of a call the span is.
func (n Name) kind() trace.SpanKind {
	switch n {
	case Receive:
		return trace.SpanKindServer
	case Reread, Reconcile, Look, Apply, Check, Adjust, Revert, Tell:
		return trace.SpanKindClient
	}
	return trace.SpanKindInternal
}

// Key is what an attribute says. Values are names and codes that the policy or this program chose, never text that strangers wrote.
type Key string

// The attributes.
const (
	Incident Key = "firebreak.incident"
	Handler  Key = "firebreak.handler"
	Target   Key = "firebreak.target"
	Fix      Key = "firebreak.fix"
	Place    Key = "firebreak.place" // where the fix is, such as orders/pg2
	Action   Key = "firebreak.action"
	Cause    Key = "firebreak.cause"
	Verdict  Key = "firebreak.verdict"
	Refusal  Key = "firebreak.refusal" // the reason's code: docs/refusals.md
	Effect   Key = "firebreak.effect"
	Outcome  Key = "firebreak.outcome"
	Joining  Key = "firebreak.joining"
	Result   Key = "firebreak.result"
	Sink     Key = "firebreak.integration"
	Event    Key = "firebreak.event" // the kind of the event that is told
	Alerts   Key = "firebreak.alerts"
	Bytes    Key = "firebreak.bytes"
	Released Key = "firebreak.released_percent"
)

// maxText is how much of a text is kept, in bytes.
const maxText = 200

// Span is something that takes time. Nil is one that nobody wants: all methods take it.
type Span struct {
	span trace.Span
}

// Text adds a name or a code, cut to 200 bytes.
func (s *Span) Text(k Key, v string) {
	if s == nil {
		return
	}
	s.span.SetAttributes(attribute.String(string(k), plain(v)))
}

// Count adds a number.
func (s *Span) Count(k Key, n int) {
	if s == nil {
		return
	}
	s.span.SetAttributes(attribute.Int(string(k), n))
}

// Fail marks the span as failed, by a code of few possible ones.
func (s *Span) Fail(code string) {
	if s == nil {
		return
	}
	code = plain(code)
	s.span.SetAttributes(attribute.String("error.type", code))
	s.span.SetStatus(codes.Error, code)
}

// Error marks the span as failed unless err is nil. Of the error no more is kept than whether time or somebody else ended it: its text may hold
// anything, and is in the record.
func (s *Span) Error(err error) {
	if s == nil || err == nil {
		return
	}
	s.Fail(codeOf(err))
}

// End ends the span. Nothing may be added after it.
func (s *Span) End() {
	if s == nil {
		return
	}
	s.span.End()
}

// EndAt ends the span at a moment that is over.
func (s *Span) EndAt(at time.Time) {
	if s == nil {
		return
	}
	s.span.End(trace.WithTimestamp(at))
}

// codeOf is all that is told of an error.
func codeOf(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	}
	return "failed"
}

// plain is a text without what would break a screen, or the encoding that it is sent in, cut between runes.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, s)
	if len(s) <= maxText {
		return s
	}
	cut := 0
	for i := range s {
		if i > maxText {
			break
		}
		cut = i
	}
	return s[:cut]
}
