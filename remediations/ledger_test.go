package remediations_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/rs/zerolog"
)

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func openBus(t *testing.T, dir string) *bus.Bus {
	t.Helper()
	b, err := bus.Open(within(t), bus.Config{Dir: dir, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sync.OnceFunc(b.Close))
	return b
}

func openLedger(t *testing.T, b *bus.Bus, l policy.Limits) *remediations.Ledger {
	t.Helper()
	ledger, err := remediations.OpenLedger(within(t), b, l)
	if err != nil {
		t.Fatal(err)
	}
	return ledger
}

// limits are so wide that no test meets one that it does not set.
func limits(change func(*policy.Limits)) policy.Limits {
	none := policy.Duration(0)
	wide := policy.Budget{Hour: 1000, Day: 1000, Concurrent: 1000}
	l := policy.Limits{PerDomain: wide, Global: wide, Cooldown: &none}
	change(&l)
	return l
}

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// after is so many minutes after noon.
func after(minutes float64) time.Time {
	return noon().Add(time.Duration(minutes * float64(time.Minute)))
}

// step is one thing that is asked of a ledger, and what it must answer: a reason, or "" for yes.
type step struct {
	at       float64 // minutes
	incident string
	domain   string
	release  bool
	want     remediations.Reason
	until    time.Time
	by       string
}

// Each limit refuses by its own name, says until when, and gives way when its time is over.
func TestLedgerLimits(t *testing.T) {
	t.Parallel()
	b := openBus(t, t.TempDir())
	for i, c := range []struct {
		name   string
		limits policy.Limits
		steps  []step
	}{
		{"one fix at a time in a domain", limits(func(*policy.Limits) {}), []step{
			{at: 0, incident: "i1", domain: "pay"},
			{at: 1, incident: "i2", domain: "pay", want: remediations.ReasonTargetBusy, by: "i1"},
			{at: 1, incident: "i2", domain: "stock"},
			{at: 2000, incident: "i2", domain: "pay", want: remediations.ReasonTargetBusy, by: "i1"}, // no clock ends it
			{at: 2001, incident: "i2", domain: "pay", release: true},                                 // nor somebody else
			{at: 2002, incident: "i2", domain: "pay", want: remediations.ReasonTargetBusy, by: "i1"},
			{at: 2003, incident: "i1", domain: "pay", release: true},
			{at: 2004, incident: "i2", domain: "pay"},
		}},
		{"so many at once", limits(func(l *policy.Limits) { l.Global.Concurrent = 2 }), []step{
			{at: 0, incident: "i1", domain: "a"},
			{at: 0, incident: "i2", domain: "b"},
			{at: 0, incident: "i3", domain: "c", want: remediations.ReasonConcurrent},
			{at: 1, incident: "i1", domain: "a", release: true},
			{at: 1, incident: "i3", domain: "c"},
		}},
		{"a pause after each", limits(func(l *policy.Limits) { d := policy.Duration(5 * time.Minute); l.Cooldown = &d }), []step{
			{at: 0, incident: "i1", domain: "pay"},
			{at: 10, incident: "i1", domain: "pay", release: true},
			{at: 14, incident: "i1", domain: "pay", want: remediations.ReasonCooldown, until: after(15)},
			{at: 14.99, incident: "i2", domain: "pay", want: remediations.ReasonCooldown, until: after(15)},
			{at: 14.99, incident: "i2", domain: "stock"},
			{at: 15, incident: "i2", domain: "pay"},
		}},
		{"a pause of ten minutes unless told otherwise", limits(func(l *policy.Limits) { l.Cooldown = nil }), []step{
			{at: 0, incident: "i1", domain: "pay"},
			{at: 0, incident: "i1", domain: "pay", release: true},
			{at: 1, incident: "i1", domain: "pay", release: true}, // releasing again does not begin it again
			{at: 9.9, incident: "i2", domain: "pay", want: remediations.ReasonCooldown, until: after(10)},
			{at: 10, incident: "i2", domain: "pay"},
		}},
		{"a pause of days", limits(func(l *policy.Limits) { d := policy.Duration(48 * time.Hour); l.Cooldown = &d }), []step{
			{at: 0, incident: "i1", domain: "pay"},
			{at: 0, incident: "i1", domain: "pay", release: true},
			{at: 30 * 60, incident: "i2", domain: "stock"}, // everything older than a day is forgotten here, but this
			{at: 30 * 60, incident: "i2", domain: "pay", want: remediations.ReasonCooldown, until: after(48 * 60)},
			{at: 48 * 60, incident: "i2", domain: "pay"},
		}},
		{"so many an hour in a domain", limits(func(l *policy.Limits) { l.PerDomain.Hour = 2 }), []step{
			{at: 0, incident: "i1", domain: "pay"}, {at: 1, incident: "i1", domain: "pay", release: true},
			{at: 10, incident: "i2", domain: "pay"}, {at: 11, incident: "i2", domain: "pay", release: true},
			{at: 20, incident: "i3", domain: "pay", want: remediations.ReasonBudgetSpent, until: after(60)},
			{at: 20, incident: "i3", domain: "stock"},
			{at: 59.9, incident: "i3", domain: "pay", want: remediations.ReasonBudgetSpent, until: after(60)},
			{at: 60, incident: "i3", domain: "pay"}, {at: 60, incident: "i3", domain: "pay", release: true},
			{at: 61, incident: "i4", domain: "pay", want: remediations.ReasonBudgetSpent, until: after(70)},
		}},
		{"so many a day in all domains", limits(func(l *policy.Limits) { l.Global.Day = 2 }), []step{
			{at: 0, incident: "i1", domain: "a"}, {at: 1, incident: "i1", domain: "a", release: true},
			{at: 700, incident: "i2", domain: "b"}, {at: 701, incident: "i2", domain: "b", release: true},
			{at: 1400, incident: "i3", domain: "c", want: remediations.ReasonBudgetSpent, until: after(1440)},
			{at: 1440, incident: "i3", domain: "c"},
		}},
		{"a crash costs budget and keeps the lock", limits(func(l *policy.Limits) { l.Global.Hour = 1 }), []step{
			{at: 0, incident: "i1", domain: "pay"},
			{at: 1, incident: "i1", domain: "pay"}, // whoever goes on asks again, and pays once
			{at: 2, incident: "i2", domain: "stock", want: remediations.ReasonBudgetSpent, until: after(60)},
			{at: 61, incident: "i2", domain: "pay", want: remediations.ReasonTargetBusy, by: "i1"},
			{at: 61, incident: "i2", domain: "stock"},
		}},
		{"no limits at all", policy.Limits{}, []step{{at: 0, incident: "i1", domain: "pay", want: remediations.ReasonConcurrent}}},
		{"no budget at all", policy.Limits{Global: policy.Budget{Concurrent: 1}}, []step{
			{at: 0, incident: "i1", domain: "pay", want: remediations.ReasonBudgetSpent, until: after(60)}}},
	} {
		clear(t, b)
		ledger := openLedger(t, b, c.limits)
		for j, s := range c.steps {
			take(t, ledger, fmt.Sprintf("%d %s, step %d", i, c.name, j), s)
		}
	}
}

// clear takes the ledger's document away.
func clear(t *testing.T, b *bus.Bus) {
	t.Helper()
	cell, err := b.Cell(within(t), "ledger", "ledger") // makes the bucket
	if err != nil || cell == nil {
		t.Fatal(err)
	}
	kv, err := b.JetStream().KeyValue(within(t), "ledger")
	if err != nil {
		t.Fatal(err)
	}
	if err := kv.Purge(within(t), "ledger"); err != nil {
		t.Fatal(err)
	}
}

func take(t *testing.T, l *remediations.Ledger, name string, s step) {
	t.Helper()
	if s.release {
		if err := l.Release(within(t), s.incident, s.domain, after(s.at)); err != nil {
			t.Errorf("%s: release: %v", name, err)
		}
		return
	}
	grant, err := l.Reserve(within(t), s.incident, s.domain, after(s.at))
	if s.want == "" {
		if err != nil || grant.Fence == 0 {
			t.Errorf("%s: got %+v, %v, want a grant", name, grant, err)
		}
		return
	}
	var no *remediations.NoError
	switch {
	case !errors.As(err, &no):
		t.Errorf("%s: got %+v, %v, want %s", name, grant, err, s.want)
	case no.Reason != s.want || no.By != s.by || !no.Until.Equal(s.until) || no.Words == "" || grant != (remediations.Grant{}):
		t.Errorf("%s: got %+v with grant %+v, want %s by %q until %s", name, *no, grant, s.want, s.by, s.until)
	}
}

// The fence grows with every grant of any domain, and stays what it was for who holds the lock, also after a restart.
func TestLedgerFence(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := openBus(t, dir)
	ledger := openLedger(t, b, limits(func(*policy.Limits) {}))
	last := uint64(0)
	reserve := func(incident, domain string) uint64 {
		t.Helper()
		g, err := ledger.Reserve(within(t), incident, domain, noon())
		if err != nil {
			t.Fatal(err)
		}
		return g.Fence
	}
	for i := range 5 {
		incident := fmt.Sprintf("i%d", i)
		fence := reserve(incident, "pay")
		if fence <= last {
			t.Errorf("got fence %d after %d, want a larger one", fence, last)
		}
		if again := reserve(incident, "pay"); again != fence {
			t.Errorf("got fence %d for the same incident, want %d", again, fence)
		}
		if err := ledger.Release(within(t), incident, "pay", noon()); err != nil {
			t.Fatal(err)
		}
		last = max(fence, reserve(incident, "stock"))
		if err := ledger.Release(within(t), incident, "stock", noon()); err != nil {
			t.Fatal(err)
		}
	}
	held := reserve("holder", "pay")
	b.Close()
	ledger = openLedger(t, openBus(t, dir), limits(func(*policy.Limits) {}))
	if got := reserve("holder", "pay"); got != held {
		t.Errorf("got fence %d after a restart, want %d", got, held)
	}
	if got := reserve("other", "stock"); got <= held {
		t.Errorf("got fence %d after %d, want a larger one", got, held)
	}
}

// Of thirty-two incidents that ask at once, exactly one gets a domain; and all domains together stay below the common limit.
func TestLedgerContended(t *testing.T) {
	t.Parallel()
	b := openBus(t, t.TempDir())
	for _, c := range []struct {
		name   string
		domain func(i int) string
		want   int32
	}{
		{"one domain", func(int) string { return "pay" }, 1},
		{"a domain each, three at once", func(i int) string { return fmt.Sprint("domain ", i) }, 3},
	} {
		clear(t, b)
		var granted, refused atomic.Int32
		var wg sync.WaitGroup
		for i := range 32 {
			ledger := openLedger(t, b, limits(func(l *policy.Limits) { l.Global.Concurrent = 3 })) // a replica each
			wg.Go(func() {
				_, err := ledger.Reserve(within(t), fmt.Sprint("i", i), c.domain(i), noon())
				var no *remediations.NoError
				switch {
				case err == nil:
					granted.Add(1)
				case errors.As(err, &no):
					refused.Add(1)
				default:
					t.Errorf("%s: %v", c.name, err)
				}
			})
		}
		wg.Wait()
		if granted.Load() != c.want || refused.Load() != 32-c.want {
			t.Errorf("%s: got %d grants and %d refusals, want %d grants", c.name, granted.Load(), refused.Load(), c.want)
		}
	}
}

// A ledger that cannot be read grants nothing, and is left as it is for people to look at.
func TestLedgerUnreadable(t *testing.T) {
	t.Parallel()
	b := openBus(t, t.TempDir())
	ledger := openLedger(t, b, limits(func(*policy.Limits) {}))
	kv, err := b.JetStream().KeyValue(within(t), "ledger")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []string{"garbage", "", "{", "null", "{}", "[]", `"v"`, `{"v":0}`, `{"v":2}`, `{"v":1,"active":[]}`, `{"v":1,"spent":{}}`} {
		if _, err := kv.Put(within(t), "ledger", []byte(doc)); err != nil {
			t.Fatal(err)
		}
		grant, err := ledger.Reserve(within(t), "i1", "pay", noon())
		var no *remediations.NoError
		if err == nil || errors.As(err, &no) || grant != (remediations.Grant{}) || !strings.Contains(err.Error(), "read the ledger") {
			t.Errorf("%q: got %+v, %v, want that it cannot be read", doc, grant, err)
		}
		if err := ledger.Release(within(t), "i1", "pay", noon()); err == nil {
			t.Errorf("%q: got a release, want that it cannot be read", doc)
		}
		if e, err := kv.Get(within(t), "ledger"); err != nil || string(e.Value()) != doc {
			t.Errorf("%q: got it changed to %q, %v", doc, e.Value(), err)
		}
	}
	b.Close()
	if grant, err := ledger.Reserve(within(t), "i1", "pay", noon()); err == nil {
		t.Errorf("got %+v from a closed bus, want an error", grant)
	}
}
