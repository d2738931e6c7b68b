package replicationlag

import (
	"cmp"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
)

// withDefaults puts the documented default in the place of every zero.
func withDefaults(t policy.LagThresholds) policy.LagThresholds {
	every := orElse(t.SampleEvery, 5*time.Second)
	return policy.LagThresholds{
		SLO:           orElse(t.SLO, 30*time.Second),
		SlackBytes:    cmp.Or(t.SlackBytes, 64<<10),
		CatchUpWithin: orElse(t.CatchUpWithin, 5*time.Minute),
		ConflictAge:   orElse(t.ConflictAge, time.Minute),
		ReplyAge:      orElse(t.ReplyAge, 20*time.Second),
		PausedFor:     orElse(t.PausedFor, 30*time.Minute),
		RetainedShare: cmp.Or(t.RetainedShare, 0.7),
		BurstRatio:    cmp.Or(t.BurstRatio, 2),
		SampleEvery:   every,
		Samples:       max(2, t.Samples),
		ConfirmAfter:  orElse(t.ConfirmAfter, every.D()),
		VerifyWithin:  orElse(t.VerifyWithin, time.Minute),
		HoldFor:       orElse(t.HoldFor, time.Minute),
	}
}

func orElse(d policy.Duration, otherwise time.Duration) policy.Duration {
	return cmp.Or(d, policy.Duration(otherwise))
}

// maxSessions is how many sessions one action may end: what the policy says, never more than mostSessions.
func (c cluster) maxSessions() int {
	if n := c.Fix.MaxSessions; n >= 1 && n <= mostSessions {
		return n
	}
	return mostSessions
}

// mostSessions is the most that any policy can allow.
const mostSessions = 3

// minReady is how many other readers must stay when one is taken out.
func (c cluster) minReady() int {
	if c.topology.Reads == nil {
		return 1
	}
	return max(1, c.topology.Reads.MinReady)
}

// maxGap is the longest pause between two looks that are still one story. After a longer one, e.g. a restart of Firebreak, the looks before
// it are too old to agree with anything.
func (h *Handler) maxGap() time.Duration {
	return max(30*time.Second, 6*h.thresholds.SampleEvery.D())
}
