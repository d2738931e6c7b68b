package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
	"github.com/rs/zerolog"
)

var _ ledger.Document = (*bus.Cell)(nil)

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

// openCell is the document of that name, as one replica opens it.
func openCell(t *testing.T, b *bus.Bus, name string) *bus.Cell {
	t.Helper()
	cell, err := b.Cell(within(t), "ledger", name)
	if err != nil {
		t.Fatal(err)
	}
	return cell
}

// The fence grows with every grant of any domain, and stays what it was for who holds the lock, also after a restart.
func TestLedgerFence(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := openBus(t, dir)
	l := ledger.New(openCell(t, b, "ledger"), limits(nil))
	last := uint64(0)
	get := func(incident, domain string) uint64 {
		t.Helper()
		g, err := l.Reserve(within(t), ask(incident, domain, nil), noon())
		if err != nil {
			t.Fatal(err)
		}
		return g.Fence
	}
	for i := range 5 {
		incident := fmt.Sprintf("i%d", i)
		fence := get(incident, "pay")
		if fence <= last {
			t.Errorf("got fence %d after %d, want a larger one", fence, last)
		}
		if again := get(incident, "pay"); again != fence {
			t.Errorf("got fence %d for the same incident, want %d", again, fence)
		}
		if err := l.Release(within(t), ledger.End{Incident: incident, Domain: "pay"}, noon()); err != nil {
			t.Fatal(err)
		}
		last = max(fence, get(incident, "stock"))
		if err := l.Release(within(t), ledger.End{Incident: incident, Domain: "stock"}, noon()); err != nil {
			t.Fatal(err)
		}
	}
	held := get("holder", "pay")
	b.Close()
	l = ledger.New(openCell(t, openBus(t, dir), "ledger"), limits(nil))
	if got := get("holder", "pay"); got != held {
		t.Errorf("got fence %d after a restart, want %d", got, held)
	}
	if got := get("other", "stock"); got <= held {
		t.Errorf("got fence %d after %d, want a larger one", got, held)
	}
}

// Of thirty-two incidents that ask at once, exactly one gets a domain; and all domains together stay below the common limit.
func TestLedgerContended(t *testing.T) {
	t.Parallel()
	b := openBus(t, t.TempDir())
	for i, c := range []struct {
		name   string
		domain func(i int) string
		want   int32
	}{
		{"one domain", func(int) string { return "pay" }, 1},
		{"a domain each, three at once", func(i int) string { return fmt.Sprint("domain ", i) }, 3},
	} {
		var granted, refused atomic.Int32
		var wg sync.WaitGroup
		for j := range 32 {
			l := ledger.New(openCell(t, b, fmt.Sprint("ledger", i)), limits(func(l *policy.Limits) { l.Global.Concurrent = 3 })) // a replica each
			wg.Go(func() {
				_, err := l.Reserve(within(t), ask(fmt.Sprint("i", j), c.domain(j), nil), noon())
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
	l := ledger.New(openCell(t, b, "ledger"), limits(nil))
	kv, err := b.JetStream().KeyValue(within(t), "ledger")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range unreadable() {
		if _, err := kv.Put(within(t), "ledger", []byte(doc)); err != nil {
			t.Fatal(err)
		}
		for _, override := range []bool{false, true} {
			grant, err := l.Reserve(within(t), ask("i1", "pay", func(a *ledger.Ask) { a.Override = override }), noon())
			var no *remediations.NoError
			if err == nil || errors.As(err, &no) || grant != (remediations.Grant{}) || !strings.Contains(err.Error(), "read the ledger") {
				t.Errorf("%q: got %+v, %v, want that it cannot be read", doc, grant, err)
			}
		}
		_, ackErr := l.Ack(within(t), "i1", "pay", "pool:pay", noon())
		_, viewErr := l.View(within(t), noon())
		for what, err := range map[string]error{
			"release": l.Release(within(t), ledger.End{Incident: "i1", Domain: "pay"}, noon()),
			"surge":   l.Surge(within(t), "", noon()), "ack": ackErr, "view": viewErr,
		} {
			if err == nil || !strings.Contains(err.Error(), "read the ledger") {
				t.Errorf("%q: %s: got %v, want that it cannot be read", doc, what, err)
			}
		}
		if e, err := kv.Get(within(t), "ledger"); err != nil || string(e.Value()) != doc {
			t.Errorf("%q: got it changed to %q, %v", doc, e.Value(), err)
		}
	}
	b.Close()
	if grant, err := l.Reserve(within(t), ask("i1", "pay", nil), noon()); err == nil {
		t.Errorf("got %+v from a closed bus, want an error", grant)
	}
	if _, err := l.View(within(t), noon()); err == nil {
		t.Error("got a view of a closed bus, want an error")
	}
}

// What one replica wrote, the next sees: a standing fix of format 1, a storm that a refusal marked, and what a person lifted.
func TestLedgerIsShared(t *testing.T) {
	t.Parallel()
	b := openBus(t, t.TempDir())
	cell := openCell(t, b, "ledger")
	if err := cell.Change(within(t), func([]byte) ([]byte, error) { return []byte(format1), nil }); err != nil {
		t.Fatal(err)
	}
	replica := func() *ledger.Ledger { return ledger.New(openCell(t, b, "ledger"), limits(nil)) }
	refused := func(a ledger.Ask, want remediations.Reason) {
		t.Helper()
		_, err := replica().Reserve(within(t), a, noon())
		var no *remediations.NoError
		if !errors.As(err, &no) || no.Reason != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	refused(ask("i8", "pay", nil), remediations.ReasonTargetBusy)
	refused(ask("i8", "search", func(a *ledger.Ask) { a.Sick = 4 }), remediations.ReasonBlastRadius)
	refused(ask("i8", "search", nil), remediations.ReasonStorm)
	if err := replica().Surge(within(t), "", noon()); err != nil {
		t.Fatal(err)
	}
	refused(ask("i8", "search", func(a *ledger.Ask) { a.Zone = "us" }), remediations.ReasonStorm)
	if _, err := replica().Ack(within(t), "i7", "pay", "pool:pay", noon()); !errors.Is(err, ledger.ErrStanding) {
		t.Errorf("got %v, want that it stands", err)
	}
	for range 2 { // safe to repeat
		if err := replica().Release(within(t), ledger.End{Incident: "i7", Domain: "pay", Doubt: true}, noon()); err != nil {
			t.Fatal(err)
		}
	}
	v, err := replica().View(within(t), noon())
	if err != nil || v.Fence != 7 || len(v.Standing) != 0 || len(v.Budgets) != 3 || len(v.Blocks) != 3 {
		t.Errorf("got %+v, %v", v, err)
	}
	lifted, err := replica().Ack(within(t), "i7", "pay", "pool:pay", noon())
	if err != nil || !slices.Equal(lifted, []string{"frozen"}) {
		t.Errorf("got %v, %v, want that it is not frozen any more", lifted, err)
	}
}

// document is kept in memory, and its writes can be lost, or be made and not confirmed.
type document struct {
	doc     []byte
	writes  int
	fail    error
	applied bool // although it fails
}

func (d *document) Get(context.Context) ([]byte, error) { return d.doc, nil }

func (d *document) Change(_ context.Context, fn func([]byte) ([]byte, error)) error {
	next, err := fn(d.doc)
	if err != nil {
		return err
	}
	if d.fail == nil || d.applied {
		d.doc, d.writes = next, d.writes+1
	}
	return d.fail
}

// What changes nothing is not written: neither a repetition, nor a no, nor a storm that goes on, more than once in a few seconds.
func TestLedgerWritesOnlyChanges(t *testing.T) {
	t.Parallel()
	d := &document{}
	l := ledger.New(d, limits(nil))
	ctx := within(t)
	for i := range 1000 { // a hundred seconds
		now := noon().Add(time.Duration(i) * 100 * time.Millisecond)
		if _, err := l.Reserve(ctx, ask("i1", "pay", nil), noon()); err != nil {
			t.Fatal(err)
		}
		_, err := l.Reserve(ctx, ask("i2", "stock", func(a *ledger.Ask) { a.Sick = 5 }), now)
		_, busy := l.Reserve(ctx, ask("i2", "pay", nil), now)
		released := l.Release(ctx, ledger.End{Incident: "i2", Domain: "pay"}, now)
		if err == nil || busy == nil || released != nil {
			t.Fatalf("got %v, %v, %v", err, busy, released)
		}
	}
	if d.writes != 1+20 {
		t.Errorf("got %d writes, want the grant's and one mark in five seconds", d.writes)
	}
}

// A write that nobody confirmed is a no. If it was made all the same, asking again gives its grant, and costs nothing more.
func TestLedgerInDoubt(t *testing.T) {
	t.Parallel()
	lost := errors.New("lost")
	d := &document{fail: lost, applied: true}
	l := ledger.New(d, limits(func(l *policy.Limits) { l.Global.Hour = 1 }))
	var no *remediations.NoError
	if grant, err := l.Reserve(within(t), ask("i1", "pay", nil), noon()); !errors.Is(err, lost) || errors.As(err, &no) || grant.Fence != 0 {
		t.Errorf("got %+v, %v, want no grant", grant, err)
	}
	d.fail = nil
	if grant, err := l.Reserve(within(t), ask("i1", "pay", nil), noon()); err != nil || grant.Fence != 1 {
		t.Errorf("got %+v, %v, want the grant", grant, err)
	}
	d.fail, d.applied = lost, false
	_, err := l.Reserve(within(t), ask("i2", "stock", func(a *ledger.Ask) { a.Sick = 5 }), noon())
	if !errors.As(err, &no) || no.Reason != remediations.ReasonBudgetSpent || !errors.Is(err, lost) {
		t.Errorf("got %v, want the no, and that the storm could not be marked", err)
	}
}
