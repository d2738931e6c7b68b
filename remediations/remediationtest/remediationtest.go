// Package remediationtest is what every remediation must keep to, as one suite that runs against a real target. An
// implementation hands in a [Target] and calls [Run] in its own tests.
package remediationtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Target is a real target and the hands that a test needs on it. Each test gets its own.
type Target struct {
	Remediation remediations.Remediation
	// Step is a change that the target accepts. Its TTL is short enough to wait for where Expire waits.
	Step remediations.Step
	// Standing looks past the remediation: whose change stands at the target, "" if none.
	Standing func() string
	// Effects counts how often a change came to stand at the target, whoever made it.
	Effects func() int
	// Stranger makes somebody else's change at the target, over whatever stands there.
	Stranger func()
	// Expire returns when a change that nobody renewed no longer stands.
	Expire func()
	// Mute runs do with the target's answers lost: commands arrive and take effect, and do does not learn of it.
	Mute func(do func())
	// Delay runs do with its commands kept on the wire, and returns what delivers them. Nil if the target cannot.
	Delay func(do func()) (deliver func())
}

// Stranger is the action that [Target.Stranger] uses.
const Stranger = "stranger"

// Run runs the suite. It asks for a new target for each test.
func Run(t *testing.T, open func(t *testing.T) Target) {
	for name, test := range map[string]func(*testing.T, Target){
		"change stands and is taken back":       stands,
		"same order twice is one effect":        twice,
		"revert twice":                          revertTwice,
		"revert after expiry":                   revertExpired,
		"late apply has no effect":              late,
		"stale look is refused":                 stale,
		"busy edge is refused":                  busy,
		"foreign change is left alone":          foreign,
		"foreign change over ours is left":      overtaken,
		"adjust of what is gone is refused":     adjustGone,
		"adjust twice":                          adjustTwice,
		"late adjust has no effect":             adjustLate,
		"doubt is resolved by check":            doubt,
		"fence makes a late apply fail":         fence,
		"fence leaves what stands":              fenceStanding,
		"canceled context never claims success": canceled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// order is an order of the target's step, seen as the target is now.
func order(t *testing.T, g Target, action string) remediations.Order {
	t.Helper()
	now := time.Now()
	o := remediations.Order{Step: g.Step, Action: action, Incident: "incident-1", Fence: 5,
		Deadline: now.Add(30 * time.Second), Until: now.Add(g.Step.TTL.D())}
	p, err := g.Remediation.Check(t.Context(), o)
	if err != nil || p.State != remediations.Absent {
		t.Fatalf("check before: got %+v, %v, want absent", p, err)
	}
	o.Seen = p
	return o
}

func apply(t *testing.T, g Target, o remediations.Order) remediations.Receipt {
	t.Helper()
	r, err := g.Remediation.Apply(t.Context(), o)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return r
}

func want(t *testing.T, g Target, o remediations.Order, state remediations.State, standing string) {
	t.Helper()
	p, err := g.Remediation.Check(t.Context(), o)
	if err != nil || p.State != state {
		t.Errorf("check: got %+v, %v, want %s", p, err, state)
	}
	if got := g.Standing(); got != standing {
		t.Errorf("standing at the target: got %q, want %q", got, standing)
	}
}

func wantEffects(t *testing.T, g Target, n int) {
	t.Helper()
	if got := g.Effects(); got != n {
		t.Errorf("effects at the target: got %d, want %d", got, n)
	}
}

// A change stands at the target as soon as Apply returned, is ours to Check, and is gone as soon as Revert returned.
func stands(t *testing.T, g Target) {
	o := order(t, g, "a1")
	r := apply(t, g, o)
	want(t, g, o, remediations.Ours, "a1")
	if r.Note == "" {
		t.Error("receipt says nothing to people")
	}
	if err := g.Remediation.Revert(t.Context(), o, r); err != nil {
		t.Fatalf("revert: %v", err)
	}
	want(t, g, o, remediations.Absent, "")
	wantEffects(t, g, 1)
}

// A worker that died after the command and another that repeats it have one effect between them.
func twice(t *testing.T, g Target) {
	o := order(t, g, "a1")
	apply(t, g, o)
	apply(t, g, o)
	want(t, g, o, remediations.Ours, "a1")
	wantEffects(t, g, 1)
}

// Reverting what is absent succeeds, so that a repeated revert does.
func revertTwice(t *testing.T, g Target) {
	o := order(t, g, "a1")
	r := apply(t, g, o)
	for i := range 2 {
		if err := g.Remediation.Revert(t.Context(), o, r); err != nil {
			t.Fatalf("revert %d: %v", i, err)
		}
	}
	want(t, g, o, remediations.Absent, "")
}

// A change that ended by itself is not missed.
func revertExpired(t *testing.T, g Target) {
	o := order(t, g, "a1")
	r := apply(t, g, o)
	g.Expire()
	want(t, g, o, remediations.Absent, "")
	if err := g.Remediation.Revert(t.Context(), o, r); err != nil {
		t.Fatalf("revert: %v", err)
	}
	wantEffects(t, g, 1)
}

// After its deadline an order does nothing, and says so with proof.
func late(t *testing.T, g Target) {
	o := order(t, g, "a1")
	o.Deadline = time.Now().Add(-time.Millisecond)
	if _, err := g.Remediation.Apply(t.Context(), o); !errors.Is(err, remediations.ErrRefused) {
		t.Errorf("apply: got %v, want ErrRefused", err)
	}
	want(t, g, o, remediations.Absent, "")
	wantEffects(t, g, 0)
}

// What changed between the look and the command is not overwritten: the compare of compare-and-act.
func stale(t *testing.T, g Target) {
	o := order(t, g, "a1")
	g.Stranger()
	if _, err := g.Remediation.Apply(t.Context(), o); !errors.Is(err, remediations.ErrRefused) {
		t.Errorf("apply: got %v, want ErrRefused", err)
	}
	want(t, g, o, remediations.Foreign, Stranger)
	wantEffects(t, g, 1)
}

// An edge that was not seen absent is not touched.
func busy(t *testing.T, g Target) {
	o := order(t, g, "a1")
	for _, s := range []remediations.State{"", remediations.Ours, remediations.Foreign, remediations.Unknown} {
		o.Seen.State = s
		if _, err := g.Remediation.Apply(t.Context(), o); !errors.Is(err, remediations.ErrRefused) {
			t.Errorf("apply on seen %q: got %v, want ErrRefused", s, err)
		}
	}
	wantEffects(t, g, 0)
}

// Somebody else's change is foreign to Check and is not touched by anything.
func foreign(t *testing.T, g Target) {
	o := order(t, g, "a1")
	g.Stranger()
	untouched(t, g, o, remediations.Receipt{})
}

// Somebody else's change over ours is theirs.
func overtaken(t *testing.T, g Target) {
	o := order(t, g, "a1")
	r := apply(t, g, o)
	g.Stranger()
	untouched(t, g, o, r)
}

func untouched(t *testing.T, g Target, o remediations.Order, r remediations.Receipt) {
	t.Helper()
	before := g.Effects()
	p, err := g.Remediation.Check(t.Context(), o)
	if err != nil || p.State != remediations.Foreign || p.Detail == "" {
		t.Errorf("check: got %+v, %v, want foreign, with who", p, err)
	}
	if err := g.Remediation.Revert(t.Context(), o, r); !errors.Is(err, remediations.ErrNotOurs) {
		t.Errorf("revert: got %v, want ErrNotOurs", err)
	}
	if a, can := g.Remediation.(remediations.Adjuster); can && g.Remediation.Bounds(g.Step).Adjusts {
		o.Released = 50
		if _, err := a.Adjust(t.Context(), o, r); !errors.Is(err, remediations.ErrNotOurs) {
			t.Errorf("adjust: got %v, want ErrNotOurs", err)
		}
	}
	if f, can := g.Remediation.(remediations.Fencer); can {
		if p, err := f.Fence(t.Context(), o); err != nil || p.State != remediations.Foreign {
			t.Errorf("fence: got %+v, %v, want foreign", p, err)
		}
	}
	want(t, g, o, remediations.Foreign, Stranger)
	wantEffects(t, g, before)
}

// A renewal never brings back what ended.
func adjustGone(t *testing.T, g Target) {
	a, can := g.Remediation.(remediations.Adjuster)
	if !can || !g.Remediation.Bounds(g.Step).Adjusts {
		t.Skip("this remediation cannot adjust")
	}
	o := order(t, g, "a1")
	r := apply(t, g, o)
	g.Expire()
	o.Until, o.Released = time.Now().Add(g.Step.TTL.D()), 50
	if _, err := a.Adjust(t.Context(), o, r); !errors.Is(err, remediations.ErrNotOurs) {
		t.Errorf("adjust: got %v, want ErrNotOurs", err)
	}
	want(t, g, o, remediations.Absent, "")
	wantEffects(t, g, 1)
}

// Giving calls back may be repeated, with the old receipt as with the new, and the change remains ours to take away.
func adjustTwice(t *testing.T, g Target) {
	a, can := g.Remediation.(remediations.Adjuster)
	if !can || !g.Remediation.Bounds(g.Step).Adjusts {
		t.Skip("this remediation cannot adjust")
	}
	o := order(t, g, "a1")
	first := apply(t, g, o)
	o.Released = 50
	last := first
	for i := range 2 {
		r, err := a.Adjust(t.Context(), o, first)
		if err != nil {
			t.Fatalf("adjust %d: %v", i, err)
		}
		last = r
	}
	want(t, g, o, remediations.Ours, "a1")
	wantEffects(t, g, 1)
	if err := g.Remediation.Revert(t.Context(), o, last); err != nil {
		t.Fatalf("revert: %v", err)
	}
	want(t, g, o, remediations.Absent, "")
}

// A worker that was frozen over its deadline does not renew.
func adjustLate(t *testing.T, g Target) {
	a, can := g.Remediation.(remediations.Adjuster)
	if !can || !g.Remediation.Bounds(g.Step).Adjusts {
		t.Skip("this remediation cannot adjust")
	}
	o := order(t, g, "a1")
	r := apply(t, g, o)
	before, err := g.Remediation.Check(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Released, o.Deadline = 50, time.Now().Add(-time.Millisecond)
	if _, err := a.Adjust(t.Context(), o, r); !errors.Is(err, remediations.ErrRefused) {
		t.Errorf("adjust: got %v, want ErrRefused", err)
	}
	if after, err := g.Remediation.Check(t.Context(), o); err != nil || after != before {
		t.Errorf("check: got %+v, %v, want as before, %+v", after, err, before)
	}
}

// An answer that never came is doubt, not a refusal; the target resolves it.
func doubt(t *testing.T, g Target) {
	o := order(t, g, "a1")
	o.Timeout = policy.Duration(200 * time.Millisecond)
	g.Mute(func() {
		_, err := g.Remediation.Apply(t.Context(), o)
		if err == nil || errors.Is(err, remediations.ErrRefused) {
			t.Errorf("apply: got %v, want an error that leaves it in doubt", err)
		}
	})
	o.Timeout = g.Step.Timeout
	want(t, g, o, remediations.Ours, "a1")
	if err := g.Remediation.Revert(t.Context(), o, remediations.Receipt{}); err != nil {
		t.Fatalf("revert without a receipt: %v", err)
	}
	want(t, g, o, remediations.Absent, "")
	wantEffects(t, g, 1)
}

// A command that is still on its way when the target is fenced does nothing when it arrives.
func fence(t *testing.T, g Target) {
	f, can := g.Remediation.(remediations.Fencer)
	if !can || g.Delay == nil {
		t.Skip("this remediation cannot fence")
	}
	o := order(t, g, "a1")
	o.Timeout = policy.Duration(200 * time.Millisecond)
	deliver := g.Delay(func() {
		if _, err := g.Remediation.Apply(t.Context(), o); err == nil || errors.Is(err, remediations.ErrRefused) {
			t.Errorf("apply: got %v, want an error that leaves it in doubt", err)
		}
	})
	o.Timeout = g.Step.Timeout
	p, err := f.Fence(t.Context(), o)
	if err != nil || p.State != remediations.Absent {
		t.Errorf("fence: got %+v, %v, want absent", p, err)
	}
	deliver()
	want(t, g, o, remediations.Absent, "")
	wantEffects(t, g, 0)
	again := order(t, g, "a2")
	apply(t, g, again)
	want(t, g, again, remediations.Ours, "a2")
}

// Fencing an order whose change stands says so, and does not take it away.
func fenceStanding(t *testing.T, g Target) {
	f, can := g.Remediation.(remediations.Fencer)
	if !can {
		t.Skip("this remediation cannot fence")
	}
	o := order(t, g, "a1")
	apply(t, g, o)
	if p, err := f.Fence(t.Context(), o); err != nil || p.State != remediations.Ours {
		t.Errorf("fence: got %+v, %v, want ours", p, err)
	}
	want(t, g, o, remediations.Ours, "a1")
}

// A caller that is stopping gets an error, from everything.
func canceled(t *testing.T, g Target) {
	o := order(t, g, "a1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Remediation.Apply(ctx, o); err == nil {
		t.Error("apply: got no error")
	}
	if p, err := g.Remediation.Check(ctx, o); err == nil || p.State != remediations.Unknown {
		t.Errorf("check: got %+v, %v, want unknown", p, err)
	}
	if err := g.Remediation.Revert(ctx, o, remediations.Receipt{}); err == nil {
		t.Error("revert: got no error")
	}
	want(t, g, o, remediations.Absent, "")
	wantEffects(t, g, 0)
}
