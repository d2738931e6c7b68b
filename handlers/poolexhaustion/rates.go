package poolexhaustion

import (
	"math"
	"strconv"
	"time"
)

// rate is how many transactions ended in a time.
type rate struct {
	count float64
	over  time.Duration
}

func (r rate) perSecond() float64 {
	if r.over <= 0 {
		return 0
	}
	return r.count / r.over.Seconds()
}

// goodput is what ended between two looks: the transactions of the poolers' databases that are in both looks, or the server's commits where
// there is no pooler. A counter that falls was begun anew, and says nothing.
func (h *Handler) goodput(a, b sight) (rate, bool) {
	total, found := rate{over: b.at.Sub(a.at)}, false
	for _, q := range b.queues {
		if q.db == nil {
			continue
		}
		before := a.find(q.key())
		if before == nil {
			continue
		}
		n := q.db.Totals.Transactions - before.db.Totals.Transactions
		if n < 0 {
			return rate{}, false
		}
		total.count, found = total.count+float64(n), true
	}
	if !found {
		n := b.seen.Server.Commits - a.seen.Server.Commits
		if n < 0 || a.seen.Server.Problem != "" || b.seen.Server.Problem != "" || a.seen.Server.Node != b.seen.Server.Node {
			return rate{}, false
		}
		total.count = float64(n)
	}
	return total, total.over > 0
}

const (
	// goodputDrop is the share of the transactions that a change may cost.
	goodputDrop = 0.1
	// chance is how many standard deviations a difference must be to be none of chance's.
	chance = 3
	// enoughEnded is how many transactions must have been expected for their number to say something.
	enoughEnded = 100
)

// fell says that fewer transactions end than before, by more than goodputDrop and by more than chance.
func fell(before, after rate) bool {
	if before.over <= 0 || after.over <= 0 {
		return false
	}
	scale := after.over.Seconds() / before.over.Seconds()
	expected := before.count * scale
	if expected < enoughEnded || before.count < enoughEnded {
		return false
	}
	spread := math.Sqrt(expected + scale*expected) // of what is counted now, and of what was counted before, scaled
	return after.count < (1-goodputDrop)*expected && expected-after.count > chance*spread
}

// setting is a number of the pooler's configuration; 0 if it is not known.
func (p *Pooler) setting(name string) int {
	n, err := strconv.Atoi(p.Config[name])
	if err != nil {
		return 0
	}
	return n
}
