package ledger

import (
	"maps"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Block is one thing that refuses fixes now, and what it is in the way of.
type Block struct {
	Reason remediations.Reason `json:"reason"`
	// Scope is how far it reaches: all, one action or one domain. Empty: a zone, or a target's action.
	Scope  Scope  `json:"scope,omitempty"`
	Domain string `json:"domain,omitempty"`
	Zone   string `json:"zone,omitempty"`
	Target string `json:"target,omitempty"`
	Action string `json:"action,omitempty"`
	// By is the incident that stands in the way, or whose end is what is waited for.
	By    string    `json:"by,omitempty"`
	Since time.Time `json:"since,omitzero"`
	// Until is when time lifts it; zero if only a release, a person or another policy does.
	Until time.Time `json:"until,omitzero"`
	Words string    `json:"words"`
}

func (b *Block) no() *remediations.NoError {
	return &remediations.NoError{Reason: b.Reason, Words: b.Words, By: b.By, Until: b.Until}
}

// Budget is how much of one budget is used.
type Budget struct {
	Scope Scope `json:"scope"`
	// Name is that of the action or the domain; empty for all.
	Name       string `json:"name,omitempty"`
	HourUsed   int    `json:"hour_used"`
	HourMax    int    `json:"hour_max"`
	DayUsed    int    `json:"day_used"`
	DayMax     int    `json:"day_max"`
	Standing   int    `json:"standing"`
	Concurrent int    `json:"concurrent"`
	// Next is when a token comes back: of a budget that is spent, when the next fix can be paid for; of any other, when the oldest
	// token of the hour or, with none, of the day does. Zero if nothing is used, or nothing is allowed.
	Next time.Time `json:"next,omitzero"`
}

// Fence is that of the latest grant.
func (b *Book) Fence() uint64 { return b.c.Fence }

// Standing are the grants that were not given back, by domain.
func (b *Book) Standing() []Standing {
	all := make([]Standing, 0, len(b.c.Active))
	for _, domain := range slices.Sorted(maps.Keys(b.c.Active)) {
		s := b.c.Active[domain]
		s.Domain = domain
		all = append(all, s)
	}
	return all
}

// Blocks are everything that would refuse now, reason by reason in the order in which they are asked. Of the blast radius only the storm that it marked is
// known here: how many are sick is in the ask.
func (b *Book) Blocks(l policy.Limits, now time.Time) []Block {
	var all []Block
	add := func(block *Block) {
		if block != nil {
			all = append(all, *block)
		}
	}
	add(b.unsure(now))
	for _, domain := range slices.Sorted(maps.Keys(b.c.Active)) {
		add(b.busy(domain, now))
	}
	for _, domain := range slices.Sorted(maps.Keys(b.c.Waits)) {
		for _, w := range b.c.Waits[domain] {
			add(w.block(domain, now))
		}
	}
	for _, domain := range slices.Sorted(maps.Keys(b.c.Ended)) {
		add(b.cooling(l, domain, now))
	}
	for _, sc := range b.scopes() {
		if sc.kind != ScopeDomain { // its lock is listed already
			add(b.crowded(l, sc, ""))
		}
	}
	for _, sc := range b.scopes() {
		add(b.overspent(l, sc, now))
	}
	for _, c := range b.chains() {
		add(b.chained(l, c.domain, c.target, c.action, now))
	}
	for _, zone := range slices.Sorted(maps.Keys(b.c.Storms)) {
		add(b.storming(l, zone, now))
	}
	return all
}

// Budgets are that of all, and those of the actions and the domains that the book knows, in this order and by name.
func (b *Book) Budgets(l policy.Limits, now time.Time) []Budget {
	scopes := b.scopes()
	all := make([]Budget, 0, len(scopes))
	for _, sc := range scopes {
		limit := sc.limit(l)
		hour, today := b.spentIn(sc, time.Hour, now), b.spentIn(sc, day, now)
		u := Budget{Scope: sc.kind, Name: sc.name, HourUsed: len(hour), HourMax: limit.Hour, DayUsed: len(today), DayMax: limit.Day,
			Standing: b.standing(sc, ""), Concurrent: limit.Concurrent}
		if sc.kind == ScopeDomain {
			u.Concurrent = 1
		}
		if block := b.overspent(l, sc, now); block != nil {
			u.Next = block.Until
		} else if len(hour) > 0 {
			u.Next = hour[0].Add(time.Hour)
		} else if len(today) > 0 {
			u.Next = today[0].Add(day)
		}
		all = append(all, u)
	}
	return all
}

// scopes are all budgets that the book knows.
func (b *Book) scopes() []scope {
	domains := map[string]bool{}
	for d := range b.c.Active {
		domains[d] = true
	}
	for _, s := range b.c.Spent {
		domains[s.Domain] = true
	}
	all := []scope{{ScopeAll, ""}}
	for _, a := range b.actions() {
		all = append(all, scope{ScopeAction, a})
	}
	for _, d := range slices.Sorted(maps.Keys(domains)) {
		all = append(all, scope{ScopeDomain, d})
	}
	return all
}

// actions are those that the book knows by name.
func (b *Book) actions() []string {
	known := map[string]bool{}
	for _, s := range b.c.Active {
		known[s.Action] = true
	}
	for _, s := range b.c.Spent {
		known[s.Action] = true
	}
	delete(known, "")
	return slices.Sorted(maps.Keys(known))
}

// chain is what may be fixed again and again.
type chain struct{ domain, target, action string }

func (b *Book) chains() []chain {
	known := map[chain]bool{}
	for _, s := range b.c.Spent {
		if s.Target != "" {
			known[chain{s.Domain, s.Target, s.Action}] = true
		}
	}
	return slices.SortedFunc(maps.Keys(known), func(a, b chain) int {
		return slices.Compare([]string{a.target, a.action, a.domain}, []string{b.target, b.action, b.domain})
	})
}
