package client

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/firebreak-sre/firebreak/remediations/breaker/lease"
)

// Edge is the calls of this service to one dependency. It is safe for concurrent use.
type Edge struct {
	name   string
	held   atomic.Pointer[hold]
	counts counts
}

// Lease is a lease as this instance holds it.
type Lease struct {
	lease.Lease
	Revision uint64
	// Ends is when it ends here by the local clock.
	Ends time.Time
}

// hold is a lease in force. It does not change once it is published but for its tokens.
type hold struct {
	lease    lease.Lease
	revision uint64
	ends     time.Time
	percent  int
	tokens   *tokens
	refusal  *HeldError // of a call
	tooMany  *HeldError // of a retry
}

func newHold(edge string, l lease.Lease, revision uint64, ends time.Time, before *hold) *hold {
	h := &hold{lease: l, revision: revision, ends: ends, percent: l.Percent(), tokens: &tokens{}}
	if before != nil && before.lease.Action == l.Action && before.lease.Fix == l.Fix && before.percent == h.percent {
		h.tokens = before.tokens
	}
	h.refusal = &HeldError{Edge: edge, Fix: l.Fix, Until: ends.Round(0), Action: l.Action, Reason: l.Reason}
	tooMany := *h.refusal
	tooMany.Retry = true
	h.tooMany = &tooMany
	return h
}

// Name is the edge's name.
func (e *Edge) Name() string { return e.name }

// Held is the lease that is in force, if there is one.
func (e *Edge) Held() (Lease, bool) {
	h := e.held.Load()
	if h == nil || !time.Now().Before(h.ends) {
		return Lease{}, false
	}
	return Lease{Lease: h.lease, Revision: h.revision, Ends: h.ends}, true
}

// Allow says whether an attempt may be made: nil, or a [*HeldError]. The first attempt of a call is 1. While nothing is
// held it costs one atomic load. It counts nothing, and draws the share of released calls anew for each attempt; where all
// attempts of a call must be treated alike, use [Edge.Begin], [Edge.Call], [Gate] or [Edge.RoundTripper].
func (e *Edge) Allow(attempt int) error {
	h := e.held.Load()
	if h == nil {
		return nil
	}
	return h.allow(attempt, draw())
}

// allow judges an attempt of a call that drew luck.
func (h *hold) allow(attempt int, l luck) error {
	if !time.Now().Before(h.ends) || l.released() < h.lease.Released {
		return nil
	}
	switch h.lease.Fix {
	case lease.Open:
		return h.refusal
	case lease.Shed:
		if l.shed() < h.percent {
			return h.refusal
		}
	case lease.RetryBudget:
		if attempt <= 1 {
			h.tokens.deposit(h.percent)
		} else if !h.tokens.withdraw() {
			return h.tooMany
		}
	}
	return nil
}

// luck is what a call drew: two numbers of 0 to 99, so that being released and being shed are independent.
type luck uint32

func draw() luck { return luck(rand.Uint32N(100 * 100)) }

func (l luck) released() int { return int(l % 100) }
func (l luck) shed() int     { return int(l / 100) }

// tokens is the account of a retry budget, in hundredths of a retry: a call pays its percentage in, a retry takes hundred
// out. It holds what hundred calls pay in at most, so that a quiet hour does not buy a storm.
type tokens struct{ balance atomic.Int64 }

func (t *tokens) deposit(percent int) {
	most := int64(percent) * 100
	for {
		now := t.balance.Load()
		if now >= most || t.balance.CompareAndSwap(now, min(now+int64(percent), most)) {
			return
		}
	}
}

func (t *tokens) withdraw() bool {
	for {
		now := t.balance.Load()
		if now < 100 {
			return false
		}
		if t.balance.CompareAndSwap(now, now-100) {
			return true
		}
	}
}
