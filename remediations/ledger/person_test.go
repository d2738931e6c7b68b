package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

const year = 365 * 24 * 60 // minutes

// What only a person can lift is lifted by no time, and by nobody who speaks of another incident.
func TestWhatWaitsForAPerson(t *testing.T) {
	t.Parallel()
	for _, c := range []scenario{
		{"a risky fix is acknowledged", limits(nil), []step{
			{at: 0, incident: "i1", domain: "pay", class: remediations.ClassP},
			{at: 1, kind: release, incident: "i1", domain: "pay", class: remediations.ClassA}, // the stricter class counts
			{at: year, incident: "i2", domain: "pay", want: remediations.ReasonUnacknowledged, by: "i1"},
			{at: year, incident: "i2", domain: "stock"},
			{at: year, kind: ack, incident: "i2", domain: "pay2"},
			{at: year, kind: ack, incident: "i3", domain: "pay"},
			{at: year, incident: "i2", domain: "pay", want: remediations.ReasonUnacknowledged, by: "i1"},
			{at: year, kind: ack, incident: "i1", domain: "pay"},
			{at: year, incident: "i4", domain: "pay"},
		}},
		{"a class that was raised while it stood", limits(nil), []step{
			{at: 0, incident: "i1", domain: "pay"},
			{at: 1, kind: release, incident: "i1", domain: "pay", class: remediations.ClassP2},
			{at: 2, incident: "i2", domain: "pay", want: remediations.ReasonUnacknowledged, by: "i1"},
		}},
		{"doubt freezes", limits(nil), []step{
			{at: 0, incident: "i1", domain: "pay"},
			{at: 1, kind: release, incident: "i1", domain: "pay", doubt: true},
			{at: 1, kind: release, incident: "i1", domain: "pay"}, // which is nothing new
			{at: year, incident: "i1", domain: "pay", want: remediations.ReasonFrozen, by: "i1"},
			{at: year, kind: ack, incident: "i1", domain: "pay"},
			{at: year, kind: release, incident: "i1", domain: "pay", doubt: true}, // a late repetition
			{at: year, incident: "i2", domain: "pay"},
		}},
		{"a fix by override takes nothing of it away", limits(nil), []step{
			{at: 0, incident: "i1", domain: "pay"},
			{at: 1, kind: release, incident: "i1", domain: "pay", doubt: true},
			{at: 2, incident: "i2", domain: "pay", override: true, class: remediations.ClassP},
			{at: 3, kind: release, incident: "i2", domain: "pay"},
			{at: 4, incident: "i3", domain: "pay", want: remediations.ReasonFrozen, by: "i1"},
			{at: 5, kind: ack, incident: "i1", domain: "pay"},
			{at: 6, incident: "i3", domain: "pay", want: remediations.ReasonUnacknowledged, by: "i2"},
			{at: 7, kind: ack, incident: "i2", domain: "pay"},
			{at: 8, incident: "i3", domain: "pay"},
		}},
		{"nor does another of the same incident", limits(nil), []step{
			{at: 0, incident: "i1", domain: "pay"},
			{at: 1, kind: release, incident: "i1", domain: "pay", doubt: true},
			{at: 2, incident: "i1", domain: "pay", override: true, class: remediations.ClassP},
			{at: 3, kind: release, incident: "i1", domain: "pay"},
			{at: 4, incident: "i2", domain: "pay", want: remediations.ReasonFrozen, by: "i1"},
		}},
		{"again and again", limits(func(l *policy.Limits) { l.Chain = policy.Chain{} }), steps(
			done(0, "i1", "pay"), done(1, "i2", "pay"), done(2, "i3", "pay"), done(3, "i4", "pay"),
			[]step{{at: 4, incident: "i5", domain: "pay", action: "pool/resize"}, {at: 4, kind: release, incident: "i5", domain: "pay"}},
			done(5, "i6", "pay"),
			[]step{{at: 6, incident: "i7", domain: "pay", want: remediations.ReasonChain, until: after(72 * 60)}},
			done(6, "i7", "stock"),
			[]step{{at: 7, kind: ack, incident: "i7", domain: "pay"}},
			done(7, "i8", "pay"), done(7, "i9", "pay"), done(7, "i10", "pay"), done(7, "i11", "pay"), done(8, "i12", "pay"),
			[]step{{at: 9, incident: "i13", domain: "pay", want: remediations.ReasonChain, until: after(72*60 + 7)}},
			done(71*60, "i14", "stock"), // which prunes
			[]step{{at: 72*60 + 6.9, incident: "i13", domain: "pay", want: remediations.ReasonChain, until: after(72*60 + 7)},
				{at: 72*60 + 7, incident: "i13", domain: "pay"}},
		)},
	} {
		t.Run(c.name, func(t *testing.T) { t.Parallel(); c.run(t) })
	}
}

// A person's override passes every limit but the lock, and is paid for.
func TestOverride(t *testing.T) {
	t.Parallel()
	l := policy.Limits{Chain: policy.Chain{Fixes: 2, Window: policy.Duration(time.Hour)}} // nothing is allowed
	b := emptyBook(t)
	b.Surge(l, "", noon())
	b.Surge(l, "eu", noon())
	for i := range 5 {
		incident := fmt.Sprint("i", i)
		_, no, _ := b.Reserve(l, ask(incident, "pay", func(a *ledger.Ask) { a.Class = remediations.ClassP }), noon())
		if no == nil {
			t.Fatal("got a grant without an override")
		}
		grant, no, changed := b.Reserve(l, ask(incident, "pay", func(a *ledger.Ask) { a.Override, a.Sick, a.Class = true, 10, remediations.ClassP }), noon())
		if no != nil || !changed || grant.Fence != uint64(i+1) {
			t.Fatalf("got %+v, %v, changed %t", grant, no, changed)
		}
		_, no, _ = b.Reserve(l, ask("other", "pay", func(a *ledger.Ask) { a.Override = true }), noon())
		if no == nil || no.Reason != remediations.ReasonTargetBusy || no.By != incident {
			t.Errorf("got %v, want that %s is in the way", no, incident)
		}
		if s := b.Standing(); len(s) != 1 || !s[0].Override || s[0].Domain != "pay" {
			t.Errorf("got %+v", s)
		}
		b.Release(l, ledger.End{Incident: incident, Domain: "pay", Doubt: true}, noon())
		b = through(t, b)
	}
	for _, u := range b.Budgets(l, noon()) {
		if u.HourUsed != 5 || u.DayUsed != 5 || u.Standing != 0 {
			t.Errorf("got %+v, want that the overrides are counted", u)
		}
	}
}

// What an acknowledgement lifts is told, once; and a fix that stands cannot be acknowledged.
func TestAck(t *testing.T) {
	t.Parallel()
	l := limits(func(l *policy.Limits) { l.Chain.Fixes = 2 })
	b := emptyBook(t)
	get := func(incident string) {
		t.Helper()
		if _, no, _ := b.Reserve(l, ask(incident, "pay", func(a *ledger.Ask) { a.Override, a.Class = true, remediations.ClassP }), noon()); no != nil {
			t.Fatal(no)
		}
	}
	get("i1")
	for _, domain := range []string{"pay", ""} {
		if lifted, err := b.Ack(l, "i1", domain, "pool:pay", noon()); !errors.Is(err, ledger.ErrStanding) || lifted != nil {
			t.Errorf("got %v, %v, want that it stands", lifted, err)
		}
	}
	b.Release(l, ledger.End{Incident: "i1", Domain: "pay"}, noon())
	get("i2")
	b.Release(l, ledger.End{Incident: "i2", Domain: "pay", Doubt: true}, noon())
	for _, c := range []struct {
		incident, target string
		want             []string
	}{
		{"i9", "", nil},
		{"i1", "", nil}, // i2 waits for the same, and more
		{"i2", "pool:pay", []string{"frozen", "unacknowledged", "ineffective_chain"}},
		{"i2", "pool:pay", nil},
	} {
		lifted, err := b.Ack(l, c.incident, "pay", c.target, noon())
		if err != nil || !slices.Equal(lifted, c.want) {
			t.Errorf("%s: got %v, %v, want %v", c.incident, lifted, err, c.want)
		}
		b = through(t, b)
	}
	if blocks := b.Blocks(l, noon()); len(blocks) != 0 {
		t.Errorf("got %+v, want that nothing is in the way", blocks)
	}
	get("i3")
	if _, err := b.Ack(l, "i2", "pay", "", noon()); err != nil {
		t.Errorf("got %v for an incident that ended while another has a fix there", err)
	}
}

// Overrides in a domain that waits for people cannot make its list grow for ever, and the domain still waits.
func TestWaitsAreBounded(t *testing.T) {
	t.Parallel()
	b, l := emptyBook(t), limits(nil)
	for i := range 100 {
		incident := fmt.Sprint("i", i)
		b.Reserve(l, ask(incident, "pay", func(a *ledger.Ask) { a.Override = true }), after(float64(i)))
		b.Release(l, ledger.End{Incident: incident, Domain: "pay", Doubt: true}, after(float64(i)))
	}
	blocks := b.Blocks(l, after(100))
	if len(blocks) != 8 || blocks[7].By != "i99" || blocks[7].Reason != remediations.ReasonFrozen {
		t.Errorf("got %d: %+v", len(blocks), blocks)
	}
}
