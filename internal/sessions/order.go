package sessions

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Order is what every act carries.
type Order struct {
	// Action is the identity of the act: the same action is done once. 1 to 53 printable ASCII characters without blanks and @.
	Action string `json:"-"`
	// Epoch is that of the membership that was decided on.
	Epoch uint64 `json:"epoch"`
	// Max is the most sessions, or copies, that may be changed. It must be said; the store's own cap may be lower.
	Max int `json:"max"`
	// Deadline is when it must not take effect any more, by the store's clock: count it from At of what was read.
	Deadline time.Time `json:"deadline"`
}

// longestAction is what PostgreSQL can show of it in the name of a session.
const longestAction = 53

func (o Order) check(named int) error {
	switch {
	case !isName(o.Action, longestAction):
		return fmt.Errorf("%w: action %q takes 1 to %d printable ASCII characters without blanks and @", ErrRequest, o.Action, longestAction)
	case o.Max <= 0:
		return fmt.Errorf("%w: max is %d", ErrMax, o.Max)
	case named > MostNamed:
		return fmt.Errorf("%w: it names %d sessions, at most %d", ErrMax, named, MostNamed)
	case o.Epoch > MaxNumber:
		return fmt.Errorf("%w: epoch %d is over %d", ErrRequest, o.Epoch, uint64(MaxNumber))
	case o.Deadline.IsZero():
		return fmt.Errorf("%w: it has no deadline", ErrRequest)
	}
	return nil
}

// checkSeen refuses sessions that no store could hold, or that are named twice.
func checkSeen(list []Session) error {
	seen := map[Key]bool{}
	for _, s := range list {
		if err := s.Check(); err != nil {
			return fmt.Errorf("%w: %w", ErrRequest, err)
		}
		if seen[s.Key] {
			return fmt.Errorf("%w: session %s is there twice", ErrRequest, s.Key)
		}
		seen[s.Key] = true
	}
	if len(list) == 0 {
		return fmt.Errorf("%w: it names no session", ErrRequest)
	}
	return nil
}

// Quarantine takes orphans out of sight.
type Quarantine struct {
	Order
	// Sessions are those that are meant, as they were seen. No more than Max.
	Sessions []Session `json:"sessions"`
}

// Check refuses an order that no store takes.
func (q Quarantine) Check() error {
	if err := q.check(len(q.Sessions)); err != nil {
		return err
	}
	return orMax(checkSeen(q.Sessions), len(q.Sessions), q.Max)
}

// orMax is err, or a refusal of more than max.
func orMax(err error, n, limit int) error {
	if err == nil && n > limit {
		return fmt.Errorf("%w: it names %d, max is %d", ErrMax, n, limit)
	}
	return err
}

// Restore gives back what an action took.
type Restore struct {
	Order
	// Undo is that action: a Quarantine, Reconcile or Recover.
	Undo string `json:"undo"`
}

// Check refuses an order that no store takes.
func (r Restore) Check() error {
	if err := r.check(0); err != nil {
		return err
	}
	if !isName(r.Undo, longestAction) || r.Undo == r.Action {
		return fmt.Errorf("%w: %q is not another action", ErrRequest, r.Undo)
	}
	return nil
}

// Sync sends sessions to the replicas again, and waits for them.
type Sync struct {
	Order
	// IDs are the sessions; all live copies of each are sent. No more than Max, and than [MostSent].
	IDs []string `json:"ids"`
	// Within is how long replicas are waited for, at most [LongestWait].
	Within Seconds `json:"within_seconds"`
}

// LongestWait bounds what a store waits for replicas.
const LongestWait = 10 * time.Second

// Check refuses an order that no store takes.
func (s Sync) Check() error {
	if err := s.check(len(s.IDs)); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, id := range s.IDs {
		if !isName(id, longestID) || seen[id] {
			return fmt.Errorf("%w: session %q has no name, or is there twice", ErrRequest, id)
		}
		seen[id] = true
	}
	if len(s.IDs) == 0 || s.Within < 0 || s.Within.Duration() > LongestWait {
		return fmt.Errorf("%w: it names no session, or waits longer than %s", ErrRequest, LongestWait)
	}
	return orMax(nil, len(s.IDs), min(s.Max, MostSent))
}

// Reconcile takes away copies that another copy dominates.
type Reconcile struct {
	Order
	// Sessions are all copies of each session that is meant, as they were seen. The copies that are taken away count against Max.
	Sessions []Session `json:"sessions"`
	// SetAside says that where copies are concurrent all of them are quarantined. Otherwise such a session is left alone.
	SetAside bool `json:"set_aside,omitempty"`
}

// Check refuses an order that no store takes.
func (r Reconcile) Check() error {
	if err := r.check(len(r.Sessions)); err != nil {
		return err
	}
	return checkSeen(r.Sessions)
}

// Recover gives orphans to a living member.
type Recover struct {
	Order
	// Stage is the priority of all of them.
	Stage Priority `json:"stage"`
	// To is the member that gets them.
	To string `json:"to"`
	// Sessions are those that are meant, as they were seen. No more than Max, and than [MostSent].
	Sessions []Session `json:"sessions"`
}

// Check refuses an order that no store takes.
func (r Recover) Check() error {
	if err := r.check(len(r.Sessions)); err != nil {
		return err
	}
	if !isName(r.To, longestName) {
		return fmt.Errorf("%w: %q is not a member's name", ErrRequest, r.To)
	}
	for _, s := range r.Sessions {
		if s.Priority != r.Stage {
			return fmt.Errorf("%w: session %s is %s, and the stage is %s", ErrRequest, s.Key, s.Priority, r.Stage)
		}
	}
	return orMax(checkSeen(r.Sessions), len(r.Sessions), min(r.Max, MostSent))
}

// Taken is a session of which nothing is known but what becomes of it: it has a new owner, and a version that dominates the old one.
func (r Recover) Taken(s Session, epoch uint64, lease time.Time) Session {
	s.Owner, s.Epoch, s.Version, s.LeaseUntil = r.To, epoch, s.Version.Next(r.To), lease
	return s
}

// Print is a fingerprint of what is ordered: the same action with another print is [ErrAction]. Kind is the act's name.
func Print(kind string, order any) (string, error) {
	text, err := json.Marshal(order)
	if err != nil {
		return "", fmt.Errorf("print order: %w", err)
	}
	sum := sha256.Sum256(append([]byte(kind+"\n"), text...))
	return hex.EncodeToString(sum[:16]), nil
}
