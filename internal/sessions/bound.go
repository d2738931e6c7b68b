package sessions

import "time"

const (
	// MostAtOnce is the most sessions that one action takes away, however many there are.
	MostAtOnce = 50
	// CountUpTo is how many sessions are worth counting: [Bound] is the same for more.
	CountUpTo = 100 * MostAtOnce
	// MostSent is the most that one action sends again, or gives to another owner: it takes nothing away.
	MostSent = 100
	// MostListed is the most that one page holds.
	MostListed = 1000
	// MostNamed is the most sessions that one order names.
	MostNamed = 500
	// QuarantineFor is how long a quarantine can surely be undone.
	QuarantineFor = 24 * time.Hour
	// RememberFor is how long the answer to an action is surely kept. It is longer than a quarantine, so that a restore knows what was taken.
	RememberFor = QuarantineFor + time.Hour
	// Buckets is how many parts a digest has.
	Buckets = 64
)

// Bound is how many sessions one action may take away: 1 in 100, at least 1, at most 50.
func Bound(total int) int {
	if total <= 0 {
		return 0
	}
	return min(MostAtOnce, max(1, total/100))
}
