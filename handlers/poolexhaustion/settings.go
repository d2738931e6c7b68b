package poolexhaustion

import (
	"cmp"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
)

// withDefaults puts the documented default in the place of every zero.
func withDefaults(t policy.PoolThresholds) policy.PoolThresholds {
	every := orElse(t.SampleEvery, 5*time.Second)
	return policy.PoolThresholds{
		Waiting:      max(1, t.Waiting),
		MaxWait:      orElse(t.MaxWait, time.Second),
		LeakAge:      orElse(t.LeakAge, 5*time.Minute),
		LeakFactor:   max(1, cmp.Or(t.LeakFactor, 3)),
		Victims:      max(1, cmp.Or(t.Victims, 3)),
		Headroom:     cmp.Or(t.Headroom, 0.3),
		UsableShare:  cmp.Or(t.UsableShare, 0.8),
		ClientShare:  cmp.Or(t.ClientShare, 0.9),
		BusyShare:    cmp.Or(t.BusyShare, 0.8),
		SampleEvery:  every,
		Samples:      max(1, t.Samples),
		ConfirmAfter: orElse(t.ConfirmAfter, every.D()),
		VerifyWithin: orElse(t.VerifyWithin, time.Minute),
		HoldFor:      orElse(t.HoldFor, time.Minute),
	}
}

func orElse(d policy.Duration, otherwise time.Duration) policy.Duration {
	return cmp.Or(d, policy.Duration(otherwise))
}

const (
	// mostSessions is the most that any policy can allow to be ended by one action.
	mostSessions = 3
	// mostPercent is the most by which any policy can let a pool grow.
	mostPercent = 25
	// longestGrown is the longest that a larger pool can stand, whatever the policy says.
	longestGrown = 30 * time.Minute
	// longestOnce is the most that the effect of a change that is over at once is looked for.
	longestOnce = 10 * time.Minute
	// sessionShare is the part of all client sessions that one action may end, but at least one: a tenth.
	sessionShare = 10
)

// maxSessions is how many of the server's sessions one action may end: what the policy says, never more than mostSessions, and never more
// than a tenth of them, but at least one.
func (c cluster) maxSessions(used int) int {
	most := mostSessions
	if n := c.Fix.MaxSessions; n >= 1 && n < most {
		most = n
	}
	return max(1, min(most, used/sessionShare))
}

// growPercent is by how much a pool may grow.
func (c cluster) growPercent() int {
	if n := c.Fix.GrowPercent; n >= 1 && n <= mostPercent {
		return n
	}
	return mostPercent
}

// growLimit is how long a larger pool stands at most.
func (c cluster) growLimit() policy.Duration {
	if d := c.Fix.Limit.D(); d > 0 && d < longestGrown {
		return c.Fix.Limit
	}
	return policy.Duration(longestGrown)
}

// maxGap is the longest pause between two looks that are still one story. After a longer one, e.g. a restart of Firebreak, the looks before
// it are too old to agree with anything.
func (h *Handler) maxGap() time.Duration {
	return max(30*time.Second, 6*h.thresholds.SampleEvery.D())
}

// looksNeeded is how many looks a decision needs: what agrees is what is true from one look to the next.
func (h *Handler) looksNeeded() int { return h.thresholds.Samples + 1 }
