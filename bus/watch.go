package bus

import (
	"container/heap"
	"context"
	"encoding/json"
	"maps"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// relistEvery bounds how long an entry of another replica can go unseen when a watch was silently lost (nats.go#1777).
const relistEvery = 30 * time.Second

// cleared says that nothing up to a revision is in the agenda any more, and since when that is known.
type cleared struct {
	rev uint64
	at  time.Time
}

// watch learns what is in the agenda, from this and other replicas, until ctx ends.
func (a *Agenda) watch(ctx context.Context, prefixes []string) {
	for ctx.Err() == nil {
		a.tidy()
		if err := a.watchRound(ctx, prefixes); err != nil && ctx.Err() == nil {
			a.bus.log.Warn().Err(err).Msg("watching the agenda failed; trying again")
			pause(ctx, time.Second)
		}
	}
}

// watchRound lists what there is, and learns what comes, until it is time to list again.
func (a *Agenda) watchRound(ctx context.Context, prefixes []string) error {
	ctx, cancel := context.WithTimeout(ctx, relistEvery)
	defer cancel()
	filters := make([]string, len(prefixes)) // made anew each time: WatchFiltered writes into them
	for i, p := range prefixes {
		filters[i] = p + ">"
	}
	w, err := a.kv.WatchFiltered(ctx, filters)
	if err != nil {
		return err
	}
	a.absorb(ctx, w)
	_ = w.Stop()
	return nil
}

func (a *Agenda) absorb(ctx context.Context, w jetstream.KeyWatcher) {
	for {
		select {
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return
			case e == nil: // the end of what was there already
			case e.Operation() != jetstream.KeyValuePut:
				a.forget(e.Key(), e.Revision())
			default:
				var entry agendaEntry
				if err := json.Unmarshal(e.Value(), &entry); err == nil {
					a.learn(e.Key(), entry.Due, e.Revision(), false)
				}
			}
		case <-ctx.Done():
			return
		}
	}
}

// learn takes in that a key is stored; own says that this replica stored it. What others stored does not put off a nudge: they
// may have done so before it.
func (a *Agenda) learn(key string, due time.Time, rev uint64, own bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if rev <= a.cleared[key].rev {
		return
	}
	it := a.itemFor(key)
	switch {
	case rev > it.rev:
		it.rev, it.tries = rev, 0
		if own || !it.nudged {
			it.due = due
		}
		a.requeue(it)
	case own && rev == it.rev && it.nudged: // the watch told of it first, and did not move it
		it.due = due
		a.requeue(it)
	}
	if own && !it.again {
		it.stored() // else it was nudged behind the work that stored it: the next work answers for that
	}
}

// forget takes a key out that is known to have been cleared at revision rev.
func (a *Agenda) forget(key string, rev uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if rev > a.cleared[key].rev {
		a.cleared[key] = cleared{rev, time.Now()}
	}
	if it := a.items[key]; it != nil && rev > it.rev {
		a.remove(it)
	}
}

// tidy drops what was cleared so long ago that nobody can bring it back.
func (a *Agenda) tidy() {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.cleared, func(_ string, c cleared) bool { return time.Since(c.at) > relistEvery })
}

func (a *Agenda) remove(it *item) {
	if it.index >= 0 {
		heap.Remove(&a.queue, it.index)
	}
	it.stored()
	delete(a.items, it.key)
}
