package sessionstest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// Memory is a store that keeps everything in this process, with the contract's whole meaning: the reference for others. It has one
// replica, which has everything at once unless it is held.
type Memory struct {
	// Clock is the store's time. TTL is how long a lease lasts.
	clock func() time.Time
	ttl   time.Duration

	mu      sync.Mutex // guards the fields below
	nodes   map[string]sessions.Node
	primary map[sessions.Key]entry
	away    map[sessions.Key]entry // quarantined
	replica map[sessions.Key]entry
	actions map[string]*record
	// position grows with every write; reached is how far the replica is.
	position, reached uint64
	held              bool
}

// Replica is the name of a Memory's replica.
const Replica = "replica1"

const history = "memory"

// entry is a session with its contents.
type entry struct {
	sessions.Session
	contents map[string]string
}

// record is what is kept of an action.
type record struct {
	print  string
	answer sessions.Answer
	cut    sessions.Cut
	// took is what it quarantined or gave away: as it was, and as it was left.
	took []taken
	back map[sessions.Key]bool
}

type taken struct{ was, left entry }

var (
	_ sessions.Store = (*Memory)(nil)
	_ Bench          = (*Memory)(nil)
	_ Partitioner    = (*Memory)(nil)
)

// NewMemory makes an empty store with a clock of its own. Until [Memory.Register] it has no quorum.
func NewMemory(clock func() time.Time, ttl time.Duration) *Memory {
	return &Memory{
		clock: clock, ttl: ttl, nodes: map[string]sessions.Node{}, primary: map[sessions.Key]entry{},
		away: map[sessions.Key]entry{}, replica: map[sessions.Key]entry{}, actions: map[string]*record{},
	}
}

// Register says what a node says of itself.
func (m *Memory) Register(n sessions.Node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nodes[n.Name] = n
}

// Hold keeps the replica where it is, or lets it catch up.
func (m *Memory) Hold(held bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = held
	m.replicate()
}

// SetQuorum lets a majority of the nodes fall silent, or come back.
func (m *Memory) SetQuorum(_ context.Context, has bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := slices.Sorted(maps.Keys(m.nodes))
	for _, name := range names[:len(names)/2+1] {
		n := m.nodes[name]
		n.LeaseUntil = m.now().Add(-time.Second)
		if has {
			n.LeaseUntil = m.now().Add(time.Hour)
		}
		m.nodes[name] = n
	}
	return nil
}

// Make writes a trial session.
func (m *Memory) Make(_ context.Context, made Made) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := sessions.Session{Key: made.Key, Owner: made.Owner, Epoch: made.Epoch, Version: made.Version, Priority: made.Priority,
		LeaseUntil: made.Lease(m.now()), UpdatedAt: m.now()}
	if err := s.Check(); err != nil {
		return fmt.Errorf("%w: %w", sessions.ErrRequest, err)
	}
	m.primary[s.Key] = entry{Session: s, contents: maps.Clone(made.Contents)}
	m.wrote()
	return nil
}

// Contents reads a live session.
func (m *Memory) Contents(_ context.Context, key sessions.Key) (map[string]string, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.primary[key]
	return maps.Clone(e.contents), ok, nil
}

// Remove removes a session.
func (m *Memory) Remove(_ context.Context, key sessions.Key) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.primary, key)
	delete(m.away, key)
	m.wrote()
	return nil
}

func (m *Memory) now() time.Time { return m.clock().UTC().Truncate(time.Millisecond) }

// wrote is called after every write.
func (m *Memory) wrote() {
	m.position++
	m.replicate()
}

func (m *Memory) replicate() {
	if !m.held {
		m.replica, m.reached = maps.Clone(m.primary), m.position
	}
}

func (m *Memory) membership() sessions.Membership {
	membership := sessions.Judge(m.now(), m.ttl, slices.Collect(maps.Values(m.nodes)))
	membership.Total = len(m.primary)
	return membership
}

func (m *Memory) cut() sessions.Cut { return sessions.Cut{History: history, Position: m.position} }
