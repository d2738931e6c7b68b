package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

// A clock that is behind, or was set back, counts what lies in its future, and cannot file a fix where the others do not count it.
func TestClockThatIsBehind(t *testing.T) {
	t.Parallel()
	l := limits(func(l *policy.Limits) { l.Global.Hour = 2 })
	b := emptyBook(t)
	for i, at := range []float64{600, 0} { // the second replica is ten hours behind
		if _, no, _ := b.Reserve(l, ask(fmt.Sprint("i", i), fmt.Sprint("d", i), nil), after(at)); no != nil {
			t.Fatal(no)
		}
		b = through(t, b)
	}
	for _, at := range []float64{0, 500, 600, 659.9} {
		_, no, _ := b.Reserve(l, ask("i3", "d3", nil), after(at))
		if no == nil || no.Reason != remediations.ReasonBudgetSpent || !no.Until.Equal(after(660)) {
			t.Errorf("at %v: got %v, want that the budget is spent until the clock that is ahead says otherwise", at, no)
		}
	}
	if _, no, _ := b.Reserve(l, ask("i3", "d3", nil), after(660)); no != nil {
		t.Errorf("got %v, want a grant", no)
	}
}

// A cooldown does not begin before its fix, whatever the clock of the replica that ends it says.
func TestCooldownOfAClockThatIsBehind(t *testing.T) {
	t.Parallel()
	l := limits(func(l *policy.Limits) { l.Cooldown = nil })
	b := emptyBook(t)
	b.Reserve(l, ask("i1", "pay", nil), after(60))
	b.Release(l, ledger.End{Incident: "i1", Domain: "pay"}, after(0))
	_, no, _ := b.Reserve(l, ask("i2", "pay", nil), after(61))
	if no == nil || no.Reason != remediations.ReasonCooldown || !no.Until.Equal(after(70)) {
		t.Errorf("got %v, want a cooldown until %s", no, after(70))
	}
}

// A replica whose clock is up to a day ahead takes nothing from the others by dropping what it counts no more.
func TestClockThatIsAheadDropsNothing(t *testing.T) {
	t.Parallel()
	l := limits(func(l *policy.Limits) {
		l.Global.Day, l.Chain, l.Cooldown = 4, policy.Chain{Fixes: 2, Window: policy.Duration(24 * time.Hour)}, nil
	})
	b := emptyBook(t)
	for i := range 2 {
		b.Reserve(l, ask(fmt.Sprint("i", i), "pay", func(a *ledger.Ask) { a.Override = true }), noon())
		b.Release(l, ledger.End{Incident: fmt.Sprint("i", i), Domain: "pay"}, noon())
	}
	if _, no, _ := b.Reserve(l, ask("ahead", "stock", nil), noon().Add(24*time.Hour)); no != nil {
		t.Fatal(no)
	}
	b = through(t, b)
	for domain, want := range map[string]remediations.Reason{"pay": remediations.ReasonCooldown, "search": ""} {
		if _, no, _ := b.Reserve(l, ask("i9", domain, nil), after(1)); reasonOf(no) != want {
			t.Errorf("%s: got %v, want %q", domain, no, want)
		}
	}
	if _, no, _ := b.Reserve(l, ask("i10", "more", nil), after(1)); reasonOf(no) != remediations.ReasonBudgetSpent {
		t.Errorf("got %v, want that four of four are spent", no)
	}
	if _, no, _ := b.Reserve(l, ask("i10", "pay", nil), after(11)); reasonOf(no) != remediations.ReasonBudgetSpent {
		t.Errorf("got %v, want that four of four are spent", no)
	}
	l.Global.Day = 5
	if _, no, _ := b.Reserve(l, ask("i10", "pay", nil), after(11)); reasonOf(no) != remediations.ReasonChain {
		t.Errorf("got %v, want the chain", no)
	}
}

// Clocks that are more than a day apart cannot be counted with: nobody who is behind gets anything, until a person says who is right.
func TestClocksThatAreDaysApart(t *testing.T) {
	t.Parallel()
	l := limits(func(l *policy.Limits) { l.Global.Hour, l.Cooldown = 4, nil })
	b := emptyBook(t)
	far := noon().Add(365 * 24 * time.Hour)
	for i, domain := range []string{"pay", "stock"} {
		b.Reserve(l, ask(fmt.Sprint("i", i), domain, nil), far)
	}
	b.Release(l, ledger.End{Incident: "i0", Domain: "pay", Doubt: true}, far)
	b.Surge(l, "eu", far)
	b = through(t, b)
	_, no, changed := b.Reserve(l, ask("i3", "search", func(a *ledger.Ask) { a.Sick = 9 }), noon())
	if reasonOf(no) != remediations.ReasonLedger || !no.Until.Equal(far.Add(-24*time.Hour)) || changed {
		t.Errorf("got %v, changed %t, want that the clocks are too far apart", no, changed)
	}
	if blocks := b.Blocks(l, noon()); len(blocks) == 0 || blocks[0].Reason != remediations.ReasonLedger {
		t.Errorf("got %+v, want that first", blocks)
	}
	if _, no, _ := b.Reserve(l, ask("i3", "stock", func(a *ledger.Ask) { a.Override = true }), noon()); reasonOf(no) != remediations.ReasonTargetBusy {
		t.Errorf("got %v, want the lock whatever the clocks say", no)
	}
	if _, no, _ := b.Reserve(l, ask("i3", "search", func(a *ledger.Ask) { a.Override = true }), noon()); no != nil {
		t.Fatal(no)
	}
	b = through(t, b)
	for _, c := range []struct {
		domain string
		at     float64
		want   remediations.Reason
	}{
		{"stock", 20, remediations.ReasonTargetBusy}, {"pay", 20, remediations.ReasonFrozen}, {"a", 9, remediations.ReasonStorm},
		{"a", 20, ""}, {"b", 20, remediations.ReasonBudgetSpent}, // two of the year ahead count from now on
		{"b", 60, ""},
	} {
		if _, no, _ := b.Reserve(l, ask("j"+c.domain, c.domain, nil), after(c.at)); reasonOf(no) != c.want {
			t.Errorf("%s at %v: got %v, want %q", c.domain, c.at, no, c.want)
		}
	}
}

// What is asked at one and the same moment is counted one by one, an acknowledgement between them included.
func TestOneMoment(t *testing.T) {
	t.Parallel()
	l := limits(func(l *policy.Limits) { l.Chain.Fixes, l.Global.Hour = 2, 5 })
	b := emptyBook(t)
	for i, want := range []remediations.Reason{
		"", "", remediations.ReasonChain, "ack", "", "", remediations.ReasonChain, "ack", "", remediations.ReasonBudgetSpent,
	} {
		incident := fmt.Sprint("i", i)
		if want == "ack" {
			if lifted, err := b.Ack(l, incident, "pay", "pool:pay", noon()); err != nil || len(lifted) != 1 {
				t.Errorf("step %d: got %v, %v", i, lifted, err)
			}
			continue
		}
		if _, no, _ := b.Reserve(l, ask(incident, "pay", nil), noon()); reasonOf(no) != want {
			t.Errorf("step %d: got %v, want %q", i, no, want)
		}
		b.Release(l, ledger.End{Incident: incident, Domain: "pay"}, noon())
		b = through(t, b)
	}
}
