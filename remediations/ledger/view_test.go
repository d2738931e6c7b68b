package ledger_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

// Budgets are told in one order, with what is used and when more comes back.
func TestBudgets(t *testing.T) {
	t.Parallel()
	l := limits(func(l *policy.Limits) {
		l.PerDomain = policy.Budget{Hour: 2, Day: 3, Concurrent: 1}
		l.PerAction = policy.Budget{Hour: 3, Day: 3, Concurrent: 2}
		l.Global = policy.Budget{Hour: 9, Day: 9, Concurrent: 3}
	})
	b := emptyBook(t)
	for _, s := range []struct {
		at     float64
		domain string
		action string
	}{{0, "pay", "breaker/open"}, {100, "pay", "breaker/open"}, {110, "stock", "pool/resize"}, {115, "pay", "breaker/open"}} {
		_, no, _ := b.Reserve(l, ask("i1", s.domain, func(a *ledger.Ask) { a.Action = s.action }), after(s.at))
		if no != nil {
			t.Fatal(no)
		}
		if s.domain == "pay" {
			b.Release(l, ledger.End{Incident: "i1", Domain: "pay"}, after(s.at))
		}
	}
	want := []ledger.Budget{
		{Scope: ledger.ScopeAll, HourUsed: 3, HourMax: 9, DayUsed: 4, DayMax: 9, Standing: 1, Concurrent: 3, Next: after(160)},
		{Scope: ledger.ScopeAction, Name: "breaker/open", HourUsed: 2, HourMax: 3, DayUsed: 3, DayMax: 3, Concurrent: 2, Next: after(1440)},
		{Scope: ledger.ScopeAction, Name: "pool/resize", HourUsed: 1, HourMax: 3, DayUsed: 1, DayMax: 3, Standing: 1, Concurrent: 2, Next: after(170)},
		{Scope: ledger.ScopeDomain, Name: "pay", HourUsed: 2, HourMax: 2, DayUsed: 3, DayMax: 3, Concurrent: 1, Next: after(1440)},
		{Scope: ledger.ScopeDomain, Name: "stock", HourUsed: 1, HourMax: 2, DayUsed: 1, DayMax: 3, Standing: 1, Concurrent: 1, Next: after(170)},
	}
	if got := b.Budgets(l, after(120)); !slices.Equal(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
	want = []ledger.Budget{{Scope: ledger.ScopeAll, HourMax: 9, DayMax: 9, Concurrent: 3}}
	if got := emptyBook(t).Budgets(l, noon()); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Everything that is in the way is listed, each with what it is in the way of.
func TestBlocks(t *testing.T) {
	t.Parallel()
	l := limits(func(l *policy.Limits) {
		l.Cooldown, l.PerAction.Concurrent, l.Global.Concurrent, l.PerAction.Hour, l.PerDomain.Day = nil, 1, 1, 2, 2
		l.Chain.Fixes = 2
	})
	b := emptyBook(t)
	for i := range 2 {
		b.Reserve(l, ask(fmt.Sprint("i", i), "pay", func(a *ledger.Ask) { a.Override = true }), after(float64(i)))
		b.Release(l, ledger.End{Incident: fmt.Sprint("i", i), Domain: "pay", Doubt: i == 0, Class: []remediations.Class{"A", "P"}[i]}, after(float64(i)))
	}
	b.Reserve(l, ask("i2", "stock", func(a *ledger.Ask) { a.Override, a.Sick, a.Action = true, 5, "pool/resize" }), after(2))
	b.Surge(l, "", after(3))
	got := b.Blocks(l, after(3))
	for i := range got {
		if got[i].Words == "" {
			t.Errorf("got no words for %+v", got[i])
		}
		got[i].Words = ""
	}
	grain := 5 * time.Second
	want := []ledger.Block{
		{Reason: remediations.ReasonTargetBusy, Scope: ledger.ScopeDomain, Domain: "stock", Zone: "eu", Target: "pool:stock", Action: "pool/resize", By: "i2", Since: after(2)},
		{Reason: remediations.ReasonFrozen, Scope: ledger.ScopeDomain, Domain: "pay", By: "i0", Since: after(0)},
		{Reason: remediations.ReasonUnacknowledged, Scope: ledger.ScopeDomain, Domain: "pay", By: "i1", Since: after(1)},
		{Reason: remediations.ReasonCooldown, Scope: ledger.ScopeDomain, Domain: "pay", By: "i0", Since: after(0), Until: after(10)},
		{Reason: remediations.ReasonConcurrent, Scope: ledger.ScopeAll},
		{Reason: remediations.ReasonConcurrent, Scope: ledger.ScopeAction, Action: "pool/resize"},
		{Reason: remediations.ReasonBudgetSpent, Scope: ledger.ScopeAction, Action: "breaker/open", Until: after(60)},
		{Reason: remediations.ReasonBudgetSpent, Scope: ledger.ScopeDomain, Domain: "pay", Until: after(1440)},
		{Reason: remediations.ReasonChain, Domain: "pay", Target: "pool:pay", Action: "breaker/open", Since: after(0), Until: after(72 * 60)},
		{Reason: remediations.ReasonStorm, Scope: ledger.ScopeAll, Since: after(3), Until: after(13).Add(grain)},
		{Reason: remediations.ReasonStorm, Zone: "eu", Since: after(2), Until: after(12).Add(grain)},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
}

// When nothing has been done for long, nothing is left of it but the fence and what waits for a person.
func TestNothingIsKeptForEver(t *testing.T) {
	t.Parallel()
	l := limits(func(l *policy.Limits) { l.Chain, l.Cooldown, l.CooldownRisky = policy.Chain{}, nil, nil })
	full, plain := emptyBook(t), emptyBook(t)
	for i := range 100 {
		name := fmt.Sprint(i)
		full.Reserve(l, ask("i"+name, "d"+name, func(a *ledger.Ask) { a.Zone, a.Sick, a.Override = "z"+name, 5, true }), after(float64(i)/60))
		full.Release(l, ledger.End{Incident: "i" + name, Domain: "d" + name, Doubt: i == 7}, after(float64(i)/60))
		if _, err := full.Ack(l, "none", "d"+name, "pool:d"+name, after(float64(i)/60)); err != nil {
			t.Fatal(err)
		}
	}
	later := after(year)
	for b, incident := range map[*ledger.Book]string{full: "i100", plain: "i0"} {
		b.Reserve(l, ask(incident, "d", nil), later)
		b.Release(l, ledger.End{Incident: incident, Domain: "d"}, later)
	}
	got, err := full.JSON()
	if err != nil {
		t.Fatal(err)
	}
	want, err := plain.JSON()
	if err != nil {
		t.Fatal(err)
	}
	waits := fmt.Appendf(nil, `"waits":{"d7":[{"incident":"i7","class":"A","at":%q,"doubt":true}]}`, after(7.0/60).Format(time.RFC3339Nano))
	want = bytes.Replace(want, []byte(`"waits":{}`), waits, 1)
	want = bytes.ReplaceAll(want, []byte(`"fence":1`), []byte(`"fence":101`))
	want = bytes.ReplaceAll(want, []byte(`"incident":"i0"`), []byte(`"incident":"i100"`))
	if !bytes.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
