// Package bounds says what the remediation breaker can never pass. It brings no client, so that what was decided in the past, or would be
// by another policy, is held against the same bounds as the change itself.
package bounds

import (
	"time"

	"github.com/firebreak-sre/firebreak/remediations"
)

const (
	// Name is what a [remediations.Step] calls the remediation.
	Name = "breaker"
	// FixOpen is the fix by which nothing gets through.
	FixOpen = "open"
	// MaxOpen is the longest that an edge may be held open, renewals included; MaxLimit that of the other fixes.
	MaxOpen  = 5 * time.Minute
	MaxLimit = 10 * time.Minute
)

// Of a step are class A, and up to ten minutes; five for an edge that is held open. It does not say whether there is such an edge: any
// service can have a lease.
func Of(s remediations.Step) remediations.Bounds {
	return remediations.Bounds{
		Class:         remediations.ClassA,
		MaxLimit:      Longest(s.Fix),
		ExpiresItself: true,
		Adjusts:       true,
		Never: []string{
			"more than one edge at a time: there is no open-all",
			"an edge that somebody else holds",
			"open for more than 5 minutes",
		},
	}
}

// Longest is how long a fix may stand, renewals included.
func Longest(fix string) time.Duration {
	if fix == FixOpen {
		return MaxOpen
	}
	return MaxLimit
}
