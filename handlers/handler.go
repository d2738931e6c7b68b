// Package handlers carries an incident from its first alert to its end: observe, decide, guard, act, verify, hold,
// give back. Each failure family is a folder below: it thinks (Decide, Judge; see package think), its own folder probe looks (Observe), and
// neither ever acts.
//
// Decide and Judge are pure functions of what is in the record, so that every past decision can be derived again and any
// policy can be tried on the past. They read no clock and no network; a lint rule holds that.
package handlers

import (
	"context"

	"github.com/firebreak-sre/firebreak/handlers/think"
)

// What is thought about: see package think.
type (
	// Target is what an alert is about, as the policy names it.
	Target = think.Target
	// Thinker is the half of a failure family that only thinks.
	Thinker[O any] = think.Thinker[O]
	// Case is everything that a decision may rest on.
	Case[O any] = think.Case[O]
	// Look is one observation and when it was made.
	Look[O any] = think.Look[O]
	// Stood is the change that stands while it is judged.
	Stood = think.Stood
)

// Prober is the half of a failure family that looks.
type Prober[O any] interface {
	// Observe looks at the live system, reads only, and returns within the context's deadline. A part that could not be
	// read is said in O, never guessed. An error means that nothing could be read; O is recorded all the same, and says it too.
	Observe(ctx context.Context, target string) (O, error)
}
