package ledger_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

// maxBook bounds the document in these tests: what the budgets grant in two days, and the chains of all targets.
const maxBook = 64 << 10

// tight are limits that random asks meet all the time.
func tight() policy.Limits {
	plain, risky := policy.Duration(10*time.Minute), policy.Duration(time.Hour)
	return policy.Limits{
		PerDomain: policy.Budget{Hour: 3, Day: 6, Concurrent: 1}, PerAction: policy.Budget{Hour: 6, Day: 20, Concurrent: 2},
		Global: policy.Budget{Hour: 10, Day: 40, Concurrent: 3}, Cooldown: &plain, CooldownRisky: &risky,
		BlastRadius: policy.BlastRadius{Targets: 2, SharePercent: 33, Calm: policy.Duration(10 * time.Minute)},
		Chain:       policy.Chain{Fixes: 5, Window: policy.Duration(72 * time.Hour)},
	}
}

// dice throw random asks. The seed is in the log of the test.
type dice struct{ *rand.Rand }

func throw(t *testing.T) dice {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return dice{rand.New(rand.NewPCG(seed, 0))}
}

func (d dice) oneIn(n int) bool { return d.IntN(n) == 0 }

func (d dice) ask() ledger.Ask {
	n := d.IntN(9)
	a := ledger.Ask{Incident: fmt.Sprint("i", d.IntN(40)), Domain: fmt.Sprint("domain", n), Zone: fmt.Sprint("zone", n%3),
		Target: fmt.Sprintf("pool:%d-%d", n, d.IntN(2)), Action: []string{"breaker/open", "pool/resize", "patroni/switchover"}[max(d.IntN(6)-3, 0)],
		Class: remediations.ClassA, Sick: 1, Known: 6, Override: d.oneIn(150)}
	if d.oneIn(30) {
		a.Class = remediations.ClassP
	}
	if d.oneIn(100) {
		a.Sick = 1 + d.IntN(4)
	}
	return a
}

// pass is how much time goes by: seconds mostly, now and then hours.
func (d dice) pass() time.Duration {
	switch {
	case d.oneIn(2000):
		return time.Duration(d.IntN(100)) * time.Hour
	case d.oneIn(5):
		return time.Duration(d.IntN(45)) * time.Minute
	case d.oneIn(4):
		return 0
	}
	return time.Duration(d.IntN(120_000)) * time.Millisecond
}

// end ends a random fix that stands.
func (d dice) end(b *ledger.Book) (ledger.End, bool) {
	standing := b.Standing()
	if len(standing) == 0 {
		return ledger.End{}, false
	}
	s := standing[d.IntN(len(standing))]
	e := ledger.End{Incident: s.Incident, Domain: s.Domain, Doubt: d.oneIn(50)}
	if d.oneIn(4) {
		e.Fence = s.Fence
	}
	if d.oneIn(50) {
		e.Class = remediations.ClassP2
	}
	return e, true
}

// In all random steps the book answers what the model answers, which forgets nothing.
func TestBookAgainstTheModel(t *testing.T) {
	t.Parallel()
	d, l := throw(t), tight()
	b, m := emptyBook(t), newModel(l)
	now, fence, size := noon(), uint64(0), 0
	got := map[remediations.Reason]int{}
	for i := range throws {
		now = now.Add(d.pass())
		switch p := d.IntN(100); {
		case p < 55:
			a := d.ask()
			want := m.answers(a, now)
			held, stood := m.holder[a.Domain]
			foreseen := b.Would(l, a, now)
			grant, no, _ := b.Reserve(l, a, now)
			answer := reasonOf(no)
			if reasonOf(foreseen) != answer {
				t.Fatalf("step %d at %s: %+v: foreseen %q, got %q", i, now, a, reasonOf(foreseen), answer)
			}
			if !slices.Contains(want, answer) {
				t.Fatalf("step %d at %s: %+v got %q (%v), want %q", i, now, a, answer, no, want)
			}
			got[answer]++
			m.asked(a, now, answer)
			mustGrow(t, &fence, grant, stood && held.Incident == a.Incident)
			if i%16 == 0 {
				explained(t, b, l, a, no, now)
			}
		case p < 92:
			if e, ok := d.end(b); ok {
				b.Release(l, e, now)
				m.released(e, now)
			}
		case p < 93 && d.oneIn(20):
			zone := []string{"", "zone0", "zone1"}[d.IntN(3)]
			b.Surge(l, zone, now)
			m.surged[zone] = now
		default:
			acknowledgeAll(t, d, b, m, l, now)
		}
		if i%64 == 0 {
			b, size = reread(t, b, size)
			m.sameUse(t, b, now)
		}
	}
	t.Logf("answers: %v; the largest document had %d bytes; %d grants", got, size, fence)
	for _, r := range []remediations.Reason{"", remediations.ReasonTargetBusy, remediations.ReasonFrozen, remediations.ReasonUnacknowledged,
		remediations.ReasonCooldown, remediations.ReasonConcurrent, remediations.ReasonBudgetSpent, remediations.ReasonChain,
		remediations.ReasonBlastRadius, remediations.ReasonStorm} {
		if got[r] == 0 {
			t.Errorf("got no %q: the test proves nothing about it", r)
		}
	}
}

func reasonOf(no *remediations.NoError) remediations.Reason {
	if no == nil {
		return ""
	}
	return no.Reason
}

// mustGrow checks that a new grant has a larger fence than all before it.
func mustGrow(t *testing.T, last *uint64, grant remediations.Grant, held bool) {
	t.Helper()
	if grant.Fence == 0 || (held && grant.Fence <= *last) {
		return
	}
	if grant.Fence <= *last {
		t.Fatalf("got fence %d after %d", grant.Fence, *last)
	}
	*last = grant.Fence
}

// explained checks that what refuses is in the list of what would refuse, and that its end is the end: a moment before it still refuses.
func explained(t *testing.T, b *ledger.Book, l policy.Limits, a ledger.Ask, no *remediations.NoError, now time.Time) {
	t.Helper()
	if no == nil || no.Reason == remediations.ReasonBlastRadius {
		return
	}
	same := func(k ledger.Block) bool { return k.Reason == no.Reason && k.Until.Equal(no.Until) && k.By == no.By }
	if blocks := b.Blocks(l, now); !slices.ContainsFunc(blocks, same) {
		t.Fatalf("%+v was refused by %+v, which is not among %+v", a, no, blocks)
	}
	if no.Until.IsZero() {
		return
	}
	if !no.Until.After(now) {
		t.Fatalf("at %s it was told to come back at %s", now, no.Until)
	}
	moment := no.Until.Add(-time.Nanosecond)
	if blocks := b.Blocks(l, moment); !slices.ContainsFunc(blocks, same) {
		t.Fatalf("%+v is over before its end", no)
	}
	if blocks := b.Blocks(l, no.Until); slices.ContainsFunc(blocks, same) {
		t.Fatalf("%+v is not over at its end", no)
	}
}

// acknowledgeAll acknowledges a random domain, as a person would: everything that waits there.
func acknowledgeAll(t *testing.T, d dice, b *ledger.Book, m *model, l policy.Limits, now time.Time) {
	t.Helper()
	a := d.ask()
	incidents := append(append([]string{a.Incident}, m.frozen[a.Domain]...), m.unacked[a.Domain]...)
	for _, incident := range incidents {
		if d.oneIn(8) {
			continue
		}
		elsewhere := slices.ContainsFunc(slices.Collect(maps.Values(m.holder)), func(g granted) bool {
			return g.Incident == incident && g.Domain == a.Domain
		})
		target := a.Target
		if !d.oneIn(20) {
			target = ""
		}
		_, err := b.Ack(l, incident, a.Domain, target, now)
		if (err == nil) == elsewhere || m.ack(incident, a.Domain, target) != (err == nil) {
			t.Fatalf("acknowledging %s in %s: got %v", incident, a.Domain, err)
		}
	}
}

// reread is the book as another replica reads it, and the size of the largest document so far.
func reread(t *testing.T, b *ledger.Book, size int) (*ledger.Book, int) {
	t.Helper()
	doc, err := b.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if len(doc) > maxBook {
		t.Fatalf("the document has %d bytes: %s", len(doc), doc)
	}
	return through(t, b), max(size, len(doc))
}

// sameUse checks what is told of the budgets.
func (m *model) sameUse(t *testing.T, b *ledger.Book, now time.Time) {
	t.Helper()
	for _, u := range b.Budgets(m.limits, now) {
		fits := func(g granted) bool {
			return u.Scope == ledger.ScopeAll || (u.Scope == ledger.ScopeDomain && g.Domain == u.Name) ||
				(u.Scope == ledger.ScopeAction && g.Action == u.Name)
		}
		standing := 0
		for _, g := range m.holder {
			if fits(g) {
				standing++
			}
		}
		if hour, day := m.count(time.Hour, now, fits), m.count(24*time.Hour, now, fits); u.HourUsed != hour || u.DayUsed != day || u.Standing != standing {
			t.Fatalf("at %s got %+v, want %d, %d, %d", now, u, hour, day, standing)
		}
	}
}

// With clocks that are hours apart and go back, no window of the book's own time ever holds more than its limit.
func TestBookWithBadClocks(t *testing.T) {
	t.Parallel()
	d, l := throw(t), tight()
	b, m := emptyBook(t), newModel(l) // the model in the book's time: it counts, and is not asked
	now, fence, size := noon(), uint64(0), 0
	for i := range throws / 10 {
		now = now.Add(d.pass())
		mine := now.Add(time.Duration(d.IntN(11*3600)-5*3600) * time.Second)
		if d.oneIn(3) {
			if e, ok := d.end(b); ok {
				b.Release(l, e, mine)
				b.Ack(l, e.Incident, e.Domain, "", mine)
			}
			continue
		}
		a := d.ask()
		a.Override = false
		foreseen := b.Would(l, a, mine)
		grant, no, _ := b.Reserve(l, a, mine)
		if reasonOf(foreseen) != reasonOf(no) {
			t.Fatalf("step %d at %s: %+v: foreseen %q, got %q", i, mine, a, reasonOf(foreseen), reasonOf(no))
		}
		if no != nil || grant.Fence <= fence {
			continue
		}
		fence = grant.Fence
		at := lastSpent(t, b)
		if n := len(m.grants); at.Before(mine) || (n > 0 && at.Before(m.grants[n-1].at)) {
			t.Fatalf("step %d: written at %s by a clock that said %s", i, at, mine)
		}
		if m.overspent(a, at) {
			t.Fatalf("step %d: %+v was granted at %s, and the budget was spent", i, a, at)
		}
		m.grants = append(m.grants, granted{Ask: a, at: at})
		b, size = reread(t, b, size)
	}
	if len(m.grants) < throws/200 {
		t.Errorf("got %d grants only: the test proves little", len(m.grants))
	}
	t.Logf("%d grants; the largest document had %d bytes", len(m.grants), size)
}

// lastSpent is when the book says that its latest grant was.
func lastSpent(t *testing.T, b *ledger.Book) time.Time {
	t.Helper()
	doc, err := b.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var v struct{ Spent []struct{ At time.Time } }
	if err := json.Unmarshal(doc, &v); err != nil || len(v.Spent) == 0 {
		t.Fatalf("%v of %s", err, doc)
	}
	return v.Spent[len(v.Spent)-1].At
}
