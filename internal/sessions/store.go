package sessions

import (
	"context"
	"fmt"
	"time"
)

// Looker reads a store. No method changes anything.
type Looker interface {
	// Membership is who is there by the store's primary.
	Membership(ctx context.Context) (Membership, error)
	// Replication is how far the replicas are.
	Replication(ctx context.Context) (Replication, error)
	// List gives sessions, a page at a time.
	List(ctx context.Context, q Query) (Page, error)
	// Cut is the primary's position now: whatever was written before is at or under it.
	Cut(ctx context.Context) (Cut, error)
	// Digest counts a node's live sessions in buckets, once the node has reached the cut. A zero cut waits for nothing.
	Digest(ctx context.Context, node string, cut Cut) (Digest, error)
}

// Changer acts on a store; see the package's words for what each act means and refuses.
type Changer interface {
	Quarantine(ctx context.Context, q Quarantine) (Answer, error)
	Restore(ctx context.Context, r Restore) (Answer, error)
	Sync(ctx context.Context, s Sync) (Synced, error)
	Reconcile(ctx context.Context, r Reconcile) (Answer, error)
	Recover(ctx context.Context, r Recover) (Answer, error)
}

// Store is both. Its methods may be called from any goroutine.
type Store interface {
	Looker
	Changer
}

// Primary is the name of the primary in queries, whatever it is called.
const Primary = ""

// Cut is a position in the stream that replicas follow.
type Cut struct {
	// History says whose stream it is. Positions of two histories cannot be compared.
	History  string `json:"history"`
	Position uint64 `json:"position"`
}

// IsZero says whether it asks for nothing.
func (c Cut) IsZero() bool { return c == Cut{} }

// Replica is how far one replica is.
type Replica struct {
	Name string `json:"name"`
	// State is the store's own word for its link, e.g. "online", "streaming", "down"; "unreachable" if it does not answer.
	State string `json:"state"`
	// Known says whether the lag is. A lag that is not known is not small.
	Known bool `json:"known"`
	// LagUnits is how much of the stream it lacks, in the store's units: bytes for Redis and PostgreSQL.
	LagUnits uint64 `json:"lag_units"`
	// LagSeconds is how old the oldest thing is at most that it lacks; zero if it lacks nothing.
	LagSeconds float64 `json:"lag_seconds"`
	// LastContact is when it was last heard from, by the store's clock; zero if that is not known.
	LastContact time.Time `json:"last_contact,omitzero"`
}

// Replication is how far all replicas are from the primary.
type Replication struct {
	// Cut is the primary's position, At its clock.
	Cut      Cut       `json:"cut"`
	At       time.Time `json:"at"`
	Replicas []Replica `json:"replicas"`
}

// Query says which sessions are listed. What is empty does not narrow it.
type Query struct {
	// Node is where it is read, default the primary. Cut must have been reached there.
	Node string
	Cut  Cut
	// IDs are single sessions, at most [MostListed]; all their copies are given.
	IDs   []string
	Owner string
	// Bucket is 1 + the number of a digest's bucket.
	Bucket int
	// Quarantined gives those instead of the live ones.
	Quarantined bool
	// Limit is how many are wanted, default and at most [MostListed]. A page may hold fewer, even none, before the end.
	Limit int
	// Cursor is Next of the page before.
	Cursor string
}

// Check refuses a query that no store takes, and fills in its default.
func (q *Query) Check() error {
	if q.Limit == 0 {
		q.Limit = MostListed
	}
	if q.Limit < 0 || q.Limit > MostListed || len(q.IDs) > MostListed || q.Bucket < 0 || q.Bucket > Buckets {
		return fmt.Errorf("%w: limit %d, %d ids, bucket %d", ErrRequest, q.Limit, len(q.IDs), q.Bucket)
	}
	for _, id := range q.IDs {
		if !isName(id, longestID) {
			return fmt.Errorf("%w: %q is not the id of a session", ErrRequest, id)
		}
	}
	return nil
}

// Page is a part of a list.
type Page struct {
	Sessions []Session `json:"sessions"`
	// Next asks for the rest; "" at the end. A session that is written while pages are read may come twice or not at all.
	Next string `json:"next,omitempty"`
	// Unreadable is how many were there that are no sessions as this contract knows them. They are never touched.
	Unreadable int `json:"unreadable,omitempty"`
	// At is the node's clock, Cut its position after it was read: another node that has reached it holds all of this, or newer.
	At  time.Time `json:"at"`
	Cut Cut       `json:"cut"`
}

// Bucket is one part of a digest.
type Bucket struct {
	Count uint64 `json:"count"`
	// Hash is over id, copy, owner, epoch and version of all sessions in it. It is meant to be equal or not, nothing else, and only
	// between nodes of one store.
	Hash string `json:"hash"`
}

// Digest is what a node holds, in [Buckets] buckets.
type Digest struct {
	Node string `json:"node"`
	// From and To are the node's positions before and after: all up to From is in it, and nothing after To.
	From    Cut      `json:"from"`
	To      Cut      `json:"to"`
	Buckets []Bucket `json:"buckets"`
}

// Count is how many sessions it counts.
func (d Digest) Count() uint64 {
	var n uint64
	for _, b := range d.Buckets {
		n += b.Count
	}
	return n
}

// Differ are the numbers of the buckets that are not the same. Digests of different shapes differ in all.
func Differ(a, b Digest) []int {
	var list []int
	for i := range max(len(a.Buckets), len(b.Buckets)) {
		if len(a.Buckets) != len(b.Buckets) || a.Buckets[i] != b.Buckets[i] {
			list = append(list, i)
		}
	}
	return list
}
