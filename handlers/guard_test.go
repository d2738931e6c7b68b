package handlers

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/desk"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

func alice() incidents.Person { return incidents.Person{Name: "alice", Via: "api"} }
func bob() incidents.Person   { return incidents.Person{Name: "bob", Via: "api"} }

// desk is where people order something of the incidents of this stage.
func (s *stage) desk() *desk.Desk {
	s.t.Helper()
	agenda, err := s.bus.Agenda(s.ctx, AgendaName)
	if err != nil {
		s.t.Fatal(err)
	}
	return desk.New(s.store, agenda, s.ledger(), "test", time.Now)
}

func (s *stage) ledger() *ledger.Ledger {
	s.t.Helper()
	cell, err := s.bus.Cell(s.ctx, "ledger", "ledger")
	if err != nil {
		s.t.Fatal(err)
	}
	return ledger.New(cell, s.limits)
}

// events is the whole record.
func (s *stage) events(st *incidents.State) []incidents.Event {
	s.t.Helper()
	events, err := s.store.Events(s.ctx, st.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	return events
}

// Nothing is changed on one look: two decisions in a row ask for the same plan, and what is sent carries its hash.
func TestTwoLooksMustAgree(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run(1)
	s.deliver(alert("db", alerts.Firing))
	st := s.await("db", "standing", func(st *incidents.State) bool { return st.Fix() != nil && !st.Fix().Times.Applied.IsZero() })
	var plans []string
	looks := 0
	for _, e := range s.events(st) {
		switch e.Kind {
		case incidents.Observed:
			looks++
		case incidents.Decided:
			plans = append(plans, e.Plan)
		case incidents.Intended:
			if looks < 2 || len(plans) < 2 || plans[0] == "" || plans[0] != plans[1] || e.Order.Plan != plans[1] {
				t.Errorf("intended %s after %d looks with plans %q, want two looks that agree", e.Order.Plan, looks, plans)
			}
		}
	}
	if got := st.Fix().Order.Action; got == "" || strings.Contains(got, st.Plan) {
		t.Errorf("action %q", got)
	}
}

// Each brake refuses by its own name, nothing is changed, and when it is let go the change is made.
func TestGateRefusesByName(t *testing.T) {
	t.Parallel()
	for _, reason := range []remediations.Reason{remediations.ReasonPaused, remediations.ReasonKillSwitch, remediations.ReasonSilenced,
		remediations.ReasonMaintenance, remediations.ReasonObserver, remediations.ReasonWatchdog, remediations.ReasonUnconfirmed} {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.gate.set(&remediations.NoError{Reason: reason, Words: "no", By: "somebody"}, nil)
			s.run(1)
			s.deliver(alert("db", alerts.Firing))
			st := s.await("db", "refused", refusedFor(reason))
			if st.Refusal.By != "somebody" || st.RefusedSince.IsZero() {
				t.Errorf("refusal %s since %s, want by somebody", asJSON(st.Refusal), st.RefusedSince)
			}
			if effects, _ := s.world.total(t); effects != 0 {
				t.Fatalf("%d effects, want none", effects)
			}
			if view, err := s.ledger().View(s.ctx, time.Now()); err != nil || len(view.Standing) != 0 {
				t.Errorf("the ledger holds %+v, %v: a refusal must cost nothing", view.Standing, err)
			}
			s.gate.set(nil, nil)
			if err := s.desk().Override(s.ctx, st.ID, alice(), "the test goes on"); err != nil { // wakes it as well
				t.Fatal(err)
			}
			s.await("db", "settled", settled)
		})
	}
}

// A switch that is thrown between the decision and the wire is seen: the change was armed, and is not sent.
func TestLastGateStopsWhatWasArmed(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.gate.set(nil, &remediations.NoError{Reason: remediations.ReasonKillSwitch, Words: "off"})
	s.run(1)
	s.deliver(alert("db", alerts.Firing))
	st := s.await("db", "refused", refusedFor(remediations.ReasonKillSwitch))
	if kinds := s.kinds(st); !slices.Contains(kinds, incidents.Intended) || slices.Contains(kinds, incidents.Issuing) {
		t.Errorf("events %v, want intended and never issuing", kinds)
	}
	if effects, _ := s.world.total(t); effects != 0 {
		t.Errorf("%d effects, want none", effects)
	}
}

// The policy must name the action and the target: a decision about anything else is refused, whatever the handler thinks.
func TestDefaultDeny(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.permits = func(handler, target, place, fix string) bool { return fix == "shed" }
	s.run(1)
	s.deliver(alert("db", alerts.Firing))
	st := s.await("db", "refused", refusedFor(remediations.ReasonNotAllowed))
	if effects, _ := s.world.total(t); effects != 0 {
		t.Errorf("%d effects, want none: %s", effects, s.story(st))
	}
}

// A person lets one change pass mode observe; it is in the record, on the order, and counts once.
func TestOverrideCountsForOneChange(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.mode = policy.Observe
	s.world.cures = false
	s.run(1)
	s.deliver(alert("db", alerts.Firing))
	st := s.await("db", "refused", refusedFor(remediations.ReasonObserve))
	if err := s.desk().Override(s.ctx, st.ID, alice(), "we know this one"); err != nil {
		t.Fatal(err)
	}
	st = s.await("db", "settled", settled)
	if got := st.Fix().Order.Override; !strings.Contains(got, "alice") {
		t.Errorf("the order says %q, want who overrode", got)
	}
	if effects, undone := s.world.total(t); effects != 1 || undone != 1 {
		t.Errorf("%d effects, %d undone, want one each: %s", effects, undone, s.story(st))
	}
	if st.Override != nil {
		t.Errorf("the override still counts: %+v", st.Override)
	}
}

// A person has the change taken back at once, and no other one is made.
func TestRecallTakesBackAndEndsIt(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.world.rigid = true
	s.world.cures = false
	s.run(1)
	s.deliver(alert("db", alerts.Firing))
	st := s.await("db", "standing", func(st *incidents.State) bool { return st.Stage == incidents.Standing })
	if err := s.desk().Recall(s.ctx, st.ID, bob(), "customers complain"); err != nil {
		t.Fatal(err)
	}
	st = s.await("db", "settled", settled)
	if effects, undone := s.world.total(t); effects != 1 || undone != 1 {
		t.Errorf("%d effects, %d undone, want one each", effects, undone)
	}
	if story := s.story(st); !strings.Contains(story, "bob (api)") {
		t.Errorf("nobody knows who wanted it: %s", story)
	}
	s.deliver(alert("db", alerts.Resolved))
	s.await("db", "closed", closed)
}

// What a newer build wrote is not understood, so nothing is begun on such a record; it is looked at, and it ends.
func TestNewerRecordIsLookedAtAndNotTouched(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.gate.set(&remediations.NoError{Reason: remediations.ReasonPaused, Words: "not yet"}, nil)
	s.run(1)
	s.deliver(alert("db", alerts.Firing))
	st := s.await("db", "refused", refusedFor(remediations.ReasonPaused))
	newer := incidents.Event{V: incidents.Version + 1, Kind: "quarantined", At: time.Now(), By: "a newer build"}
	for {
		if err := s.store.Append(s.ctx, st, newer); err == nil {
			break
		}
		st = s.await("db", "there", func(*incidents.State) bool { return true })
	}
	s.gate.set(nil, nil)
	if err := s.desk().Override(s.ctx, st.ID, alice(), "wake it"); err != nil {
		t.Fatal(err)
	}
	st = s.await("db", "refused", refusedFor(remediations.ReasonNewerRecord))
	if effects, _ := s.world.total(t); effects != 0 || !slices.Contains(s.kinds(st), incidents.Kind("quarantined")) {
		t.Errorf("%d effects, events %v: want none, and the event kept", effects, s.kinds(st))
	}
	s.deliver(alert("db", alerts.Resolved))
	s.await("db", "closed", closed)
}

// What should have ended while nobody looked is ended before the first alert of the backlog is read.
func TestOverdueComesFirst(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.world.cures = false
	a, now := alert("db", alerts.Firing), time.Now().UTC()
	id := incidents.NewID("family", "db", 1)
	order := remediations.Order{Step: remediations.Step{Remediation: "world", Service: "a", Edge: "b", Fix: "open", TTL: policy.Duration(time.Second),
		Limit: policy.Duration(time.Second), Timeout: policy.Duration(time.Second)}, Action: "left", Incident: id.String(), Fence: 1}
	past := now.Add(-time.Hour)
	st := incidents.Fold(nil)
	err := s.store.Append(s.ctx, st,
		incidents.Event{V: 1, Kind: incidents.Opened, At: past, Opening: &incidents.Opening{ID: id, Handler: "family", Target: "db", Domain: "db", Alert: a}},
		incidents.Event{V: 1, Kind: incidents.Intended, At: past, Order: &order},
		incidents.Event{V: 1, Kind: incidents.Issuing, At: past, Order: &order},
		incidents.Event{V: 1, Kind: incidents.Applied, At: past, Due: now.Add(time.Hour), Receipt: &remediations.Receipt{Revision: 1}})
	if err != nil {
		t.Fatal(err)
	}
	s.world.holder, s.world.revision = "left", 1
	agenda, err := s.bus.Agenda(s.ctx, AgendaName)
	if err != nil {
		t.Fatal(err)
	}
	if err := agenda.Set(s.ctx, id.Key(), now.Add(time.Hour)); err != nil { // nobody would look for an hour
		t.Fatal(err)
	}
	other := alert("other", alerts.Firing)
	other.Fingerprint = "00000000000000bb"
	s.deliver(other) // the backlog
	s.run(1)
	s.await("other", "there", func(*incidents.State) bool { return true })
	st = s.await("db", "settled", func(st *incidents.State) bool { return st.Fix() != nil && !st.Fix().Times.Ended.IsZero() })
	ended, opened := s.sequence(st.ID, incidents.Reverted), s.sequence(incidents.NewID("family", "other", 1), incidents.Opened)
	if ended == 0 || opened == 0 || ended > opened {
		t.Errorf("reverted at %d, the backlog opened at %d: want the revert first", ended, opened)
	}
}

// sequence is where the first event of a kind is on the bus.
func (s *stage) sequence(id incidents.ID, kind incidents.Kind) (at uint64) {
	s.t.Helper()
	err := s.bus.Follow(s.ctx, bus.Past{Stream: bus.Incidents}, func(m bus.Msg) error {
		events, err := incidents.Decode(m.Data)
		of, idErr := incidents.IDOfSubject(m.Subject)
		if err != nil || idErr != nil || of != id {
			return nil
		}
		for _, e := range events {
			if e.Kind == kind && at == 0 {
				at = m.Seq
			}
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return at
}
