package sessions

import (
	"context"
	"fmt"
)

// Drift says how a replica's copy of a session differs from the primary's although it has reached the position at which that was read.
type Drift string

// The drifts.
const (
	Lost       Drift = "lost"      // the replica lacks it
	Behind     Drift = "behind"    // the primary's version dominates
	Ahead      Drift = "ahead"     // the replica's version dominates: was it a primary?
	Apart      Drift = "apart"     // the versions are concurrent
	OtherOwner Drift = "other"     // same version, another owner or epoch
	Surplus    Drift = "surplus"   // only the replica has it
	inFlight   Drift = "in_flight" // no drift
)

// Difference is one session that drifted.
type Difference struct {
	Key
	Drift Drift `json:"drift"`
	// Primary and Replica are what each holds; zero if it holds nothing.
	Primary Session `json:"primary,omitzero"`
	Replica Session `json:"replica,omitzero"`
}

// String is the difference in a few words.
func (d Difference) String() string {
	return fmt.Sprintf("%s is %s: version %s here, %s there", d.Key, d.Drift, d.Primary.Version, d.Replica.Version)
}

// Examine tells real drift from what is on its way, in one bucket. It lists the bucket on both sides, then reads each session that differs
// again: first at the primary, then at the replica once that has reached the position after the first read. The replica must then hold what
// the primary held, or newer. What it holds that is newer, or lacks, is looked at a second time at the primary: if that has moved on
// too, it was in flight. It reads at most limit sessions on each side; more is an error, never half a truth.
func Examine(ctx context.Context, l Looker, replica string, bucket, limit int) ([]Difference, error) {
	left, err := all(ctx, l, Query{Bucket: bucket + 1}, limit)
	if err != nil {
		return nil, err
	}
	right, err := all(ctx, l, Query{Node: replica, Bucket: bucket + 1}, limit)
	if err != nil {
		return nil, err
	}
	var suspects []string
	named := map[string]bool{}
	for key, s := range union(left, right) {
		if other := right[key]; !named[key.ID] && (left[key].ID == "" || other.ID == "" || !s.agrees(other)) {
			named[key.ID] = true
			suspects = append(suspects, key.ID)
		}
	}
	var found []Difference
	for len(suspects) > 0 {
		part := suspects[:min(len(suspects), MostSent)]
		suspects = suspects[len(part):]
		differences, err := confirm(ctx, l, replica, part)
		if err != nil {
			return nil, err
		}
		found = append(found, differences...)
	}
	return found, nil
}

// confirm reads suspects at the primary, at the replica after that, and at the primary again.
func confirm(ctx context.Context, l Looker, replica string, ids []string) ([]Difference, error) {
	before, err := l.List(ctx, Query{IDs: ids})
	if err != nil {
		return nil, fmt.Errorf("read suspects: %w", err)
	}
	there, err := l.List(ctx, Query{Node: replica, IDs: ids, Cut: before.Cut})
	if err != nil {
		return nil, fmt.Errorf("read suspects at %s: %w", replica, err)
	}
	after, err := l.List(ctx, Query{IDs: ids})
	if err != nil {
		return nil, fmt.Errorf("read suspects again: %w", err)
	}
	first, second, last := byKey(before.Sessions), byKey(there.Sessions), byKey(after.Sessions)
	var found []Difference
	for key := range union(first, second) {
		d := Difference{Key: key, Primary: first[key], Replica: second[key]}
		if d.Drift = drift(first[key], second[key], last[key]); d.Drift != inFlight {
			found = append(found, d)
		}
	}
	return found, nil
}

// drift judges one session that was read at the primary, then at the replica, then at the primary.
func drift(first, there, last Session) Drift {
	moved := (first.ID == "") != (last.ID == "") || (first.ID != "" && !first.agrees(last))
	switch {
	case first.ID != "" && there.ID != "" && first.agrees(there), moved && there.agrees(last):
		return inFlight
	case moved:
		// The primary's was written while it was looked at: what the replica has is somewhere between, which nobody can tell.
		return between(first, there)
	case first.ID == "":
		return Surplus
	case there.ID == "":
		return Lost
	case Dominates(first.Version, there.Version):
		return Behind
	case Dominates(there.Version, first.Version):
		return Ahead
	case Concurrent(first.Version, there.Version):
		return Apart
	}
	return OtherOwner
}

// between judges a session that the primary wrote meanwhile. Only what is older than the first look is surely drift.
func between(first, there Session) Drift {
	if first.ID != "" && there.ID != "" && Dominates(first.Version, there.Version) {
		return Behind
	}
	return inFlight
}

// agrees says whether two nodes hold the same: leases are renewed all the time and do not count.
func (s Session) agrees(other Session) bool {
	return s.Key == other.Key && s.Owner == other.Owner && s.Epoch == other.Epoch && s.Version.Equal(other.Version)
}

// all reads all pages of a query.
func all(ctx context.Context, l Looker, q Query, limit int) (map[Key]Session, error) {
	list := map[Key]Session{}
	for {
		page, err := l.List(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("list sessions of a bucket: %w", err)
		}
		for _, s := range page.Sessions {
			list[s.Key] = s
		}
		if len(list) > limit {
			return nil, fmt.Errorf("list sessions of a bucket: there are more than %d", limit)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return list, nil
		}
	}
}

func byKey(list []Session) map[Key]Session {
	m := map[Key]Session{}
	for _, s := range list {
		m[s.Key] = s
	}
	return m
}

func union(a, b map[Key]Session) map[Key]Session {
	m := map[Key]Session{}
	for key, s := range b {
		m[key] = s
	}
	for key, s := range a {
		m[key] = s
	}
	return m
}
