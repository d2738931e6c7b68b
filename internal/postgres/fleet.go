// Package postgres is the one way in which Firebreak reaches PostgreSQL. It speaks to servers directly, never through a pooler:
// a pooler may be what is broken, and it would hand our session to others.
//
// Every server is a node with two sessions. One looks, as a login that can only read; one acts, as a login with the few rights
// that fixes need. Both can be kept open by [Fleet.Run], because a server that has no free slot left lets nobody in any more,
// and that is when somebody is needed. Each session is used by one caller at a time, and every use of it goes the same way:
//
//	turn -> probe the session, dial again if it is dead or silent -> name it -> fn, once -> reset it, or drop it if fn broke it
//
// The probe is an empty statement, sent before anything that matters. So a session that died while nobody used it is replaced without
// a risk, and fn never has to run a second time: what it sent may have arrived.
//
// Every statement ends after 5 s and waits at most 1 s for a lock; nothing waits for a standby. See settings in login.go.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
)

var (
	// ErrServerFull is what a server says that has no free slot for a new session. A session that is open already still works.
	ErrServerFull = errors.New("the server has no free connection slot for this login")
	// ErrUnknownNode is a node that [Open] was not told of.
	ErrUnknownNode = errors.New("unknown node")
	// ErrNoLogin is an act on a node without a login for acts.
	ErrNoLogin = errors.New("the node has no login for acts")
	// ErrClosed is a use of a fleet after its Close.
	ErrClosed = errors.New("the fleet is closed")
	// ErrLeftOpen is a use that ended in the middle of a transaction or of a result. What it did in there was not committed.
	ErrLeftOpen = errors.New("a transaction or a result was left open")
)

// Node is one PostgreSQL server.
type Node struct {
	// Name is unique in its fleet, e.g. "orders/pg1".
	Name string
	// Host is one name, address or folder of a Unix socket; Port and Database belong to it.
	Host     string
	Port     int
	Database string
	// SSLMode is one of libpq's: disable, allow, prefer, require, verify-ca, verify-full. Empty: prefer, which does not stop
	// somebody in the middle. RootCert is the file with the certificates that the server's must go back to. The environment
	// (PGSSLMODE, PGHOST, ~/.pgpass, ...) has no say in any of this.
	SSLMode  string
	RootCert string
	// Probe looks; Act acts, and may be empty where nothing is ever done.
	Probe, Act Login
	// Timeout is how long a new connection may take until it is ready, default 3s.
	Timeout time.Duration
}

// Fleet is all servers that Firebreak reaches. Its methods may be called from any goroutine.
type Fleet struct {
	nodes map[string]*node
	log   zerolog.Logger
	// closed is set by Close, before it waits for anybody.
	closed atomic.Bool
}

// node is a server with its two sessions. act is nil where there is no login for it.
type node struct {
	look, act *session
}

// Open checks all nodes and reports everything that is wrong with them at once. It connects to nothing.
func Open(nodes []Node, log zerolog.Logger) (*Fleet, error) {
	f := &Fleet{nodes: make(map[string]*node, len(nodes)), log: log}
	var wrong []error
	for _, n := range nodes {
		if _, twice := f.nodes[n.Name]; twice {
			wrong = append(wrong, fmt.Errorf("node %q: there are two of that name", n.Name))
			continue
		}
		opened, err := f.open(n)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("node %q: %w", n.Name, err))
		}
		f.nodes[n.Name] = opened
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, fmt.Errorf("open postgres: %w", err)
	}
	return f, nil
}

// Look lets fn read from a node. The session is read-only, and fn has it for itself until it returns; fn must not use the same node's
// session again meanwhile. fn is called at most once.
func (f *Fleet) Look(ctx context.Context, node string, fn func(context.Context, *pgx.Conn) error) error {
	n, err := f.node(node)
	if err == nil {
		err = n.look.use(ctx, "", fn)
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", node, err)
	}
	return nil
}

// Act lets fn change something at a node. Meanwhile the session is called "firebreak/<action>" for everybody who looks at the server.
// fn is called at most once, and nothing that it sent is ever sent again: after an error the caller reads what became of it.
//
// Give ctx more time than a statement may take (5 s). One that ends in the middle of a statement costs the session, and a full server
// does not let in another one.
func (f *Fleet) Act(ctx context.Context, node, action string, fn func(context.Context, *pgx.Conn) error) error {
	if err := f.act(ctx, node, action, fn); err != nil {
		return fmt.Errorf("act at %s: %w", node, err)
	}
	return nil
}

func (f *Fleet) act(ctx context.Context, node, action string, fn func(context.Context, *pgx.Conn) error) error {
	n, err := f.node(node)
	if err != nil {
		return err
	}
	if n.act == nil {
		return ErrNoLogin
	}
	name, err := applicationName(action)
	if err != nil {
		return err
	}
	return n.act.use(ctx, name, fn)
}

// closeWithin is how long Close waits for sessions that are in use.
const closeWithin = 6 * time.Second

// Close ends all sessions; every use after it fails with [ErrClosed]. It waits for those in use, for about as long as a statement may
// take. One that takes longer ends when its user is done.
func (f *Fleet) Close() {
	f.closed.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	f.hangUp(ctx)
}

// hangUp closes the connections of all sessions that are, or come, out of use in time. Servers that do not answer take their time side
// by side.
func (f *Fleet) hangUp(ctx context.Context) {
	var all sync.WaitGroup
	for _, s := range f.sessions() {
		all.Go(func() {
			select {
			case s.turn <- struct{}{}:
				s.drop()
				<-s.turn
			case <-ctx.Done():
			}
		})
	}
	all.Wait()
}

func (f *Fleet) node(name string) (*node, error) {
	n, ok := f.nodes[name]
	if !ok {
		return nil, ErrUnknownNode
	}
	return n, nil
}

// sessions are all that there are, acts first: when slots are scarce, theirs are the ones to have.
func (f *Fleet) sessions() []*session {
	var acts, looks []*session
	for _, n := range f.nodes {
		looks = append(looks, n.look)
		if n.act != nil {
			acts = append(acts, n.act)
		}
	}
	return slices.Concat(acts, looks)
}
