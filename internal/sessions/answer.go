package sessions

import "time"

// Outcome says what became of one session of an order.
type Outcome string

// The outcomes. All but Done mean that this action left the session as it was.
const (
	Done       Outcome = "done"
	Changed    Outcome = "changed"    // it is not as it was seen: touched meanwhile
	Missing    Outcome = "missing"    // there is no such live session
	NotOrphan  Outcome = "not_orphan" // its lease is not over for long enough, or its owner is not gone
	OverBound  Outcome = "over_bound" // the order's Max or the store's cap was reached
	Conflict   Outcome = "conflict"   // copies are concurrent
	Kept       Outcome = "kept"       // there was nothing to do: the copy that dominates, or no other copy
	Taken      Outcome = "taken"      // it cannot be given back: somebody uses its name, or has written it since
	Expired    Outcome = "expired"    // it cannot be given back: its time is over
	Unreadable Outcome = "unreadable" // what the store holds cannot be read as a session
)

// Item is what became of one session, or one copy.
type Item struct {
	Key
	Outcome Outcome `json:"outcome"`
}

// String is the item in two words.
func (i Item) String() string { return i.Key.String() + ": " + string(i.Outcome) }

// Answer is what became of an order. The same action always gets the same answer.
type Answer struct {
	Action string `json:"action"`
	// At is the store's clock when it was done.
	At time.Time `json:"at"`
	// Until is how long it can surely be restored; zero where there is nothing to restore.
	Until time.Time `json:"until,omitzero"`
	Items []Item    `json:"items"`
}

// Count is how many items have an outcome.
func (a Answer) Count(o Outcome) int {
	n := 0
	for _, item := range a.Items {
		if item.Outcome == o {
			n++
		}
	}
	return n
}

// Of is what became of one session or copy; "" if the answer does not say.
func (a Answer) Of(k Key) Outcome {
	for _, item := range a.Items {
		if item.Key == k {
			return item.Outcome
		}
	}
	return ""
}

// Acked is how far a replica was when the wait was over, by its own position.
type Acked struct {
	Name     string `json:"name"`
	Position uint64 `json:"position"`
	// Has says whether it has everything that was sent.
	Has bool `json:"has"`
}

// Synced is what became of a Sync.
type Synced struct {
	Answer
	// Cut is the position that the replicas were to reach.
	Cut Cut `json:"cut"`
	// Replicas are all of them, as they were when the wait was over. A repeat of the action waits and reads again, and sends nothing.
	Replicas []Acked `json:"replicas"`
	// Complete says that there is a replica and all of them have everything. It is false, not an error, when they have not.
	Complete bool `json:"complete"`
}

// Finish says whether it is complete.
func (s *Synced) Finish() {
	s.Complete = len(s.Replicas) > 0
	for _, r := range s.Replicas {
		s.Complete = s.Complete && r.Has
	}
}
