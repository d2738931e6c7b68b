// Package bounds says what no fix of sessions can pass. It is apart from the fixes so that who only asks about them reaches no store.
package bounds

import (
	"time"

	"github.com/firebreak-sre/firebreak/remediations"
)

// Name is what a [remediations.Step] calls this remediation.
const Name = "sessions"

// Node is what a step calls the sessions of a store, which is its cluster: "webshop/sessions".
const Node = "sessions"

// The fixes.
const (
	FixSync       = "sync"
	FixQuarantine = "quarantine"
	FixReconcile  = "reconcile"
	FixSetAside   = "set_aside"
	FixRecover    = "recover"
)

const (
	// MaxLimit is the longest that the effect of a change is looked for. A store keeps what was taken for a day, so there is always time to
	// give it back.
	MaxLimit = 30 * time.Minute
	// MaxTimeout is the longest that one order may take, the waits between the stages of a recovery included.
	MaxTimeout = time.Minute
	// StageSpare is how much longer than the waits between its stages the timeout of a recovery must be.
	StageSpare = 5 * time.Second
)

// Of are the bounds of one fix. What is not known, or is no store, is of class N.
func Of(s remediations.Step, isStore func(name string) bool) remediations.Bounds {
	b := remediations.Bounds{Class: remediations.ClassN, MaxLimit: MaxLimit, Once: true}
	if s.Place() == "" || s.Node != Node || !isStore(s.Cluster) {
		return b
	}
	switch s.Fix {
	case FixSync:
		b.Class, b.Never = remediations.ClassA, neverSent()
	case FixQuarantine:
		b.Class, b.Undo, b.Never = remediations.ClassA, true, neverTaken()
	case FixReconcile:
		b.Class, b.Undo, b.Never = remediations.ClassA, true, neverReconciled()
	case FixSetAside:
		b.Class, b.Undo, b.Never = remediations.ClassP, true, neverReconciled()
	case FixRecover:
		b.Class, b.Undo, b.Never = remediations.ClassP, true, neverRecovered()
	}
	return b
}

func neverSent() []string {
	return []string{
		"more than 100 sessions, or a full copy of the store",
		"anything while the membership has no quorum, or is of another epoch than the plan's",
	}
}

func neverTaken() []string {
	return []string{
		"a session whose owner has not been given up by a majority of the registered nodes, or that anybody vouches for",
		"a session whose lease is not over for more than twice its length, by the store's clock",
		"a session that was written since the plan was made",
		"more than 50 sessions, or than one in a hundred",
		"anything while the membership has no quorum, changed a short time ago, or is of another epoch than the plan's",
		"it deletes nothing",
	}
}

func neverReconciled() []string {
	return []string{
		"a session of which a copy was written, or came or went, since the plan was made",
		"more than 50 copies, or than one in a hundred",
		"anything while the membership has no quorum, or is of another epoch than the plan's",
		"no clock decides which copy is right, and nothing is deleted",
	}
}

func neverRecovered() []string {
	return []string{
		"a session that is no orphan by a majority of the registered nodes, or that was written since the plan was made",
		"a member that is not alive as the new owner",
		"more than 200 sessions, more than 50 before anybody looks whether it helped, or a further part if it did not",
		"anything while the membership has no quorum, changed a short time ago, or is of another epoch than the plan's",
	}
}
