package handlers

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// The whole way: an alert leads to one change, which is verified, held, given back share by share and taken away; the resolve ends it.
func TestFixIsAppliedVerifiedGivenBackAndClosed(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run(1)
	s.deliver(alert("db", alerts.Firing))
	s.await("db", "settled", func(st *incidents.State) bool { return st.Stage == incidents.Settled })
	s.world.with(func() { s.world.sick = false })
	s.deliver(alert("db", alerts.Resolved))
	st := s.await("db", "closed", closed)

	if got := outcomeOf(st); got != incidents.OutcomeFixed {
		t.Errorf("outcome %s, want fixed: %s", got, s.story(st))
	}
	if effects, undone := s.world.total(t); effects != 1 || undone != 1 {
		t.Errorf("%d effects and %d undone, want 1 and 1: %s", effects, undone, s.story(st))
	}
	if want := []int{50, 90}; !slices.Equal(s.world.shares, want) {
		t.Errorf("shares given back %v, want %v", s.world.shares, want)
	}
	want := []incidents.Kind{incidents.Opened, incidents.Decided, incidents.Decided, incidents.Intended, incidents.Issuing, incidents.Applied,
		incidents.Verified, incidents.Held, incidents.Adjusting, incidents.Adjusted, incidents.Adjusting, incidents.Adjusted,
		incidents.Reverting, incidents.Reverted}
	if got := s.kinds(st); len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		t.Errorf("events\n%v, want them to begin with\n%v", got, want)
	}
	if open, err := s.agendaOpen(); err != nil || len(open) > 0 {
		t.Errorf("agenda after the end: %v %v, want nothing", open, err)
	}
}

func (s *stage) agendaOpen() (map[string]time.Time, error) {
	a, err := s.bus.Agenda(s.ctx, "agenda")
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		open, err := a.Open(s.ctx)
		if err != nil || len(open) == 0 || time.Now().After(deadline) {
			return open, err
		}
	}
}

// Alertmanager repeats itself, retries, and has peers: however often the same news comes, there is one incident and one change.
func TestDuplicatesActOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run(2) // two replicas
	a := alert("db", alerts.Firing)
	s.deliver(a, a, a)
	again := a
	again.Delivery.ExternalURL, again.StartsAt = "http://the-other-peer", a.StartsAt.Add(-3*time.Second)
	s.deliver(again, a)
	st := s.await("db", "settled", func(st *incidents.State) bool { return st.Stage == incidents.Settled })
	if st.ID.Number() != 1 {
		t.Errorf("the incident is number %d, want 1", st.ID.Number())
	}
	if effects, undone := s.world.total(t); effects != 1 || undone != 1 {
		t.Errorf("%d effects, %d undone, want 1 and 1: %s", effects, undone, s.story(st))
	}
}

// What each kind of answer, world and policy must lead to.
func TestEndings(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		world   func(*world)
		stage   func(*stage)
		until   func(*incidents.State) bool
		outcome incidents.Outcome
		effects int
		undone  int
		kind    incidents.Kind // must be in the record
	}{
		"observe mode says what it would have done": {
			stage: func(s *stage) { s.mode = policy.Observe }, until: refusedFor(remediations.ReasonObserve),
			outcome: incidents.OutcomeObserved, kind: incidents.Refused},
		"no effect within the window is taken back and told": {
			world: func(w *world) { w.cures = false }, until: settled,
			outcome: incidents.OutcomeIneffective, effects: 1, undone: 1, kind: incidents.Escalated},
		"worse is taken back at once": {
			world: func(w *world) { w.harms = true }, until: settled,
			outcome: incidents.OutcomeWorse, effects: 1, undone: 1, kind: incidents.Escalated},
		"the ramp brings it back: one share back, and a person": {
			world: func(w *world) { w.relapse = 90 }, until: func(st *incidents.State) bool { f := st.Fix(); return f != nil && f.Regressed },
			outcome: incidents.OutcomeRegressed, effects: 1, undone: 1, kind: incidents.Regressed},
		"a refusal by the target changes nothing": {
			world: func(w *world) { w.refuse = true }, until: settled,
			outcome: incidents.OutcomeRefusedByFix, kind: incidents.NotApplied},
		"applied and the answer lost: found at the target, not sent again": {
			world: func(w *world) { w.answer = errors.New("connection reset by peer") }, until: settled,
			outcome: incidents.OutcomeFixed, effects: 1, undone: 1, kind: incidents.InDoubt},
		"lost on the way: proven absent": {
			world: func(w *world) { w.deaf = true }, until: settled,
			outcome: incidents.OutcomeRefusedByFix, kind: incidents.InDoubt},
		"refused again and again: a person is called, and it ends": {
			world: func(w *world) { w.refuse = true }, until: func(st *incidents.State) bool { return len(st.Fixes) == 2 && st.Escalated },
			outcome: incidents.OutcomeRefusedByFix, kind: incidents.Escalated},
		"somebody else's change is left alone": {
			world: func(w *world) { w.holder, w.cures = "a person", false }, until: refusedFor(remediations.ReasonTargetBusy),
			outcome: incidents.OutcomeRefused, kind: incidents.Refused},
		"a target that cannot be read is not touched": {
			world: func(w *world) { w.mute = true }, until: refusedFor(remediations.ReasonProbeUnknown),
			outcome: incidents.OutcomeRefused, kind: incidents.Refused},
		"a healthy system is a false positive": {
			world: func(w *world) { w.sick = false }, until: func(st *incidents.State) bool { return st.Decision != nil },
			outcome: incidents.OutcomeFalsePositive, kind: incidents.Decided},
		"no budget, no change": {
			stage: func(s *stage) { s.limits.PerDomain.Hour = 0 }, until: refusedFor(remediations.ReasonBudgetSpent),
			outcome: incidents.OutcomeRefused, kind: incidents.Refused},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			if tc.world != nil {
				tc.world(s.world)
			}
			if tc.stage != nil {
				tc.stage(s)
			}
			s.run(1)
			s.deliver(alert("db", alerts.Firing))
			s.await("db", "as far as wanted", tc.until)
			s.deliver(alert("db", alerts.Resolved))
			st := s.await("db", "closed", closed)
			if got := outcomeOf(st); got != tc.outcome {
				t.Errorf("outcome %q, want %q: %s", got, tc.outcome, s.story(st))
			}
			if effects, undone := s.world.total(t); effects != tc.effects || undone != tc.undone {
				t.Errorf("%d effects and %d undone, want %d and %d: %s", effects, undone, tc.effects, tc.undone, s.story(st))
			}
			if !slices.Contains(s.kinds(st), tc.kind) {
				t.Errorf("no event %s in %s", tc.kind, s.story(st))
			}
		})
	}
}

func settled(st *incidents.State) bool { return st.Stage == incidents.Settled }

func refusedFor(r remediations.Reason) func(*incidents.State) bool {
	return func(st *incidents.State) bool { return st.Refusal != nil && st.Refusal.Reason == r }
}

// A backlog that is read hours later is not acted on; a fresh delivery of the same alert is.
func TestStaleAlertIsNotActedOnUntilItIsHeardOfAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run(1)
	old := alert("db", alerts.Firing)
	old.StartsAt, old.Delivery.At = old.StartsAt.Add(-time.Hour), old.Delivery.At.Add(-time.Hour)
	s.deliver(old)
	s.await("db", "refused as stale", refusedFor(remediations.ReasonStaleAlert))
	if effects, _ := s.world.total(t); effects != 0 {
		t.Fatalf("%d effects for an alert that is an hour old, want none", effects)
	}
	old.Delivery.At = time.Now().UTC()
	s.deliver(old)
	s.await("db", "settled", settled)
	if effects, _ := s.world.total(t); effects != 1 {
		t.Errorf("%d effects after the alert was delivered again, want 1", effects)
	}
}

// Two incidents in one failure domain: the second is refused by name while the first one's change stands.
func TestOneFixAtATimeInAFailureDomain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.world.cures, s.world.apart = false, true // the first change stands for its whole window, and the second target does not show it
	s.run(1)
	first, second := alert("a", alerts.Firing), alert("b", alerts.Firing)
	first.Labels["domain"], second.Labels["domain"] = "cluster", "cluster"
	second.Fingerprint = "00000000000000bb"
	s.deliver(first)
	s.await("a", "standing", func(st *incidents.State) bool { return st.Stage == incidents.Standing })
	s.deliver(second)
	st := s.await("b", "refused", refusedFor(remediations.ReasonTargetBusy))
	if st.Refusal.By == "" {
		t.Errorf("the refusal names nobody: %s", asJSON(st.Refusal))
	}
}

// The alert resolves while its change is being verified: the change is given back, without waiting for the hold.
func TestResolveTakesTheChangeBack(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.world.cures, s.world.rigid = false, true
	s.run(1)
	s.deliver(alert("db", alerts.Firing))
	s.await("db", "standing", func(st *incidents.State) bool { return st.Stage == incidents.Standing })
	s.deliver(alert("db", alerts.Resolved))
	st := s.await("db", "closed", closed)
	if _, undone := s.world.total(t); undone != 1 {
		t.Errorf("%d changes taken back, want 1: %s", undone, s.story(st))
	}
	if got := outcomeOf(st); got != incidents.OutcomeWithdrawn || !strings.Contains(st.Closing.Words, "taken back") {
		t.Errorf("closed as %s: %s, want withdrawn, saying that the change was taken back", got, st.Closing.Words)
	}
}

// Firing again after the end is a new incident; a late copy of the old firing is not.
func TestFiringAgainIsANewIncident(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.world.sick = false
	s.run(1)
	first := alert("db", alerts.Firing)
	s.deliver(first)
	s.await("db", "decided", func(st *incidents.State) bool { return st.Decision != nil })
	s.deliver(alert("db", alerts.Resolved))
	s.await("db", "closed", closed)
	late := first
	late.Delivery.At = time.Now().UTC()
	again := alert("db", alerts.Firing)
	again.StartsAt = time.Now().UTC().Add(time.Millisecond)
	s.deliver(late, again)
	st := s.await("db", "open again", func(st *incidents.State) bool { return st.Open() })
	if st.ID.Number() != 2 || !st.Alerts[0].StartsAt.Equal(again.StartsAt) {
		t.Errorf("incident %s by the alert of %s, want number 2 by that of %s", st.ID, st.Alerts[0].StartsAt, again.StartsAt)
	}
}

// A crash between recording an alert and telling anybody: the alert comes again as a mere repeat, and must be acted on all the same.
func TestRecordedAndNeverToldIsPickedUpByTheRepeat(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.world.sick = false
	s.run(1)
	s.deliver(alert("db", alerts.Firing))
	st := s.await("db", "waiting", func(st *incidents.State) bool { return st.Decision != nil })
	resolved := alert("db", alerts.Resolved)
	if err := s.store.Append(s.ctx, st, incidents.Event{V: incidents.Version, Kind: incidents.AlertSeen, At: time.Now(), Alert: &resolved, Due: time.Now()}); err != nil {
		t.Fatal(err)
	}
	s.deliver(resolved)
	s.await("db", "closed", closed)
}

// What stands in the way at the target costs nothing: when it is gone, the one fix of the hour is still there, and no cooldown has begun.
func TestRefusalAtTheTargetCostsNoBudget(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	hour := policy.Duration(time.Hour)
	s.limits.PerDomain, s.limits.Cooldown = policy.Budget{Hour: 1, Day: 1, Concurrent: 1}, &hour
	s.world.holder, s.world.cures = "a person", false
	s.run(1)
	first := alert("db", alerts.Firing)
	first.Labels["domain"] = "cluster"
	s.deliver(first)
	s.await("db", "refused", refusedFor(remediations.ReasonTargetBusy))
	s.world.with(func() { s.world.holder, s.world.cures = "", true })
	second := alert("other", alerts.Firing)
	second.Labels["domain"], second.Fingerprint = "cluster", "00000000000000bb"
	s.deliver(second)
	st := s.await("other", "settled", settled)
	if effects, _ := s.world.total(t); effects != 1 {
		t.Errorf("%d effects, want 1: %s", effects, s.story(st))
	}
}
