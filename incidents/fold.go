package incidents

import (
	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Fold is the state after all events.
func Fold(events []Event) *State {
	s := &State{Stage: Looking}
	for _, e := range events {
		s.Apply(e)
	}
	return s
}

// Apply is what one more event does to the state. Events of kinds that this build does not know change nothing: a newer
// build wrote them, and a newer build acts on them.
func (s *State) Apply(e Event) {
	s.Events++
	if !e.Kind.known() || e.V > Version {
		s.Newer = true
	}
	if !e.Kind.known() {
		return
	}
	if !e.Due.IsZero() {
		s.Due = e.Due
	}
	if s.applyAlert(e) || s.applyThought(e) || s.applyPerson(e) {
		return
	}
	if f := s.Fix(); f != nil {
		s.applyFix(f, e)
	}
	if e.Kind == Closed {
		s.Stage, s.ClosedAt, s.Closing = Ended, e.At, e.Closing
	}
}

// applyAlert is for what Alertmanager said.
func (s *State) applyAlert(e Event) bool {
	switch e.Kind {
	case Opened:
		if e.Opening != nil {
			s.Opening, s.OpenedAt = *e.Opening, e.At
			s.join(e.Opening.Alert)
		}
	case AlertSeen:
		if e.Alert != nil {
			s.join(*e.Alert)
		}
	default:
		return false
	}
	return true
}

func (s *State) join(a alerts.Alert) {
	if known := s.alert(a.Fingerprint); known != nil {
		*known = a
		return
	}
	s.Alerts = append(s.Alerts, a)
}

// applyThought is for looks, decisions and refusals: they change what is known, not what stands.
func (s *State) applyThought(e Event) bool {
	switch e.Kind {
	case Observed:
		s.Looks = append(s.Looks, Look{At: e.At, Seen: e.Seen})
		if f := s.Fix(); f != nil && e.Presence != nil {
			f.Presence = *e.Presence
		}
	case Decided:
		s.Decision, s.Plan, s.Refusal = e.Decision, e.Plan, nil
	case Refused:
		s.refuse(e)
		if s.Stage == Planned {
			s.settle(s.Fix(), e, "")
		}
	case Escalated:
		s.Escalated = true
	case Intended:
		if e.Order == nil {
			return true
		}
		f := Fix{Order: *e.Order, Times: FixTimes{Intended: e.At}, Presence: e.Order.Seen}
		if s.Decision != nil && s.Decision.Verify != nil {
			f.Verify = *s.Decision.Verify
		}
		s.Fixes = append(s.Fixes, f)
		s.Stage, s.Refusal, s.Override, s.Recall = Planned, nil, nil, nil
		s.refusedFor = ""
		s.Asking, s.Approvals = nil, nil
	default:
		return false
	}
	return true
}

// applyFix is for the life of the present change.
func (s *State) applyFix(f *Fix, e Event) {
	if e.Order != nil {
		f.stepping = e.Order.Released != f.Order.Released
		f.Order = *e.Order
	}
	if e.Receipt != nil {
		f.Receipt = *e.Receipt
	}
	if e.Presence != nil {
		f.Presence = *e.Presence
	}
	switch e.Kind {
	case Issuing:
		s.Stage, f.Times.Issued, f.stepping = Sending, e.At, false
		f.LooksBefore = len(s.Looks)
	case Applied:
		s.Stage, f.Times.Applied, f.Doubts = Standing, e.At, 0
	case NotApplied:
		s.settle(f, e, OutcomeRefusedByFix)
	case GaveUp:
		s.settle(f, e, OutcomeUnknown)
	case InDoubt:
		s.Stage = Doubtful
		f.Doubts++
	case Verified:
		s.applyVerdict(f, e)
	case Held:
		s.Stage, f.held = Holding, true
	case Adjusting:
		s.Stage = Changing
	case Adjusted:
		s.applyAdjusted(f, e)
	case Regressed:
		f.Regressed, f.Outcome = true, OutcomeRegressed
	case Reverting:
		s.Stage, f.Times.Reverting = Undoing, e.At
	case RevertInDoubt:
		s.Stage = UndoDoubtful
		f.Doubts++
	case Reverted, Spent, NotOurs:
		s.settle(f, e, f.Outcome)
	}
}

func (s *State) applyVerdict(f *Fix, e Event) {
	if e.Judgement == nil {
		return
	}
	f.Judgement = e.Judgement
	switch e.Judgement.Effect {
	case Improved:
		if f.Times.Verified.IsZero() {
			f.Times.Verified = e.At
		}
		if !f.Regressed {
			f.Outcome = OutcomeFixed
		}
	case NoEffect:
		f.Outcome = OutcomeIneffective
	case Worse:
		f.Outcome = OutcomeWorse
	}
}

// applyAdjusted goes back to where the change stood: verified or not.
func (s *State) applyAdjusted(f *Fix, e Event) {
	s.Stage = Standing
	if f.held {
		s.Stage = Holding
	}
	if f.stepping {
		f.Times.Released = e.At
	} else {
		f.Renewals++
	}
	f.Presence.State, f.Presence.Released, f.Presence.Until = remediations.Ours, f.Order.Released, f.Order.Until
	f.Doubts = 0
}

// settle ends the present change.
func (s *State) settle(f *Fix, e Event, outcome Outcome) {
	s.Stage, f.Times.Ended = Settled, e.At
	f.LooksUntil = len(s.Looks)
	f.Outcome = outcome
}

// refuse keeps since when it has been the same no.
func (s *State) refuse(e Event) {
	s.Refusal = e.Refusal
	if e.Refusal != nil && e.Refusal.Reason != s.refusedFor {
		s.refusedFor, s.RefusedSince = e.Refusal.Reason, e.At
	}
}
