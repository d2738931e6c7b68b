package handlers

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
)

// onceStage is a stage whose change happens and is over.
func onceStage(t *testing.T, set func(*world)) *stage {
	t.Helper()
	s := newStage(t)
	s.world.once = true
	if set != nil {
		set(s.world)
	}
	s.run(1)
	s.deliver(alert("db", alerts.Firing))
	return s
}

// A change that happens once is judged, ends without being taken back, and its incident says so.
func TestOnceIsNeverTakenBack(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		set     func(*world)
		outcome incidents.Outcome
		kinds   []incidents.Kind // in this order in the record
		words   string
	}{
		"it helps": {outcome: incidents.OutcomeFixed, kinds: []incidents.Kind{incidents.Applied, incidents.Verified, incidents.Spent},
			words: "was done and helped; there is nothing to take back"},
		"it does not help": {set: func(w *world) { w.cures = false }, outcome: incidents.OutcomeIneffective,
			kinds: []incidents.Kind{incidents.Applied, incidents.Verified, incidents.Escalated, incidents.Spent}, words: "was done, ineffective"},
		"the answer is lost: the target says that it is so, not by whom": {set: func(w *world) { w.answer = errors.New("connection reset by peer") },
			outcome: incidents.OutcomeFixed, kinds: []incidents.Kind{incidents.InDoubt, incidents.Applied, incidents.Verified, incidents.Spent}, words: "helped"},
		"the target refuses": {set: func(w *world) { w.refuse = true }, outcome: incidents.OutcomeRefusedByFix,
			kinds: []incidents.Kind{incidents.Issuing, incidents.NotApplied}, words: "nothing was changed"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := onceStage(t, c.set)
			s.await("db", "settled", func(st *incidents.State) bool { return st.Stage == incidents.Settled })
			s.world.with(func() { s.world.sick, s.world.refuse = false, true })
			s.deliver(alert("db", alerts.Resolved))
			st := s.await("db", "closed", closed)
			if got := outcomeOf(st); got != c.outcome || !strings.Contains(st.Closing.Words, c.words) {
				t.Errorf("outcome %s: %q, want %s with %q: %s", got, st.Closing.Words, c.outcome, c.words, s.story(st))
			}
			if _, undone := s.world.total(t); undone != 0 {
				t.Errorf("it was taken back %d times", undone)
			}
			at, kinds := 0, s.kinds(st)
			for _, want := range c.kinds {
				i := slices.Index(kinds[at:], want)
				if i < 0 {
					t.Fatalf("no %s after place %d: %s", want, at, s.story(st))
				}
				at += i + 1
			}
		})
	}
}

// A change that happens once and can be taken back is, unless it is shown that it helped.
func TestOnceIsTakenBackWhereItCanBe(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		set     func(*world)
		recall  bool
		outcome incidents.Outcome
		undone  int
		words   string
	}{
		"it helps":               {outcome: incidents.OutcomeFixed, words: "nothing to take back"},
		"it does not help":       {set: func(w *world) { w.cures = false }, outcome: incidents.OutcomeIneffective, undone: 1, words: "it was taken back"},
		"a person wants it back": {set: func(w *world) { w.cures, w.patient = false, true }, recall: true, outcome: incidents.OutcomeWithdrawn, undone: 1, words: "it was taken back"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := onceStage(t, func(w *world) {
				w.undo = true
				if c.set != nil {
					c.set(w)
				}
			})
			if c.recall {
				st := s.await("db", "standing", func(st *incidents.State) bool { return st.Stage == incidents.Standing })
				s.recall(st.ID)
			}
			s.await("db", "settled", func(st *incidents.State) bool { return st.Stage == incidents.Settled })
			s.world.with(func() { s.world.sick, s.world.refuse = false, true })
			s.deliver(alert("db", alerts.Resolved))
			st := s.await("db", "closed", closed)
			if got := outcomeOf(st); got != c.outcome || !strings.Contains(st.Closing.Words, c.words) {
				t.Errorf("outcome %s: %q, want %s with %q: %s", got, st.Closing.Words, c.outcome, c.words, s.story(st))
			}
			if _, undone := s.world.total(t); undone != c.undone {
				t.Errorf("it was taken back %d times, want %d", undone, c.undone)
			}
		})
	}
}

// recall has a person want the present change taken back.
func (s *stage) recall(id incidents.ID) {
	s.t.Helper()
	for err := incidents.ErrConflict; err != nil; {
		st, loadErr := s.store.Load(s.ctx, id)
		if loadErr != nil {
			s.t.Fatal(loadErr)
		}
		err = s.store.Append(s.ctx, st, incidents.Event{V: incidents.Version, Kind: incidents.Recalled, At: time.Now().UTC(), Note: "not this one",
			Person: &incidents.Person{Via: "cli", Name: "ann"}, Due: time.Now().UTC()})
		if err != nil && !errors.Is(err, incidents.ErrConflict) {
			s.t.Fatal(err)
		}
	}
}

// What the change was for is gone before it is sent: nothing is sent, and the refusal says why.
func TestOnceIsNotSentForWhatIsGone(t *testing.T) {
	t.Parallel()
	s := onceStage(t, func(w *world) { w.gone = true })
	st := s.await("db", "refused", refusedFor(remediations.ReasonPlanChanged))
	if effects, _ := s.world.total(t); effects != 0 || !strings.Contains(st.Refusal.Words, "gone already") {
		t.Errorf("%d effects, refusal %q, want none and that it is gone", effects, st.Refusal.Words)
	}
}

// A decision and its remediation must agree on whether a change is over when it is done: else it might be held, or never taken back.
func TestOnceMustBeAgreedOn(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	f := family{w: s.world, mode: s.mode}
	st := &incidents.State{Opening: incidents.Opening{Target: "db"}}
	r := &run{Loop: &Loop{cfg: Config{Now: time.Now, Remediations: map[string]remediations.Remediation{"world": s.world}, Permits: s.permits}}, st: st, h: Bind(f, f), target: Target{Mode: s.mode}}
	d := f.Decide(Case[seen]{Before: []Look[seen]{{Seen: seen{Sick: true}}}})
	if _, no := r.allowed(thought{decision: d}); no != nil {
		t.Fatalf("refused as it is: %+v", no)
	}
	d.Step.Once = true
	if _, no := r.allowed(thought{decision: d}); no == nil || no.Reason != remediations.ReasonNotAllowed {
		t.Errorf("a step that says once of a change that stands: %+v, want not_allowed", no)
	}
}

// A change that stands until it is healed outlives its hold and its alert, and ends when what it was for is gone.
func TestKeptUntilHealed(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.world.keep, s.world.rigid = true, true
	s.run(1)
	s.deliver(alert("db", alerts.Firing))
	s.await("db", "holding", func(st *incidents.State) bool { return st.Stage == incidents.Holding })
	s.deliver(alert("db", alerts.Resolved))
	looks := 0
	s.await("db", "looked at ten times while it holds", func(st *incidents.State) bool {
		if !st.Firing() && looks == 0 {
			looks = len(st.Looks)
		}
		return st.Stage == incidents.Holding && looks > 0 && len(st.Looks) >= looks+10
	})
	s.world.with(func() { s.world.sick, s.world.healed = false, true })
	st := s.await("db", "closed", closed)
	if effects, undone := s.world.total(t); effects != 1 || undone != 1 || outcomeOf(st) != incidents.OutcomeFixed {
		t.Errorf("%d effects, %d undone, outcome %s, want 1, 1, fixed: %s", effects, undone, outcomeOf(st), s.story(st))
	}
}

// The end of an incident never says of a change that happens once that it was taken back.
func TestOnceUnjudgedIsNotSaidToBeTakenBack(t *testing.T) {
	t.Parallel()
	st := &incidents.State{Fixes: []incidents.Fix{{Order: remediations.Order{Step: remediations.Step{Once: true}}, Times: incidents.FixTimes{Applied: time.Now()}}}}
	if got := conclude(st); got.Outcome != incidents.OutcomeWithdrawn || !strings.Contains(got.Words, "cannot be taken back") {
		t.Errorf("got %+v, want withdrawn, and that it cannot be taken back", got)
	}
	st.Fixes[0].Order.Once = false
	if got := conclude(st); !strings.Contains(got.Words, "it was taken back") {
		t.Errorf("got %+v of a change that stood, want that it was taken back", got)
	}
}
