package modeltest

import (
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/remediations"
)

// story is one way in which a change can go, on one kind of target.
type story struct {
	name string
	kind kind
	tell func(*world, *target)
	// on are the kinds that a way is told of; empty: all.
	on []kind
	// heals is when the fault goes away by itself; 0: when its alert resolves, resolvesAt.
	heals time.Duration
}

// resolvesAt is when the alert of a story resolves.
const resolvesAt = 80 * time.Second

// stories are all of them: what happens to the world, and when.
func stories() []story {
	var all []story
	for _, k := range kinds() {
		for _, s := range ways() {
			if s.kind = k; len(s.on) == 0 || slices.Contains(s.on, k) {
				all = append(all, s)
			}
		}
	}
	return append(append(all, onceStories()...), keptStories()...)
}

func ways() []story {
	// To the kernel what harms is what does not help, and what is refused never was: that is told of some kinds each.
	return []story{
		{name: "fixed", tell: func(*world, *target) {}},
		{name: "ineffective", on: []kind{comparing, level, momentary}, tell: func(_ *world, t *target) { t.does = nothing }},
		{name: "worse", on: []kind{fencing, owned, momentary}, tell: func(_ *world, t *target) { t.does = harms }},
		{name: "refused", on: []kind{fencing, comparing, owned, level, momentary}, tell: func(w *world, t *target) {
			t.rejects = true
			w.later(20*time.Second, func() { t.rejects = false })
		}},
		{name: "answer lost", tell: func(w *world, t *target) { t.lost = true; w.later(12*time.Second, func() { t.lost = false }) }},
		{name: "never told", tell: func(w *world, t *target) {
			w.later(3*time.Second, func() { t.mute = true })
			w.later(25*time.Second, func() { t.mute = false })
		}},
		// What people say comes before the wire: it does not depend on the kind, but on whether the change can be taken back.
		{name: "approved", on: []kind{fencing, level, momentary}, tell: func(w *world, t *target) {
			t.class = remediations.ClassP2
			w.later(4*time.Second, func() { w.say("alice", approves) })
			w.later(9*time.Second, func() { w.say("bob", approves) })
		}},
		{name: "recalled", on: []kind{fencing, level}, tell: func(w *world, _ *target) {
			w.later(16*time.Second, func() { w.say("alice", recalls) })
		}},
		{name: "regressed", on: []kind{fencing}, tell: func(_ *world, t *target) { t.relapse = 50 }},
	}
}

// onceStories are what can only be said of a change that happens once.
func onceStories() []story {
	return []story{
		{name: "told behind its limit", kind: momentary, tell: func(w *world, t *target) {
			t.lost = true
			w.later(3*time.Second, func() { t.mute = true })
			w.later(limit+20*time.Second, func() { t.mute, t.lost = false, false })
		}},
		{name: "ended by itself in doubt", kind: momentary, tell: func(w *world, t *target) {
			t.slow = true
			w.whenSent(1000, func() { t.session.gone, t.edits, t.slow = true, t.edits+1, false })
		}},
		{name: "brought back in doubt", kind: momentary, tell: func(w *world, t *target) {
			t.lost = true
			w.later(3500*time.Millisecond, func() {
				if t.session.gone {
					t.arise()
				}
			})
			w.later(12*time.Second, func() { t.lost = false })
		}},
		{name: "recalled", kind: momentary, tell: func(w *world, t *target) {
			t.does = nothing
			w.later(16*time.Second, func() { w.say("alice", recalls) })
		}},
	}
}

// whenSent does something as soon as a command is on the network, and gives that up after so many looks.
func (w *world) whenSent(tries int, do func()) {
	switch {
	case len(w.wire) > 0:
		do()
	case tries > 0:
		w.later(10*time.Millisecond, func() { w.whenSent(tries-1, do) })
	}
}

// keptStories are of changes that are kept until they are healed.
func keptStories() []story {
	keeps := func(_ *world, t *target) { t.keeps = true }
	return []story{
		{name: "kept until healed", kind: fencing, tell: keeps, heals: 2 * time.Minute},
		{name: "kept until healed", kind: comparing, tell: keeps, heals: 2 * time.Minute},
		{name: "kept until its limit", kind: comparing, tell: keeps, heals: limit + time.Minute},
	}
}
