package handlers

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/desk"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

// people may approve everything, and are asked for so long.
type people time.Duration

func (people) Anyone(string, string, string) bool { return true }
func (p people) Expire() time.Duration            { return time.Duration(p) }

func anybody(string, string, string) error { return nil }

func waiting(st *incidents.State) bool { return st.Stage == incidents.Waiting }

func asking(st *incidents.State) desk.Ref {
	return desk.Ref{Incident: st.ID, Asking: st.Asking.ID, Plan: st.Asking.Plan}
}

// risky is a stage whose change needs people.
func risky(t *testing.T, class remediations.Class) *stage {
	s := newStage(t)
	s.world.class = class
	s.approvals = people(time.Minute)
	return s
}

// Nobody is asked for what the ledger would refuse: a yes would be for nothing. Asking the ledger takes nothing.
func TestNobodyIsAskedForWhatTheLedgerRefuses(t *testing.T) {
	t.Parallel()
	s := risky(t, remediations.ClassP)
	held := ledger.Ask{Incident: "other-1", Domain: "db", Zone: "all", Target: "other:db", Action: "world/open", Class: remediations.ClassA, Sick: 1, Known: 9}
	if _, err := s.ledger().Reserve(s.ctx, held, time.Now()); err != nil {
		t.Fatal(err)
	}
	s.run(1)
	s.deliver(alert("db", alerts.Firing))
	st := s.await("db", "refused", refusedFor(remediations.ReasonTargetBusy))
	if st.Askings != 0 || st.Refusal.By != "other-1" {
		t.Errorf("asked %d times, refused by %q; want none, and by who holds it: %s", st.Askings, st.Refusal.By, s.story(st))
	}
	if view, err := s.ledger().View(s.ctx, time.Now()); err != nil || len(view.Standing) != 1 {
		t.Errorf("the ledger holds %+v, %v; want the other's only", view.Standing, err)
	}
}

// A change of class P waits for one person, holds nothing of the ledger meanwhile, and is made for exactly the plan that was approved.
func TestApprovedIsMade(t *testing.T) {
	t.Parallel()
	s := risky(t, remediations.ClassP)
	s.run(2)
	s.deliver(alert("db", alerts.Firing))
	st := s.await("db", "asked", waiting)
	if view, err := s.ledger().View(s.ctx, time.Now()); err != nil || len(view.Standing) != 0 {
		t.Errorf("while people are asked the ledger holds %+v, %v; want nothing", view.Standing, err)
	}
	plan := st.Asking.Plan
	if _, err := s.desk().Approve(s.ctx, asking(st), alice(), anybody); err != nil {
		t.Fatal(err)
	}
	st = s.await("db", "settled", settled)
	if got := st.Fix().Order.Plan; got != plan {
		t.Errorf("made plan %s, approved was %s", got, plan)
	}
	if effects, undone := s.world.total(t); effects != 1 || undone != 1 {
		t.Errorf("%d effects, %d undone: %s", effects, undone, s.story(st))
	}
}

// A change of class P2 waits for two different people; one who says it twice is one.
func TestTwoDifferentPeople(t *testing.T) {
	t.Parallel()
	s := risky(t, remediations.ClassP2)
	s.run(1)
	s.deliver(alert("db", alerts.Firing))
	st := s.await("db", "asked", waiting)
	d := s.desk()
	if _, err := d.Approve(s.ctx, asking(st), alice(), anybody); err != nil {
		t.Fatal(err)
	}
	_, err := d.Approve(s.ctx, asking(st), alice(), anybody)
	if no, ok := errors.AsType[*desk.No](err); !ok || no.Code != desk.SaidAlready {
		t.Errorf("twice the same person: got %v, want %s", err, desk.SaidAlready)
	}
	if effects, _ := s.world.total(t); effects != 0 {
		t.Fatalf("%d effects after one person, want none", effects)
	}
	if _, err := d.Approve(s.ctx, asking(st), bob(), anybody); err != nil {
		t.Fatal(err)
	}
	s.await("db", "settled", settled)
	if effects, _ := s.world.total(t); effects != 1 {
		t.Errorf("%d effects, want 1", effects)
	}
}

// Of many who answer at once, yes and no, on two replicas, one answer decides; nothing is made twice, and nothing after a no.
func TestAnswersRace(t *testing.T) {
	t.Parallel()
	s := risky(t, remediations.ClassP)
	s.run(2)
	s.deliver(alert("db", alerts.Firing))
	st := s.await("db", "asked", waiting)
	ref := asking(st)
	var wg sync.WaitGroup
	for i := range 8 {
		d := s.desk()
		p := incidents.Person{Name: string(rune('a' + i)), Via: "api"}
		wg.Go(func() {
			if i%2 == 0 {
				_, _ = d.Approve(s.ctx, ref, p, anybody)
				return
			}
			_ = d.Deny(s.ctx, ref, p, "no", anybody)
		})
	}
	wg.Wait()
	st = s.await("db", "decided", func(st *incidents.State) bool {
		return settled(st) || st.Refusal != nil && st.Refusal.Reason == remediations.ReasonDenied
	})
	denied := slices.Contains(s.kinds(st), incidents.Denied)
	effects, _ := s.world.total(t)
	if denied && effects > 0 && slices.Index(s.kinds(st), incidents.Denied) < slices.Index(s.kinds(st), incidents.Intended) || effects > 1 {
		t.Errorf("%d effects, denied %t: %s", effects, denied, s.story(st))
	}
}

// Every answer that must not count is refused by its own name, and nothing happens.
func TestAnswersThatDoNotCount(t *testing.T) {
	t.Parallel()
	s := risky(t, remediations.ClassP)
	s.run(1)
	s.deliver(alert("db", alerts.Firing))
	st := s.await("db", "asked", waiting)
	ref := asking(st)
	other, plan, incident := ref, ref, ref
	other.Asking, plan.Plan, incident.Incident = "another", strings.Repeat("0", 64), incidents.NewID("family", "db", 9)
	for name, tc := range map[string]struct {
		ref  desk.Ref
		may  desk.May
		want desk.Code
	}{
		"an older asking":    {other, anybody, desk.OtherAsking},
		"another plan":       {plan, anybody, desk.OtherAsking},
		"no such incident":   {incident, anybody, desk.NoSuchIncident},
		"not their business": {ref, func(string, string, string) error { return errors.New("not in the group") }, desk.NotApprover},
	} {
		_, err := s.desk().Approve(s.ctx, tc.ref, alice(), tc.may)
		if no, ok := errors.AsType[*desk.No](err); !ok || no.Code != tc.want {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
	if err := s.desk().Deny(s.ctx, ref, bob(), "we are in a release", anybody); err != nil {
		t.Fatal(err)
	}
	_, err := s.desk().Approve(s.ctx, ref, alice(), anybody)
	if no, ok := errors.AsType[*desk.No](err); !ok || no.Code != desk.NothingAsked {
		t.Errorf("after a denial: got %v, want %s", err, desk.NothingAsked)
	}
	st = s.await("db", "refused", refusedFor(remediations.ReasonDenied))
	if !strings.Contains(st.Refusal.Words, "we are in a release") {
		t.Errorf("the refusal does not say why: %s", st.Refusal.Words)
	}
	if effects, _ := s.world.total(t); effects != 0 {
		t.Errorf("%d effects, want none", effects)
	}
}

// What was approved is not what is there any more: the approval is void, and it is asked anew with the difference.
func TestChangedPlanVoidsTheApproval(t *testing.T) {
	t.Parallel()
	s := risky(t, remediations.ClassP)
	s.run(1)
	s.deliver(alert("db", alerts.Firing))
	st := s.await("db", "asked", waiting)
	first := st.Asking.Plan
	s.world.with(func() { s.world.fix = "shed" })
	if _, err := s.desk().Approve(s.ctx, asking(st), alice(), anybody); err != nil {
		t.Fatal(err)
	}
	st = s.await("db", "asked anew", func(st *incidents.State) bool { return waiting(st) && st.Asking.Plan != first })
	if len(st.Asking.Changed) == 0 || !strings.Contains(strings.Join(st.Asking.Changed, " "), "open → world/shed") {
		t.Errorf("the difference is %q", st.Asking.Changed)
	}
	if len(st.Approvals) != 0 {
		t.Errorf("the approval of the old plan still counts: %+v", st.Approvals)
	}
	if effects, _ := s.world.total(t); effects != 0 {
		t.Errorf("%d effects, want none", effects)
	}
}

// Nobody answers: it expires, a person is called, and it is asked again only so often.
func TestAskingExpires(t *testing.T) {
	t.Parallel()
	s := risky(t, remediations.ClassP)
	s.approvals = people(40 * time.Millisecond)
	s.run(1)
	s.deliver(alert("db", alerts.Firing))
	st := s.await("db", "expired", refusedFor(remediations.ReasonApprovalExpired))
	if !st.Escalated || !slices.Contains(s.kinds(st), incidents.Expired) {
		t.Errorf("escalated %t: %s", st.Escalated, s.story(st))
	}
	if effects, _ := s.world.total(t); effects != 0 {
		t.Errorf("%d effects, want none", effects)
	}
}

// The alert resolves while people are asked: the asking is withdrawn, and a late click answers nothing.
func TestResolveWithdrawsTheAsking(t *testing.T) {
	t.Parallel()
	s := risky(t, remediations.ClassP)
	s.run(1)
	s.deliver(alert("db", alerts.Firing))
	st := s.await("db", "asked", waiting)
	ref := asking(st)
	s.deliver(alert("db", alerts.Resolved))
	st = s.await("db", "closed", closed)
	if !strings.Contains(s.story(st), "withdrawn: the alert resolved") {
		t.Errorf("nothing is withdrawn: %s", s.story(st))
	}
	_, err := s.desk().Approve(s.ctx, ref, alice(), anybody)
	if no, ok := errors.AsType[*desk.No](err); !ok || no.Code != desk.Over {
		t.Errorf("a late click: got %v, want %s", err, desk.Over)
	}
}

// Mode approve asks even for what is automatic by its class; and where the policy names nobody, nobody is asked.
func TestModeApprove(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.mode, s.approvals = policy.Approve, people(time.Minute)
	s.run(1)
	s.deliver(alert("db", alerts.Firing))
	s.await("db", "asked", waiting)

	nobody := newStage(t)
	nobody.mode = policy.Approve
	nobody.run(1)
	nobody.deliver(alert("db", alerts.Firing))
	nobody.await("db", "refused", refusedFor(remediations.ReasonClass))
}

// Who asked for it by overriding the brakes cannot approve it as well.
func TestRequesterDoesNotApprove(t *testing.T) {
	t.Parallel()
	s := risky(t, remediations.ClassP)
	s.gate.set(&remediations.NoError{Reason: remediations.ReasonPaused, Words: "not now"}, nil)
	s.run(1)
	s.deliver(alert("db", alerts.Firing))
	st := s.await("db", "refused", refusedFor(remediations.ReasonPaused))
	if err := s.desk().Override(s.ctx, st.ID, alice(), "I know"); err != nil {
		t.Fatal(err)
	}
	st = s.await("db", "asked", waiting)
	_, err := s.desk().Approve(s.ctx, asking(st), alice(), anybody)
	if no, ok := errors.AsType[*desk.No](err); !ok || no.Code != desk.OwnRequest {
		t.Errorf("got %v, want %s", err, desk.OwnRequest)
	}
	if _, err := s.desk().Approve(s.ctx, asking(st), bob(), anybody); err != nil {
		t.Fatal(err)
	}
	s.await("db", "settled", settled)
}
