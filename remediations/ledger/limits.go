package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// The defaults of what a policy leaves out. A budget has none here: one that says nothing allows nothing.
const (
	defaultCooldown      = 10 * time.Minute
	defaultCooldownRisky = time.Hour
	defaultChainFixes    = 5
	defaultChainWindow   = 72 * time.Hour
	defaultSickTargets   = 2
	defaultSickPercent   = 33
	defaultCalm          = 10 * time.Minute
)

func cooldownOf(l policy.Limits, risky bool) time.Duration {
	set, otherwise := l.Cooldown, defaultCooldown
	if risky {
		set, otherwise = l.CooldownRisky, defaultCooldownRisky
	}
	if set == nil {
		return otherwise
	}
	return set.D()
}

func chainOf(l policy.Limits) policy.Chain {
	return policy.Chain{Fixes: cmp.Or(l.Chain.Fixes, defaultChainFixes), Window: cmp.Or(l.Chain.Window, policy.Duration(defaultChainWindow))}
}

func calmOf(l policy.Limits) time.Duration {
	return cmp.Or(l.BlastRadius.Calm.D(), defaultCalm)
}

// Scope is what a budget is counted over.
type Scope string

// The scopes.
const (
	ScopeAll    Scope = "all"
	ScopeAction Scope = "action"
	ScopeDomain Scope = "domain"
)

// scope is one budget: that of all, or of the action or the domain of that name.
type scope struct {
	kind Scope
	name string
}

func (sc scope) limit(l policy.Limits) policy.Budget {
	switch sc.kind {
	case ScopeDomain:
		return l.PerDomain
	case ScopeAction:
		return l.PerAction
	}
	return l.Global
}

// has says whether the budget pays for a fix of that domain and action. An unknown action is every action.
func (sc scope) has(domain, action string) bool {
	switch sc.kind {
	case ScopeDomain:
		return sc.name == domain
	case ScopeAction:
		return sc.name == action || action == ""
	}
	return true
}

func (sc scope) String() string {
	switch sc.kind {
	case ScopeDomain:
		return "failure domain " + sc.name
	case ScopeAction:
		return "action " + sc.name
	}
	return "all failure domains"
}

// block is an empty one that names what the budget is for.
func (sc scope) block(reason remediations.Reason) *Block {
	b := &Block{Reason: reason, Scope: sc.kind}
	switch sc.kind {
	case ScopeDomain:
		b.Domain = sc.name
	case ScopeAction:
		b.Action = sc.name
	}
	return b
}

// busy says that a fix stands in the domain.
func (b *Book) busy(domain string, now time.Time) *Block {
	held, ok := b.c.Active[domain]
	if !ok {
		return nil
	}
	return &Block{Reason: remediations.ReasonTargetBusy, Scope: ScopeDomain, Domain: domain, Zone: held.Zone, Target: held.Target,
		Action: held.Action, By: held.Incident, Since: held.Since,
		Words: fmt.Sprintf("incident %s has had a fix in %s since %s", held.Incident, domain, clock(held.Since, now))}
}

// cooling is the longer of the two pauses of a domain, if one is not over.
func (b *Book) cooling(l policy.Limits, domain string, now time.Time) *Block {
	var longest *Block
	e := b.c.Ended[domain]
	for _, p := range []struct {
		ending
		risky bool
	}{{e.Plain, false}, {e.Risky, true}} {
		pause := cooldownOf(l, p.risky)
		until := p.At.Add(pause)
		if p.At.IsZero() || !now.Before(until) || (longest != nil && !until.After(longest.Until)) {
			continue
		}
		longest = &Block{Reason: remediations.ReasonCooldown, Scope: ScopeDomain, Domain: domain, By: p.Incident, Since: p.At, Until: until,
			Words: fmt.Sprintf("the last fix in %s ended at %s, and it is left alone for %s", domain, clock(p.At, now), pause)}
	}
	return longest
}

// standing counts the fixes of a budget that stand now, but for that of one domain.
func (b *Book) standing(sc scope, except string) int {
	n := 0
	for domain, s := range b.c.Active {
		if domain != except && sc.has(domain, s.Action) {
			n++
		}
	}
	return n
}

// crowded says that too many fixes of a budget stand at once, without counting that of one domain, whose own lock is asked before.
func (b *Book) crowded(l policy.Limits, sc scope, except string) *Block {
	n, most := b.standing(sc, except), sc.limit(l).Concurrent
	if n < most {
		return nil
	}
	block := sc.block(remediations.ReasonConcurrent)
	block.Words = fmt.Sprintf("%d fixes stand at once in %s; %d are allowed", n, sc, most)
	if sc.kind == ScopeAction {
		block.Words = fmt.Sprintf("%d fixes of %s stand at once; %d are allowed", n, sc.name, most)
	}
	return block
}

// window is a span of a budget.
type window struct {
	name string
	span time.Duration
	most int
}

func windows(l policy.Budget) [2]window {
	return [2]window{{"hour", time.Hour, l.Hour}, {"day", day, l.Day}}
}

// spentIn are the times at which a budget was spent in the last span, oldest first. What lies in the future counts.
func (b *Book) spentIn(sc scope, span time.Duration, now time.Time) []time.Time {
	var at []time.Time
	begin := now.Add(-span)
	for _, s := range b.c.Spent {
		if s.At.After(begin) && sc.has(s.Domain, s.Action) {
			at = append(at, s.At)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	return at
}

// overspent says that nothing is left of a budget. If both of its windows are spent, it is the one that lasts longer. A window that allows
// nothing has no end.
func (b *Book) overspent(l policy.Limits, sc scope, now time.Time) *Block {
	var block *Block
	for _, w := range windows(sc.limit(l)) {
		at := b.spentIn(sc, w.span, now)
		if len(at) < w.most {
			continue
		}
		var until time.Time
		if w.most > 0 {
			until = at[len(at)-w.most].Add(w.span)
		}
		if block != nil && (block.Until.IsZero() || (!until.IsZero() && until.Before(block.Until))) {
			continue
		}
		block = sc.block(remediations.ReasonBudgetSpent)
		block.Until = until
		block.Words = fmt.Sprintf("%d of %d fixes of this %s are spent in %s", len(at), w.most, w.name, sc)
		if sc.kind == ScopeAction {
			block.Words = fmt.Sprintf("%d of %d fixes of %s of this %s are spent", len(at), w.most, sc.name, w.name)
		}
	}
	return block
}

// chained says that a target was given the same fix again and again since a person last looked.
func (b *Book) chained(l policy.Limits, domain, target, action string, now time.Time) *Block {
	chain := chainOf(l)
	at := b.links(domain, target, action, now.Add(-chain.Window.D()))
	if len(at) < chain.Fixes {
		return nil
	}
	until := at[len(at)-chain.Fixes].Add(chain.Window.D())
	return &Block{Reason: remediations.ReasonChain, Domain: domain, Target: target, Action: action, Since: at[0], Until: until,
		Words: fmt.Sprintf("%s was done %d times on %s since %s: it hides the fault; acknowledge it to begin a new count",
			action, len(at), target, dated(at[0]))}
}

// links are the times of a chain after a time, oldest first. An empty action is all of the target's.
func (b *Book) links(domain, target, action string, after time.Time) []time.Time {
	acked, known := b.c.Acked[target]
	var at []time.Time
	for _, s := range b.c.Spent {
		mine := s.Target == target || (s.Target == "" && s.Domain == domain)
		same := action == "" || s.Action == "" || s.Action == action
		if mine && same && s.At.After(after) && (!known || s.Fence > acked) {
			at = append(at, s.At)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	return at
}

// clock is a time for people who look at it now: without the date if it is today's.
func clock(t, now time.Time) string {
	if t, now := t.UTC(), now.UTC(); t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format(time.TimeOnly)
	}
	return dated(t)
}

func dated(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
