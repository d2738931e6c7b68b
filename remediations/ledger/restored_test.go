package ledger_test

import (
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

// A book that was restored gives fences that nobody has seen, and is otherwise as it was: also when it is read again.
func TestSkipFences(t *testing.T) {
	t.Parallel()
	b, err := ledger.ReadBook(nil)
	if err != nil {
		t.Fatal(err)
	}
	many := policy.Budget{Hour: 9, Day: 9, Concurrent: 9}
	limits := policy.Limits{PerDomain: many, PerAction: many, Global: many}
	now := time.Now().UTC()
	reserve := func(domain string) uint64 {
		grant, no, _ := b.Reserve(limits, ledger.Ask{Incident: "i-" + domain, Domain: domain, Zone: "z", Target: "h:" + domain, Action: "breaker/open",
			Class: remediations.ClassA}, now)
		if no != nil {
			t.Fatal(no)
		}
		return grant.Fence
	}
	first := reserve("one")
	b.SkipFences(1000)
	doc, err := b.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if b, err = ledger.ReadBook(doc); err != nil {
		t.Fatal(err)
	}
	if again := reserve("one"); again != first {
		t.Errorf("the grant that stands: got fence %d, want %d", again, first)
	}
	if next := reserve("two"); next != first+1001 {
		t.Errorf("the next grant: got fence %d, want %d", next, first+1001)
	}
	if got := b.Budgets(limits, now)[0].HourUsed; got != 2 {
		t.Errorf("got %d grants counted, want 2", got)
	}
}
