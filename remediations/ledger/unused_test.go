package ledger_test

import (
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

// A grant of which nothing was sent leaves nothing behind but the budget: no cooldown, and nobody to acknowledge it.
func TestUnusedGrant(t *testing.T) {
	t.Parallel()
	hour := policy.Duration(time.Hour)
	l := limits(func(l *policy.Limits) { l.Cooldown, l.CooldownRisky, l.PerDomain.Hour = &hour, &hour, 2 })
	b, err := ledger.ReadBook(nil)
	if err != nil {
		t.Fatal(err)
	}
	ask := ledger.Ask{Incident: "i1", Domain: "pay", Zone: "all", Target: "h:pay", Action: "breaker/open", Class: remediations.ClassP, Sick: 1, Known: 1}
	for i, incident := range []string{"i1", "i2"} {
		ask.Incident = incident
		if _, no, _ := b.Reserve(l, ask, noon()); no != nil {
			t.Fatalf("grant %d: %v", i+1, no)
		}
		if !b.Release(l, ledger.End{Incident: incident, Domain: "pay", Unused: true}, noon()) {
			t.Fatalf("grant %d was not released", i+1)
		}
	}
	ask.Incident = "i3"
	if _, no, _ := b.Reserve(l, ask, noon()); no == nil || no.Reason != remediations.ReasonBudgetSpent {
		t.Errorf("got %v, want %s: what was taken stays spent", no, remediations.ReasonBudgetSpent)
	}
}
