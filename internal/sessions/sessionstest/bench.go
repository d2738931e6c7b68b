package sessionstest

import (
	"context"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// Prefix begins the id of every session that the suite makes. A bench makes, reads and removes no other.
const Prefix = "firebreak-trial-"

// Made is a session to be made for a trial. Times are relative to the store's clock when it is made.
type Made struct {
	sessions.Key
	Owner    string            `json:"owner"`
	Epoch    uint64            `json:"epoch"`
	Version  sessions.Version  `json:"version"`
	Priority sessions.Priority `json:"priority"`
	// LeaseIn is when its lease ends, in seconds from now; negative: it has ended.
	LeaseIn float64 `json:"lease_in_seconds"`
	// Contents are what the application would keep in it.
	Contents map[string]string `json:"contents"`
}

// String is the session's key and whose it is.
func (m Made) String() string { return m.Key.String() + " of " + m.Owner }

// Lease is when its lease ends.
func (m Made) Lease(now time.Time) time.Time {
	return now.Add(time.Duration(m.LeaseIn * float64(time.Second))).Truncate(time.Millisecond)
}

// Bench makes sessions for the suite, as the application would write them, and reads what is in them.
type Bench interface {
	// Make writes a session, or writes over it.
	Make(ctx context.Context, m Made) error
	// Contents is what a live session holds. False: there is no such live session.
	Contents(ctx context.Context, key sessions.Key) (map[string]string, bool, error)
	// Remove removes a session, live or quarantined. One that is not there is removed already.
	Remove(ctx context.Context, key sessions.Key) error
}

// Partitioner is a bench that can take the quorum from the store's membership, and give it back. One for a live store is none.
type Partitioner interface {
	SetQuorum(ctx context.Context, has bool) error
}
