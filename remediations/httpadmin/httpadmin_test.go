package httpadmin_test

import (
	"errors"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/remediationtest"
)

// The admin endpoints keep to what every remediation must, on two instances.
func TestConformance(t *testing.T) {
	t.Parallel()
	remediationtest.Run(t, func(t *testing.T) remediationtest.Target {
		both := []*service{newService(t), newService(t)}
		all := func(f func(s *service)) {
			for _, s := range both {
				s.set(f)
			}
		}
		first := both[0]
		return remediationtest.Target{
			Remediation: admin(t, endpoints(both...)),
			Step:        step(),
			Standing:    func() string { return get(first, func(s *service) string { return s.action }) },
			Effects:     func() int { return get(first, func(s *service) int { return s.effects }) },
			Stranger:    func() { all(func(s *service) { s.action = remediationtest.Stranger; s.effects++ }) },
			Expire:      func() { all(func(s *service) { s.action = "" }) },
			Mute: func(do func()) {
				all(func(s *service) { s.mute = true })
				defer all(func(s *service) { s.mute = false })
				do()
			},
		}
	})
}

// What a command came to is told apart: done, refused with proof, or in doubt; and Check says how many instances obey.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	const good, doubtful, refused = "good", "in doubt", "refused"
	for name, c := range map[string]struct {
		first, second func(s *service)
		outcome       string
		state         remediations.State
		obeying       int
	}{
		"both do it":             {nil, nil, good, remediations.Ours, 2},
		"both refuse":            {status(409), status(412), refused, remediations.Absent, 2},
		"one refuses":            {nil, status(409), doubtful, remediations.Ours, 1},
		"one answers 500":        {nil, status(500), doubtful, remediations.Ours, 1},
		"both do it and say 500": {broken, broken, doubtful, remediations.Ours, 2},
		"one is mute":            {nil, func(s *service) { s.mute = true }, doubtful, remediations.Ours, 2},
		"both answer 503":        {status(503), status(503), doubtful, remediations.Absent, 2},
		"both redirect":          {status(302), status(307), doubtful, remediations.Absent, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both := [2]*service{newService(t), newService(t)}
			for i, f := range []func(s *service){c.first, c.second} {
				if f != nil {
					both[i].set(f)
				}
			}
			r := admin(t, endpoints(both[:]...))
			o := order("a1")
			o.Timeout = policy.Duration(300 * time.Millisecond)
			receipt, err := r.Apply(t.Context(), o)
			got := doubtful
			switch {
			case err == nil:
				got = good
				words(t, receipt.Note, "2 of 2 instances answered 200")
			case errors.Is(err, remediations.ErrRefused):
				got = refused
			}
			if got != c.outcome {
				t.Errorf("apply: got %s (%v), want %s", got, err, c.outcome)
			}
			p, err := r.Check(t.Context(), o)
			if err != nil || p.State != c.state || p.Obeying != c.obeying || p.Instances != 2 {
				t.Errorf("check: got %+v, %v, want %s, %d of 2", p, err, c.state, c.obeying)
			}
			for _, s := range both {
				if n := get(s, func(s *service) int { return s.commands }); n != 1 {
					t.Errorf("an instance got %d commands, want 1", n)
				}
			}
		})
	}
}

func status(code int) func(s *service) { return func(s *service) { s.status = code } }
func broken(s *service)                { s.broken = true }

// A command that was not answered arrives late and takes effect: this target has no fence, and Check says what is.
func TestLateCommand(t *testing.T) {
	t.Parallel()
	s := newService(t)
	deliver := make(chan struct{})
	s.set(func(s *service) { s.delay = deliver })
	r := admin(t, endpoints(s))
	o := order("a1")
	o.Timeout = policy.Duration(100 * time.Millisecond)
	if _, err := r.Apply(t.Context(), o); err == nil || errors.Is(err, remediations.ErrRefused) {
		t.Errorf("apply: got %v, want doubt", err)
	}
	if _, can := remediations.Remediation(r).(remediations.Fencer); can {
		t.Error("it claims to be a Fencer")
	}
	close(deliver)
	s.server.Close() // waits for the handler
	if got := get(s, func(s *service) string { return s.action }); got != "a1" {
		t.Errorf("got %q, want a1", got)
	}
}

// An instance that is down refuses the change beforehand, and is Unknown to Check; where ours stands on another it is Ours,
// and Revert leaves the matter open.
func TestInstanceDown(t *testing.T) {
	t.Parallel()
	up, down := newService(t), newService(t)
	r := admin(t, endpoints(up, down))
	down.server.Close()
	o := order("a1")
	if _, err := r.Apply(t.Context(), o); !errors.Is(err, remediations.ErrRefused) {
		t.Errorf("apply: got %v, want ErrRefused", err)
	}
	if p, err := r.Check(t.Context(), o); err == nil || p.State != remediations.Unknown {
		t.Errorf("check: got %+v, %v, want unknown", p, err)
	}
	up.set(func(s *service) { s.action = "a1" })
	if p, err := r.Check(t.Context(), o); err != nil || p.State != remediations.Ours || p.Obeying != 1 || p.Instances != 2 {
		t.Errorf("check: got %+v, %v, want ours on 1 of 2", p, err)
	}
	if err := r.Revert(t.Context(), o, remediations.Receipt{}); err == nil || errors.Is(err, remediations.ErrNotOurs) {
		t.Errorf("revert: got %v, want doubt", err)
	}
	if got := get(up, func(s *service) string { return s.action }); got != "" {
		t.Errorf("the instance that is up still has %q", got)
	}
}

// Where one instance has ours and another somebody else's, only ours is taken back.
func TestMixedOwners(t *testing.T) {
	t.Parallel()
	mine, other := newService(t), newService(t)
	mine.set(func(s *service) { s.action = "a1" })
	other.set(func(s *service) { s.action = "a2" })
	r := admin(t, endpoints(mine, other))
	o := order("a1")
	p, err := r.Check(t.Context(), o)
	if err != nil || p.State != remediations.Ours || p.Obeying != 1 {
		t.Errorf("check: got %+v, %v, want ours on 1", p, err)
	}
	words(t, p.Detail, `on by action "a2"`)
	if _, err := r.Apply(t.Context(), o); !errors.Is(err, remediations.ErrRefused) {
		t.Errorf("apply: got %v, want ErrRefused", err)
	}
	if err := r.Revert(t.Context(), o, remediations.Receipt{}); err != nil {
		t.Errorf("revert: %v", err)
	}
	got := [2]string{get(mine, func(s *service) string { return s.action }), get(other, func(s *service) string { return s.action })}
	if got != [2]string{"", "a2"} {
		t.Errorf("standing: got %q", got)
	}
}

// A service that does not keep the action: what stands is presumed ours only if the edge was seen absent when the order was
// made, people read "presumed", and Apply presumes nothing.
func TestOwnerless(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.set(func(s *service) { s.ownerless = true })
	fix := endpoints(s)
	c := fix.Controls["open"]
	c.Read.Action = ""
	fix.Controls["open"] = c
	r := admin(t, fix)

	s.set(func(s *service) { s.action = "a person" })
	before := order("a1")
	before.Seen = remediations.Presence{}
	if p, err := r.Check(t.Context(), before); err != nil || p.State != remediations.Foreign {
		t.Errorf("check before the order: got %+v, %v, want foreign", p, err)
	}
	if err := r.Revert(t.Context(), before, remediations.Receipt{}); !errors.Is(err, remediations.ErrNotOurs) {
		t.Errorf("revert: got %v, want ErrNotOurs", err)
	}
	o := order("a1")
	if _, err := r.Apply(t.Context(), o); err == nil || errors.Is(err, remediations.ErrRefused) {
		t.Errorf("apply on what is on: got %v, want doubt", err)
	}
	if n := get(s, func(s *service) int { return s.commands }); n != 0 {
		t.Errorf("got %d commands, want none", n)
	}
	s.set(func(s *service) { s.action = "" })
	receipt, err := r.Apply(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.Check(t.Context(), o)
	if err != nil || p.State != remediations.Ours {
		t.Errorf("check: got %+v, %v, want ours", p, err)
	}
	words(t, p.Detail, "presumed")
	if err := r.Revert(t.Context(), o, receipt); err != nil {
		t.Errorf("revert: %v", err)
	}
}
