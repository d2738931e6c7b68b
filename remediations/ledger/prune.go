package ledger

import (
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

const (
	day = 24 * time.Hour
	// slack is how far clocks may be apart without anything being forgotten too early.
	slack = day
)

// stamp is the time under which a change is written: now, but never earlier than what was written before.
func (b *Book) stamp(now time.Time) time.Time {
	b.c.Seen = latest(now, b.c.Seen).UTC()
	return b.c.Seen
}

// unsure says that the clocks of those who wrote the book are too far apart to count in it.
func (b *Book) unsure(now time.Time) *Block {
	if !b.c.Seen.After(now.Add(slack)) {
		return nil
	}
	return &Block{Reason: remediations.ReasonLedger, Scope: ScopeAll, Since: b.c.Seen, Until: b.c.Seen.Add(-slack), Words: fmt.Sprintf(
		"the ledger was last written at %s, and here it is %s: one of the clocks is wrong; a person's override says that ours is right",
		dated(b.c.Seen), dated(now))}
}

// rewind takes now for the truth: what lies after it becomes now.
func (b *Book) rewind(now time.Time) {
	now = now.UTC()
	back := func(t time.Time) time.Time {
		if t.After(now) {
			return now
		}
		return t
	}
	for d, a := range b.c.Active {
		a.Since = back(a.Since)
		b.c.Active[d] = a
	}
	for i := range b.c.Spent {
		b.c.Spent[i].At = back(b.c.Spent[i].At)
	}
	for d, e := range b.c.Ended {
		e.Plain.At, e.Risky.At = back(e.Plain.At), back(e.Risky.At)
		b.c.Ended[d] = e
	}
	for _, waits := range b.c.Waits {
		for i := range waits {
			waits[i].At = back(waits[i].At)
		}
	}
	for z, s := range b.c.Storms {
		s.Since, s.Seen = back(s.Since), back(s.Seen)
		b.c.Storms[z] = s
	}
	b.c.Seen = back(b.c.Seen)
}

// prune drops what no limit asks for any more. Locks and what waits for a person are never dropped by time.
//
// What was spent is asked for by the budgets for a day, and after that only by the chains, each of which needs its newest entries.
// So the book holds what the budgets can grant in two days, and a chain for each target and action.
func (b *Book) prune(l policy.Limits, now time.Time) {
	b.pruneSpent(chainOf(l), now)
	for d, e := range b.c.Ended {
		if gone(now, e.Plain.At, cooldownOf(l, false)) && gone(now, e.Risky.At, cooldownOf(l, true)) {
			delete(b.c.Ended, d)
		}
	}
	for z, s := range b.c.Storms {
		if gone(now, s.Seen, calmOf(l)+grainOf(l)) {
			delete(b.c.Storms, z)
		}
	}
	for target, fence := range b.c.Acked {
		if !b.chainedBy(target, fence) {
			delete(b.c.Acked, target)
		}
	}
}

// pruneSpent walks from the newest to the oldest, so that each chain keeps its newest entries.
func (b *Book) pruneSpent(chain policy.Chain, now time.Time) {
	type link struct{ domain, target, action string }
	links, kept := map[link]int{}, len(b.c.Spent)
	for i := len(b.c.Spent) - 1; i >= 0; i-- {
		s := b.c.Spent[i]
		in := link{s.Domain, s.Target, s.Action}
		links[in]++
		if gone(now, s.At, day) && (gone(now, s.At, chain.Window.D()) || links[in] > chain.Fixes) {
			continue
		}
		kept--
		b.c.Spent[kept] = s
	}
	b.c.Spent = append(b.c.Spent[:0], b.c.Spent[kept:]...)
}

// chainedBy says whether anything is left of what a target's acknowledgement took out of its chains.
func (b *Book) chainedBy(target string, fence uint64) bool {
	for _, s := range b.c.Spent {
		if s.Fence <= fence && (s.Target == target || s.Target == "") {
			return true
		}
	}
	return false
}

// gone says whether something of that time counts no more, even to somebody whose clock is behind by the slack.
func gone(now, at time.Time, counts time.Duration) bool { return !now.Before(at.Add(counts + slack)) }

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
