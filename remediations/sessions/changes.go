package sessions

import (
	"context"
	"fmt"
	"time"

	store "github.com/firebreak-sre/firebreak/internal/sessions"
)

// syncing sends sessions to the replicas again.
type syncing struct {
	ids    []string
	within time.Duration
}

func (c syncing) keys() []store.Key {
	var keys []store.Key
	for _, id := range c.ids {
		keys = append(keys, store.Key{ID: id})
	}
	return keys
}

func (c syncing) most() int { return len(c.ids) }

func (c syncing) order(o store.Order) store.Sync {
	return store.Sync{Order: o, IDs: c.ids, Within: store.Seconds(c.within)}
}

func (c syncing) check(o store.Order) error { return c.order(o).Check() }

func (c syncing) send(ctx context.Context, s store.Changer, o store.Order) (store.Answer, string, error) {
	r, err := s.Sync(ctx, c.order(o))
	has := 0
	for _, a := range r.Replicas {
		if a.Has {
			has++
		}
	}
	return r.Answer, fmt.Sprintf("%d of %d replicas have them all", has, len(r.Replicas)), err
}

func (c syncing) left(s sight) int {
	n := 0
	for _, id := range c.ids {
		if s.copies[id] > 0 {
			n++
		}
	}
	return n
}

// quarantining takes orphans out of sight.
type quarantining []store.Session

func (c quarantining) keys() []store.Key { return keysOf(c) }
func (c quarantining) most() int         { return len(c) }

func (c quarantining) check(o store.Order) error {
	return store.Quarantine{Order: o, Sessions: c}.Check()
}

func (c quarantining) send(ctx context.Context, s store.Changer, o store.Order) (store.Answer, string, error) {
	a, err := s.Quarantine(ctx, store.Quarantine{Order: o, Sessions: c})
	return a, "", err
}

func (c quarantining) left(s sight) int { return s.orphans(c) }

// reconciling sets copies aside.
type reconciling struct {
	sessions []store.Session
	// aside says that all copies are, where none dominates.
	aside bool
}

func (c reconciling) keys() []store.Key { return keysOf(c.sessions) }

// most is how many copies would be set aside if all are as they were seen.
func (c reconciling) most() int {
	n := 0
	for _, copies := range store.ByID(c.sessions) {
		n += c.of(copies)
	}
	return n
}

// of is how many of the copies of one session would be.
func (c reconciling) of(copies []store.Session) int {
	n := 0
	for _, outcome := range store.Resolve(copies) {
		if outcome == store.Done || (outcome == store.Conflict && c.aside) {
			n++
		}
	}
	return n
}

func (c reconciling) order(o store.Order) store.Reconcile {
	return store.Reconcile{Order: o, Sessions: c.sessions, SetAside: c.aside}
}

func (c reconciling) check(o store.Order) error { return c.order(o).Check() }

func (c reconciling) send(ctx context.Context, s store.Changer, o store.Order) (store.Answer, string, error) {
	a, err := s.Reconcile(ctx, c.order(o))
	return a, "", err
}

func (c reconciling) left(s sight) int {
	n := 0
	for _, copies := range store.ByID(c.sessions) {
		if s.all(copies) {
			n += c.of(copies)
		}
	}
	return n
}

// recovering gives orphans of one priority to a member.
type recovering struct {
	sessions []store.Session
	stage    store.Priority
	to       string
}

func (c recovering) keys() []store.Key { return keysOf(c.sessions) }
func (c recovering) most() int         { return len(c.sessions) }

func (c recovering) order(o store.Order) store.Recover {
	return store.Recover{Order: o, Stage: c.stage, To: c.to, Sessions: c.sessions}
}

func (c recovering) check(o store.Order) error { return c.order(o).Check() }

func (c recovering) send(ctx context.Context, s store.Changer, o store.Order) (store.Answer, string, error) {
	a, err := s.Recover(ctx, c.order(o))
	return a, "", err
}

func (c recovering) left(s sight) int { return s.orphans(c.sessions) }

func keysOf(list []store.Session) []store.Key {
	var keys []store.Key
	for _, s := range list {
		keys = append(keys, s.Key)
	}
	return keys
}
