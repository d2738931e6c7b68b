package bus

import (
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Agenda says which record must be looked at again, and when. It holds an entry for everything that is not finished, so
// it is also the list of what is open: after a restart nothing else has to be remembered.
//
// An entry that is due is handed to exactly one worker of all replicas while that worker lives (see claim.go). Being handed out
// twice is possible all the same, and harmless: the record's compare-and-append decides.
type Agenda struct {
	bus *Bus
	kv  jetstream.KeyValue
	// name keeps its claims apart from those of other agendas.
	name string

	mu    sync.Mutex // guards the fields below
	items map[string]*item
	// cleared holds what was taken out a moment ago: the watch and a Set that is still under way lag, and would bring it back.
	cleared map[string]cleared
	queue   dueQueue
	changed chan struct{} // holds one token when the queue's head may have changed
}

type item struct {
	key   string
	due   time.Time
	rev   uint64
	tries int
	// busy is set while a worker of this replica has it; again if it became due meanwhile. taken is the revision that it had
	// when the worker took it.
	busy, again bool
	taken       uint64
	// nudged is set from a nudge until this replica has stored the key again. moved, if not nil, is closed then.
	nudged bool
	moved  chan struct{}
	index  int // in the queue; -1 when not in it
}

// nudgeAgain is how long a nudged key is left alone that another replica has in hand.
const nudgeAgain = 250 * time.Millisecond

type agendaEntry struct {
	Due time.Time `json:"due"`
}

// Agenda opens the agenda of that name, creating it if needed.
func (b *Bus) Agenda(ctx context.Context, name string) (*Agenda, error) {
	kv, err := b.bucket(ctx, jetstream.KeyValueConfig{Bucket: name, LimitMarkerTTL: time.Minute,
		Description: "what is open, and when it must be looked at again"})
	if err != nil {
		return nil, err
	}
	return &Agenda{bus: b, kv: kv, name: name, items: map[string]*item{}, cleared: map[string]cleared{}, changed: make(chan struct{}, 1)}, nil
}

// Set enters a key, or moves it, and returns when that is durable. The key consists of letters, digits, "-", "_" and ".".
func (a *Agenda) Set(ctx context.Context, key string, due time.Time) error {
	doc, err := json.Marshal(agendaEntry{Due: due.UTC()})
	if err != nil {
		return fmt.Errorf("enter %s in the agenda: %w", key, err)
	}
	rev, err := a.kv.Put(ctx, key, doc)
	if err != nil {
		return fmt.Errorf("enter %s in the agenda: %w", key, err)
	}
	a.learn(key, due, rev, true)
	return nil
}

// Move enters a key again after work on it, unless somebody has entered it since that work began: then it stays as it is and is handed out
// again. It is for the function that [Agenda.Run] calls.
func (a *Agenda) Move(ctx context.Context, key string, due time.Time) error {
	a.mu.Lock()
	taken := a.itemFor(key).taken
	a.mu.Unlock()
	doc, err := json.Marshal(agendaEntry{Due: due.UTC()})
	if err != nil {
		return fmt.Errorf("move %s in the agenda: %w", key, err)
	}
	var rev uint64
	if taken == 0 {
		rev, err = a.kv.Create(ctx, key, doc)
	} else {
		rev, err = a.kv.Update(ctx, key, doc, taken)
	}
	if isWrongSequence(err) {
		a.Nudge(key)
		return nil
	}
	if err != nil {
		return fmt.Errorf("move %s in the agenda: %w", key, err)
	}
	a.learn(key, due, rev, true)
	return nil
}

// Nudge makes a key due now on this replica without storing that. It is lost in a crash: Set the key as well.
func (a *Agenda) Nudge(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	it := a.itemFor(key)
	it.due, it.tries, it.nudged = time.Time{}, 0, true
	a.requeue(it)
}

// Clear takes a key out: it is finished.
func (a *Agenda) Clear(ctx context.Context, key string) error {
	// By hand, since a key-value purge does not say its revision: without it a key that was entered again behind the purge
	// could not be told from the one that was taken out.
	m := nats.NewMsg("$KV." + a.kv.Bucket() + "." + key)
	m.Header.Set("KV-Operation", "PURGE")
	m.Header.Set("Nats-Rollup", "sub")
	m.Header.Set("Nats-TTL", "60")
	ack, err := a.bus.js.PublishMsg(ctx, m)
	if err != nil {
		return fmt.Errorf("take %s out of the agenda: %w", key, err)
	}
	a.forget(key, ack.Sequence)
	return nil
}

// AwaitEntry waits until work on a nudged key has moved or cleared it, which is durable then. It is false if ctx ended first.
func (a *Agenda) AwaitEntry(ctx context.Context, key string) bool {
	for {
		a.mu.Lock()
		it := a.items[key]
		if it == nil || !it.nudged {
			a.mu.Unlock()
			return true
		}
		if it.moved == nil {
			it.moved = make(chan struct{})
		}
		moved := it.moved
		a.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return false
		}
	}
}

// Knows says whether this replica has a key in the agenda. It can lag behind what other replicas did.
func (a *Agenda) Knows(key string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	it := a.items[key]
	return it != nil && it.rev > 0
}

// Count is how many keys with that prefix this replica knows to be open.
func (a *Agenda) Count(prefix string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for key := range a.items {
		if strings.HasPrefix(key, prefix) {
			n++
		}
	}
	return n
}

// Open is every key that is in the agenda now, with its due time.
func (a *Agenda) Open(ctx context.Context) (map[string]time.Time, error) {
	w, err := a.kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("read the agenda: %w", err)
	}
	defer func() { _ = w.Stop() }()
	out := map[string]time.Time{}
	for {
		select {
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return nil, errors.New("read the agenda: the bus stopped answering before the end")
			case e == nil:
				return out, nil
			}
			var entry agendaEntry
			if err := json.Unmarshal(e.Value(), &entry); err != nil {
				return nil, fmt.Errorf("read %s in the agenda: %w", e.Key(), err)
			}
			out[e.Key()] = entry.Due
		case <-ctx.Done():
			return nil, fmt.Errorf("read the agenda: %w", context.Cause(ctx))
		}
	}
}

// Run hands out every key with one of the prefixes when it is due, to at most workers at once, until ctx ends; then it waits
// for those at work. fn must have moved the key, or cleared it, when it returns nil; after an error it is handed out again,
// later and later.
func (a *Agenda) Run(ctx context.Context, workers int, prefixes []string, fn func(context.Context, string) error) error {
	var wg sync.WaitGroup
	work, cancel := outlive(ctx, drainTime)
	defer cancel()
	defer wg.Wait()
	wg.Go(func() { a.watch(ctx, prefixes) })
	slots := make(chan struct{}, workers)
	for {
		key, wait := a.next(prefixes)
		if key == "" {
			if !a.sleep(ctx, wait) {
				return nil
			}
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			a.putBack(key)
			return nil
		}
		wg.Go(func() {
			defer func() { <-slots }()
			a.serve(work, key, fn)
		})
	}
}

func (a *Agenda) sleep(ctx context.Context, wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-a.changed:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// next is the key that is due longest, taken by this replica; or how long there is nothing to do.
func (a *Agenda) next(prefixes []string) (string, time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.queue) > 0 {
		it := a.queue[0]
		if !hasPrefix(it.key, prefixes) {
			heap.Pop(&a.queue)
			continue
		}
		if wait := time.Until(it.due); wait > 0 {
			return "", min(wait, time.Minute)
		}
		heap.Pop(&a.queue)
		it.busy, it.again, it.taken = true, false, it.rev
		return it.key, 0
	}
	return "", time.Minute
}

// putBack is for a key that was taken and that nobody worked on.
func (a *Agenda) putBack(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if it := a.items[key]; it != nil {
		it.busy = false
		a.requeue(it)
	}
}

func hasPrefix(key string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return false
}

// serve works on one key under a claim, and puts it back into the queue if it is still open.
func (a *Agenda) serve(ctx context.Context, key string, fn func(context.Context, string) error) {
	err := a.bus.claimed(ctx, a.name+"."+key, func(ctx context.Context) error { return fn(ctx, key) })
	a.mu.Lock()
	defer a.mu.Unlock()
	it := a.items[key]
	if it == nil {
		return
	}
	it.busy = false
	switch {
	case errors.Is(err, errClaimed) && it.nudged:
		// Another replica has it, and may have begun before what the nudge is about.
		it.due = time.Now().Add(nudgeAgain)
	case errors.Is(err, errClaimed) && it.rev != it.taken:
		// Another replica has it, and has moved it already.
	case errors.Is(err, errClaimed):
		// Another replica has it. If it dies the claim runs out; look again then.
		it.due = time.Now().Add(claimTTL / 2)
	case err != nil && ctx.Err() == nil:
		it.tries++
		delay := retryIn(err, it.tries)
		it.due = time.Now().Add(delay)
		a.bus.log.Warn().Err(err).Str("key", key).Dur("again_in", delay).Msg("work on an open record failed; it will be tried again")
	case it.again:
		it.due = time.Time{}
	case !it.due.After(time.Now()):
		// fn neither moved nor cleared it: never spin.
		it.due = time.Now().Add(time.Second)
	}
	a.requeue(it)
}

// passingRetry is how long work waits at most that the bus itself has failed: when a cluster is there again, what stands has waited for
// long enough.
const passingRetry = 2 * time.Second

// retryIn is how long work waits that has failed so many times in a row.
func retryIn(err error, tries int) time.Duration {
	longest := time.Minute
	if isPassing(err) {
		longest = passingRetry
	}
	return min(250*time.Millisecond<<min(tries, 8), longest)
}

// stored tells who waits for it that the key is stored.
func (it *item) stored() {
	it.nudged = false
	if it.moved != nil {
		close(it.moved)
		it.moved = nil
	}
}

func (a *Agenda) itemFor(key string) *item {
	it := a.items[key]
	if it == nil {
		it = &item{key: key, index: -1}
		a.items[key] = it
	}
	return it
}

// requeue puts an item where its due time belongs. One that is being worked on is only marked.
func (a *Agenda) requeue(it *item) {
	switch {
	case it.busy:
		it.again = it.again || !it.due.After(time.Now())
		return
	case it.index >= 0:
		heap.Fix(&a.queue, it.index)
	default:
		heap.Push(&a.queue, it)
	}
	select {
	case a.changed <- struct{}{}:
	default:
	}
}
