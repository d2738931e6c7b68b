package ledger_test

import (
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

// done is a fix that is granted and given back at once.
func done(at float64, incident, domain string) []step {
	return []step{{at: at, incident: incident, domain: domain}, {at: at, kind: release, incident: incident, domain: domain}}
}

func steps(parts ...[]step) []step {
	var all []step
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// Each limit refuses by its own name, says until when, and gives way when its time is over.
func TestLimits(t *testing.T) {
	t.Parallel()
	pause := func(d time.Duration) func(*policy.Limits) {
		return func(l *policy.Limits) { p := policy.Duration(d); l.Cooldown = &p }
	}
	for _, c := range []scenario{
		{"one fix at a time in a domain", limits(nil), []step{
			{at: 0, incident: "i1", domain: "pay"},
			{at: 1, incident: "i2", domain: "pay", want: remediations.ReasonTargetBusy, by: "i1"},
			{at: 1, incident: "i2", domain: "stock"},
			{at: 2000, incident: "i2", domain: "pay", want: remediations.ReasonTargetBusy, by: "i1"}, // no clock ends it
			{at: 2001, kind: release, incident: "i2", domain: "pay"},                                 // nor somebody else
			{at: 2002, incident: "i2", domain: "pay", override: true, want: remediations.ReasonTargetBusy, by: "i1"},
			{at: 2003, kind: release, incident: "i1", domain: "pay"},
			{at: 2004, incident: "i2", domain: "pay"},
		}},
		{"so many at once", limits(func(l *policy.Limits) { l.Global.Concurrent = 2 }), []step{
			{at: 0, incident: "i1", domain: "a"},
			{at: 0, incident: "i2", domain: "b"},
			{at: 0, incident: "i3", domain: "c", want: remediations.ReasonConcurrent},
			{at: 1, kind: release, incident: "i1", domain: "a"},
			{at: 1, incident: "i3", domain: "c"},
		}},
		{"so many of one action at once", limits(func(l *policy.Limits) { l.PerAction.Concurrent = 1 }), []step{
			{at: 0, incident: "i1", domain: "a"},
			{at: 0, incident: "i2", domain: "b", want: remediations.ReasonConcurrent},
			{at: 0, incident: "i2", domain: "b", action: "pool/resize"},
			{at: 1, kind: release, incident: "i1", domain: "a"},
			{at: 1, incident: "i3", domain: "c"},
		}},
		{"a pause after each", limits(pause(5 * time.Minute)), []step{
			{at: 0, incident: "i1", domain: "pay"},
			{at: 10, kind: release, incident: "i1", domain: "pay"},
			{at: 14, incident: "i1", domain: "pay", want: remediations.ReasonCooldown, by: "i1", until: after(15)},
			{at: 14.99, incident: "i2", domain: "pay", want: remediations.ReasonCooldown, by: "i1", until: after(15)},
			{at: 14.99, incident: "i2", domain: "stock"},
			{at: 15, incident: "i2", domain: "pay"},
		}},
		{"a pause of ten minutes unless told otherwise", limits(func(l *policy.Limits) { l.Cooldown = nil }), []step{
			{at: 0, incident: "i1", domain: "pay"},
			{at: 0, kind: release, incident: "i1", domain: "pay"},
			{at: 1, kind: release, incident: "i1", domain: "pay"}, // releasing again does not begin it again
			{at: 9.9, incident: "i2", domain: "pay", want: remediations.ReasonCooldown, by: "i1", until: after(10)},
			{at: 10, incident: "i2", domain: "pay"},
		}},
		{"an hour after a risky one, and not less because of a plain one after it",
			limits(func(l *policy.Limits) { l.Cooldown, l.CooldownRisky = nil, nil }), steps([]step{
				{at: 0, incident: "i1", domain: "pay", class: remediations.ClassP},
				{at: 0, kind: release, incident: "i1", domain: "pay"},
				{at: 1, kind: ack, incident: "i1", domain: "pay"},
				{at: 11, incident: "i2", domain: "pay", want: remediations.ReasonCooldown, by: "i1", until: after(60)},
				{at: 12, incident: "i2", domain: "pay", override: true},
				{at: 13, kind: release, incident: "i2", domain: "pay"},
				{at: 14, incident: "i3", domain: "pay", want: remediations.ReasonCooldown, by: "i1", until: after(60)},
				{at: 55, incident: "i3", domain: "pay", override: true},
				{at: 56, kind: release, incident: "i3", domain: "pay"},
				{at: 57, incident: "i4", domain: "pay", want: remediations.ReasonCooldown, by: "i3", until: after(66)},
				{at: 66, incident: "i4", domain: "pay"},
			})},
		{"a pause of days", limits(pause(48 * time.Hour)), []step{
			{at: 0, incident: "i1", domain: "pay"},
			{at: 0, kind: release, incident: "i1", domain: "pay"},
			{at: 30 * 60, incident: "i2", domain: "stock"},
			{at: 30 * 60, incident: "i2", domain: "pay", want: remediations.ReasonCooldown, by: "i1", until: after(48 * 60)},
			{at: 48 * 60, incident: "i2", domain: "pay"},
		}},
		{"so many an hour in a domain", limits(func(l *policy.Limits) { l.PerDomain.Hour = 2 }), steps(
			done(0, "i1", "pay"), done(10, "i2", "pay"),
			[]step{{at: 11, incident: "i3", domain: "pay", want: remediations.ReasonBudgetSpent, until: after(60)}},
			done(11, "i3", "stock"),
			[]step{{at: 59.9, incident: "i3", domain: "pay", want: remediations.ReasonBudgetSpent, until: after(60)}},
			done(60, "i3", "pay"),
			[]step{{at: 61, incident: "i4", domain: "pay", want: remediations.ReasonBudgetSpent, until: after(70)}},
		)},
		{"so many a day of one action", limits(func(l *policy.Limits) { l.PerAction.Day = 2 }), steps(
			done(0, "i1", "a"), done(700, "i2", "b"),
			[]step{{at: 1400, incident: "i3", domain: "c", want: remediations.ReasonBudgetSpent, until: after(1440)},
				{at: 1400, incident: "i3", domain: "c", action: "pool/resize"},
				{at: 1440, incident: "i4", domain: "d"}},
		)},
		{"so many a day in all domains", limits(func(l *policy.Limits) { l.Global.Day = 2 }), steps(
			done(0, "i1", "a"), done(700, "i2", "b"),
			[]step{{at: 1400, incident: "i3", domain: "c", want: remediations.ReasonBudgetSpent, until: after(1440)},
				{at: 1440, incident: "i3", domain: "c"}},
		)},
		{"of hour and day the longer is told", limits(func(l *policy.Limits) { l.Global.Hour, l.Global.Day = 1, 2 }), steps(
			done(0, "i1", "a"), done(61, "i2", "b"),
			[]step{{at: 62, incident: "i3", domain: "c", want: remediations.ReasonBudgetSpent, until: after(1440)}},
		)},
		{"what overrides took too much must be waited for too", limits(func(l *policy.Limits) { l.Global.Hour = 1 }), steps(
			done(0, "i1", "a"),
			[]step{{at: 30, incident: "i2", domain: "b", override: true},
				{at: 31, incident: "i3", domain: "c", want: remediations.ReasonBudgetSpent, until: after(90)},
				{at: 90, incident: "i3", domain: "c"}},
		)},
		{"a crash costs budget and keeps the lock", limits(func(l *policy.Limits) { l.Global.Hour = 1 }), []step{
			{at: 0, incident: "i1", domain: "pay"},
			{at: 1, incident: "i1", domain: "pay"}, // whoever goes on asks again, and pays once
			{at: 2, incident: "i1", domain: "pay", action: "pool/resize", want: remediations.ReasonBudgetSpent, until: after(60)},
			{at: 2, incident: "i2", domain: "stock", want: remediations.ReasonBudgetSpent, until: after(60)},
			{at: 61, incident: "i2", domain: "pay", want: remediations.ReasonTargetBusy, by: "i1"},
			{at: 61, incident: "i2", domain: "stock"},
		}},
		{"no limits at all", policy.Limits{}, []step{{at: 0, incident: "i1", domain: "pay", want: remediations.ReasonConcurrent}}},
		{"no budget at all", policy.Limits{Global: policy.Budget{Concurrent: 1}, PerAction: policy.Budget{Concurrent: 1}}, []step{
			{at: 0, incident: "i1", domain: "pay", want: remediations.ReasonBudgetSpent}}}, // no time lifts that
	} {
		t.Run(c.name, func(t *testing.T) { t.Parallel(); c.run(t) })
	}
}

// An ask that does not say what it is for is counted in nothing, so it gets nothing, and leaves nothing.
func TestAskThatSaysTooLittle(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*ledger.Ask){
		"incident": func(a *ledger.Ask) { a.Incident = "" }, "domain": func(a *ledger.Ask) { a.Domain = "" },
		"zone": func(a *ledger.Ask) { a.Zone = "" }, "target": func(a *ledger.Ask) { a.Target = "" },
		"action": func(a *ledger.Ask) { a.Action = "" }, "class": func(a *ledger.Ask) { a.Class = "" },
		"never": func(a *ledger.Ask) { a.Class = remediations.ClassN }, "unknown class": func(a *ledger.Ask) { a.Class = "a" },
	} {
		b := emptyBook(t)
		grant, no, changed := b.Reserve(limits(nil), ask("i1", "pay", func(a *ledger.Ask) { a.Override = true; change(a) }), noon())
		if no == nil || no.Reason != remediations.ReasonNotAllowed || no.Words == "" || changed || grant.Fence != 0 || len(b.Standing()) != 0 {
			t.Errorf("%s: got %+v, %v, changed %t", name, grant, no, changed)
		}
	}
}

// Another change of the incident that holds the lock is another grant, with a larger fence, and it is paid for. The same change is not.
func TestAnotherChangeOfTheSameIncident(t *testing.T) {
	t.Parallel()
	b, l := emptyBook(t), limits(nil)
	first, _, _ := b.Reserve(l, ask("i1", "pay", nil), noon())
	again, _, changed := b.Reserve(l, ask("i1", "pay", func(a *ledger.Ask) { a.Sick = 9 }), after(1))
	if again != first || changed {
		t.Errorf("got %+v, changed %t, want %+v again", again, changed, first)
	}
	other := ask("i1", "pay", func(a *ledger.Ask) { a.Action = "pool/resize" })
	second, no, _ := b.Reserve(l, other, after(2))
	if no != nil || second.Fence <= first.Fence {
		t.Fatalf("got %+v, %v after %+v", second, no, first)
	}
	if b.Release(l, ledger.End{Incident: "i1", Domain: "pay", Fence: first.Fence}, after(3)) {
		t.Error("the end of the first grant ended the second")
	}
	for _, u := range b.Budgets(l, after(3)) {
		want := map[string]int{"": 2, "pay": 2, "breaker/open": 1, "pool/resize": 1}[u.Name]
		standing := map[string]int{"": 1, "pay": 1, "pool/resize": 1}[u.Name]
		if u.HourUsed != want || u.Standing != standing {
			t.Errorf("got %+v, want %d used and %d standing", u, want, standing)
		}
	}
	if !b.Release(l, ledger.End{Incident: "i1", Domain: "pay", Fence: second.Fence}, after(4)) {
		t.Error("the second grant was not given back")
	}
}
