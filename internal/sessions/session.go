package sessions

import (
	"fmt"
	"slices"
	"time"
)

// Priority is how soon a session matters when many must be recovered.
type Priority string

// The priorities, most urgent first.
const (
	Critical Priority = "critical"
	High     Priority = "high"
	Normal   Priority = "normal"
	Low      Priority = "low"
)

// Priorities are all of them, most urgent first.
func Priorities() []Priority { return []Priority{Critical, High, Normal, Low} }

// ParsePriority reads a priority. Empty is Normal: most stores have none.
func ParsePriority(text string) (Priority, error) {
	p := Priority(text)
	if p == "" {
		return Normal, nil
	}
	if !slices.Contains(Priorities(), p) {
		return "", fmt.Errorf("read priority %q: none of critical, high, normal, low", text)
	}
	return p, nil
}

// Key names one copy of a session.
type Key struct {
	ID string `json:"id"`
	// Copy is the node whose copy it is, in a store in which nodes write copies of their own. Empty where a session is stored once.
	Copy string `json:"copy,omitempty"`
}

// String is the key in one word: id, or id@copy.
func (k Key) String() string {
	if k.Copy == "" {
		return k.ID
	}
	return k.ID + "@" + k.Copy
}

// Session is one session, or one copy of it, as a store holds it. What is in it stays there.
type Session struct {
	Key
	// Owner is the node that serves it.
	Owner string `json:"owner"`
	// Epoch is the generation of the membership in which the owner took it.
	Epoch   uint64  `json:"epoch"`
	Version Version `json:"version"`
	// LeaseUntil is when its owner must have renewed it, by the store's clock.
	LeaseUntil time.Time `json:"lease_until"`
	Priority   Priority  `json:"priority"`
	// UpdatedAt is when it was last written, for people. It decides nothing. Zero: the store does not know.
	UpdatedAt time.Time `json:"updated_at,omitzero"`
	// Quarantined says by which action it was taken out of sight. Nil: it is live.
	Quarantined *Quarantined `json:"quarantined,omitempty"`
}

// String is all that is compared of a session, for people.
func (s Session) String() string {
	text := fmt.Sprintf("%s of %s (epoch %d, version %s, leased until %s, %s)", s.Key, s.Owner, s.Epoch, s.Version,
		s.LeaseUntil.Format(time.RFC3339Nano), s.Priority)
	if s.Quarantined != nil {
		text += " quarantined by " + s.Quarantined.Action
	}
	return text
}

// Quarantined says who took a session out of sight, and when.
type Quarantined struct {
	Action string    `json:"action"`
	At     time.Time `json:"at,omitzero"`
	// Until is how long it can surely be restored.
	Until time.Time `json:"until,omitzero"`
}

// Same says whether nothing that is compared before an act has changed: owner, epoch, version, lease and priority.
func (s Session) Same(other Session) bool {
	return s.Key == other.Key && s.Owner == other.Owner && s.Epoch == other.Epoch && s.Version.Equal(other.Version) &&
		s.LeaseUntil.Equal(other.LeaseUntil) && s.Priority == other.Priority
}

// Check refuses a session that no store could hold, or that could not be told from another one.
func (s Session) Check() error {
	switch {
	case !isName(s.ID, longestID):
		return fmt.Errorf("session %q: the id takes 1 to %d printable ASCII characters without blanks and @", s.ID, longestID)
	case s.Copy != "" && !isName(s.Copy, longestName):
		return fmt.Errorf("session %q: its copy %q is not a node's name", s.ID, s.Copy)
	case !isName(s.Owner, longestName):
		return fmt.Errorf("session %q: its owner %q is not a node's name", s.ID, s.Owner)
	case s.Epoch > MaxNumber:
		return fmt.Errorf("session %q: epoch %d is over %d", s.ID, s.Epoch, uint64(MaxNumber))
	case s.LeaseUntil.IsZero():
		return fmt.Errorf("session %q: it has no lease", s.ID)
	case !slices.Contains(Priorities(), s.Priority):
		return fmt.Errorf("session %q: priority %q is unknown", s.ID, s.Priority)
	}
	if err := s.Version.Check(); err != nil {
		return fmt.Errorf("session %q: %w", s.ID, err)
	}
	return nil
}

const (
	// MaxNumber bounds epochs and versions: readers of JSON, and Lua in Redis, hold no larger whole number.
	MaxNumber = 1<<53 - 1

	longestID   = 200
	longestName = 100
)

// isName says whether a text is a name: printable ASCII without blanks, and without @, which sets a copy apart.
func isName(text string, longest int) bool {
	if text == "" || len(text) > longest {
		return false
	}
	for _, r := range text {
		if r <= ' ' || r > '~' || r == '@' {
			return false
		}
	}
	return true
}
