package sessionstest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// Membership is who is there.
func (m *Memory) Membership(context.Context) (sessions.Membership, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.membership(), nil
}

// Replication is how far the replica is.
func (m *Memory) Replication(context.Context) (sessions.Replication, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	state := "online"
	if m.held {
		state = "held"
	}
	return sessions.Replication{Cut: m.cut(), At: m.now(), Replicas: []sessions.Replica{{
		Name: Replica, State: state, Known: true, LagUnits: m.position - m.reached, LastContact: m.now(),
	}}}, nil
}

// Cut is the position of the last write.
func (m *Memory) Cut(context.Context) (sessions.Cut, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cut(), nil
}

// at is what a node holds, if it has reached the cut.
func (m *Memory) at(node string, cut sessions.Cut) (map[sessions.Key]entry, sessions.Cut, error) {
	list, at := m.primary, m.cut()
	switch node {
	case sessions.Primary:
	case Replica:
		list, at.Position = m.replica, m.reached
	default:
		return nil, at, fmt.Errorf("%w: %q", sessions.ErrUnknownNode, node)
	}
	if !cut.IsZero() && (cut.History != at.History || cut.Position > at.Position) {
		return nil, at, fmt.Errorf("%w: it is at %d", sessions.ErrBehind, at.Position)
	}
	return list, at, nil
}

// List gives sessions in the order of their keys.
func (m *Memory) List(_ context.Context, q sessions.Query) (sessions.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := q.Check(); err != nil {
		return sessions.Page{}, err
	}
	list, at, err := m.at(q.Node, q.Cut)
	if err != nil {
		return sessions.Page{}, err
	}
	if q.Quarantined {
		list = m.away
	}
	page := sessions.Page{Sessions: []sessions.Session{}, At: m.now(), Cut: at}
	keys := slices.SortedFunc(maps.Keys(list), func(a, b sessions.Key) int { return strings.Compare(a.String(), b.String()) })
	for _, key := range keys {
		e := list[key]
		if (q.Owner != "" && e.Owner != q.Owner) || (q.Bucket != 0 && bucketOf(e.ID)+1 != q.Bucket) ||
			(len(q.IDs) > 0 && !slices.Contains(q.IDs, e.ID)) || key.String() <= q.Cursor {
			continue
		}
		if len(page.Sessions) == q.Limit {
			page.Next = page.Sessions[len(page.Sessions)-1].String()
			return page, nil
		}
		page.Sessions = append(page.Sessions, e.Session)
	}
	return page, nil
}

// Digest counts what a node holds.
func (m *Memory) Digest(_ context.Context, node string, cut sessions.Cut) (sessions.Digest, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list, at, err := m.at(node, cut)
	if err != nil {
		return sessions.Digest{}, err
	}
	lines := make([][]string, sessions.Buckets)
	for _, e := range list {
		b := bucketOf(e.ID)
		lines[b] = append(lines[b], fmt.Sprintf("%s %s %d %s", e.Key, e.Owner, e.Epoch, e.Version))
	}
	d := sessions.Digest{Node: node, From: at, To: at, Buckets: make([]sessions.Bucket, sessions.Buckets)}
	for i, b := range lines {
		slices.Sort(b)
		sum := sha256.Sum256([]byte(strings.Join(b, "\n")))
		d.Buckets[i] = sessions.Bucket{Count: uint64(len(b)), Hash: hex.EncodeToString(sum[:8])}
	}
	return d, nil
}

func bucketOf(id string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // a hash takes everything
	return int(h.Sum32() % sessions.Buckets)
}
