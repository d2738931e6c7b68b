package sessiondrift

import (
	"cmp"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/policy"
)

// withDefaults puts the documented default in the place of every zero.
func withDefaults(t policy.DriftThresholds) policy.DriftThresholds {
	every := orElse(t.SampleEvery, 5*time.Second)
	return policy.DriftThresholds{
		Lag:           orElse(t.Lag, 5*time.Second),
		Stable:        orElse(t.Stable, 10*time.Minute),
		OrphanPercent: cmp.Or(t.OrphanPercent, 5),
		OrphanJump:    cmp.Or(t.OrphanJump, 10),
		ClockSkew:     orElse(t.ClockSkew, time.Second),
		SampleEvery:   every,
		ConfirmAfter:  orElse(t.ConfirmAfter, every.D()),
		VerifyWithin:  orElse(t.VerifyWithin, 10*time.Minute),
		HoldFor:       orElse(t.HoldFor, 2*time.Minute),
	}
}

func orElse(d policy.Duration, otherwise time.Duration) policy.Duration {
	return cmp.Or(d, policy.Duration(otherwise))
}

const (
	// looksNeeded is how many looks a decision needs at least: what agrees is what is true from one look to the next.
	looksNeeded = 2
	// longestOnce is the most that the effect of a change is looked for.
	longestOnce = 30 * time.Minute
	// longestRecover bounds one recovery, which gives sessions away in stages that wait for each other.
	longestRecover = time.Minute
	// recoverParts is how many times max_sessions one recovery may give away: nothing is taken from anybody, and it goes in parts that are each
	// looked at before the next.
	recoverParts = 4
	// mostCopies is the most copies that one order may name, those that stay included.
	mostCopies = 200
	// smallJump is the number of orphans that are never a jump by themselves, counted as if so many had been there before.
	smallJump = 10
	// manyExpired is how many sessions whose owner lives may be overdue without that being a fault, as for orphans in the runbook.
	manyExpired = 100
	// settleStep is the step in which orphans are taken up: one that came to be an orphan in this minute by the store's clock is not meant
	// yet, so that two looks in a row mean the same sessions while orphans still come in.
	settleStep = time.Minute
)

// apart is how long before the newest look the first of those that must agree was made: sample_every, less what a wake-up may be early.
func (h *Handler) apart() time.Duration { return h.thresholds.SampleEvery.D() * 9 / 10 }

// maxGap is the longest pause between two looks that are still one story. After a longer one, e.g. a restart of Firebreak, the looks before
// it are too old to agree with anything.
func (h *Handler) maxGap() time.Duration {
	return max(30*time.Second, 6*h.thresholds.SampleEvery.D(), min(h.thresholds.Stable.D()/20, 2*time.Minute))
}

// patientStep is the time between two looks while the membership has to become stable, which takes minutes.
func (h *Handler) patientStep() time.Duration {
	return min(max(2*h.thresholds.SampleEvery.D(), h.thresholds.Stable.D()/60), h.maxGap()/2)
}

// holdFor is how long nobody must have missed what was taken away: shorter than what there is to look at it.
func (h *Handler) holdFor() time.Duration {
	return min(h.thresholds.HoldFor.D(), h.thresholds.VerifyWithin.D()/2)
}

// maxSessions is the most that the policy lets one action touch, 1 to sessions.MostAtOnce.
func (s store) maxSessions() int {
	if n := s.Fix.MaxSessions; n >= 1 && n < sessions.MostAtOnce {
		return n
	}
	return sessions.MostAtOnce
}

// ttl is how long leases last by the policy; zero if it does not say.
func (s store) ttl() time.Duration { return s.place.TTL.D() }

// recoverTakes is how long after a recovery it can be seen that its new owner renews: a lease that is not renewed ends after TTL, and counts
// as expired after twice as long again.
func (r deciding) recoverTakes() time.Duration {
	ttl := r.store.ttl()
	if len(r.sights) > 0 {
		ttl = max(ttl, r.newest().seen.Members.TTL.Duration())
	}
	return 3*ttl + r.thresholds.SampleEvery.D()
}

// asks says which of the questions to Prometheus the policy names.
func (s store) asks() policy.DriftMetrics {
	if s.Prometheus == nil {
		return policy.DriftMetrics{}
	}
	return *s.Prometheus
}
