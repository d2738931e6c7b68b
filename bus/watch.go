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
	filters := make([]string, len(prefixes))
	for i, p := range prefixes {
		filters[i] = p + ">"
	}
	for ctx.Err() == nil {
		a.tidy()
		round, cancel := context.WithTimeout(ctx, relistEvery)
		w, err := a.kv.WatchFiltered(round, filters)
		if err != nil {
			a.bus.log.Warn().Err(err).Msg("watching the agenda failed; trying again")
			pause(ctx, time.Second)
			cancel()
			continue
		}
		a.absorb(round, w)
		_ = w.Stop()
		cancel()
	}
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
					a.learn(e.Key(), entry.Due, e.Revision())
				}
			}
		case <-ctx.Done():
			return
		}
	}
}

func (a *Agenda) learn(key string, due time.Time, rev uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if rev <= a.cleared[key].rev {
		return
	}
	it := a.itemFor(key)
	if rev <= it.rev {
		return
	}
	it.due, it.rev, it.tries = due, rev, 0
	a.requeue(it)
}

// drop takes a key out that this replica cleared.
func (a *Agenda) drop(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if it := a.items[key]; it != nil {
		a.cleared[key] = cleared{max(it.rev, a.cleared[key].rev), time.Now()}
		a.remove(it)
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
	delete(a.items, it.key)
}
