package drifttest

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errNotMine says that a session is not the node's that wants to write it.
var errNotMine = errors.New("it is another one's, or nobody's")

// store is where the application keeps its sessions, as the application itself reads and writes it.
type store interface {
	// addr is where the primary answers.
	addr() string
	// open is a node's client at an address behind which the primary is.
	open(addr string) client
	// empty takes everything out.
	empty(ctx context.Context) error
	// level says whether the replica has all but a little of what was written.
	level() bool
	// put writes sessions.
	put(ctx context.Context, all []record) error
	// age puts back by d what a node that has ended last wrote, as if it had ended so long ago.
	age(ctx context.Context, name string, d time.Duration) error
	// read is all that the primary holds, by name. It fails if a session is there twice.
	read(ctx context.Context) (map[string]record, error)
	// actions are those that Firebreak's store knows, and so carried out.
	actions(ctx context.Context) ([]string, error)
	// registered are the nodes, as they said last.
	registered(ctx context.Context) (map[string]member, error)
	// policy is what an operator writes about it: the clusters, and the place in the list of stores.
	policy() (clusters, place string)
}

// record is one session, or one copy of it, with all that is in it.
type record struct {
	// key is its id, with "@" and the copy's name where it is one.
	key, owner, version, priority, data string
	epoch                               int
	lease                               time.Time
	// by is the action that took it out of sight; "" while it is live.
	by string
}

func (r record) String() string {
	text := fmt.Sprintf("%s of %s (epoch %d, version %s, %s, until %s) %q", r.key, r.owner, r.epoch, r.version, r.priority,
		r.lease.Format("15:04:05.000"), r.data)
	if r.by != "" {
		text += " quarantined by " + r.by
	}
	return text
}
