package drifttest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

const (
	// most is how many sessions there are. One action may take 1 in 100 of them.
	most  = 600
	bound = most / 100
	// few is how many the last node has, usually: fewer than one action may take, and far fewer than 5 in 100.
	few = 4
	// quiet is how many sessions are not renewed, as their leases last for long.
	quiet = 4
	// aged is how long ago a node has died, where that is not waited for: so long that orphans are settled.
	aged = 90 * time.Second
)

// lab is a store, which outlives many runs.
type lab struct {
	*blackbox.Lane
	store store
}

// calls bounds a question of a run to the store.
func calls() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 10*time.Second)
}

// must fails the run if the store could not be asked or told.
func (b *lab) must(what string, work func(ctx context.Context) error) {
	ctx, cancel := calls()
	defer cancel()
	if err := work(ctx); err != nil {
		b.Fatalf("%s: %v", what, err)
	}
}

// held is all that the store holds now.
func (b *lab) held() map[string]record {
	var all map[string]record
	b.must("read all sessions", func(ctx context.Context) (err error) {
		all, err = b.store.read(ctx)
		return err
	})
	return all
}

// await waits for something, and fails the run if it does not come.
func (b *lab) await(what string, cond func() bool) {
	testbed.Await(b, blackbox.Within, what, seldom(cond))
}

// lookEvery is how often something is looked at that is awaited.
const lookEvery = 100 * time.Millisecond

// seldom looks no more often than that.
func seldom(cond func() bool) func() bool {
	var next time.Time
	return func() bool {
		if time.Now().Before(next) {
			return false
		}
		is := cond()
		next = time.Now().Add(lookEvery)
		return is
	}
}

// redis is the store, for the runs that spoil its servers.
func (b *lab) redis() *redisStore {
	s, ok := b.store.(*redisStore)
	if !ok {
		b.Fatalf("the store is not in Redis")
	}
	return s
}

// postgres is the store, for the runs that spoil its servers.
func (b *lab) postgres() *postgresStore {
	s, ok := b.store.(*postgresStore)
	if !ok {
		b.Fatalf("the store is not in PostgreSQL")
	}
	return s
}

// startApp fills the store and starts the application, of whose nodes the last one has so many sessions. It returns when all of them hear each
// other, and the replica has everything.
func (b *lab) startApp(t *testing.T, last int) *app {
	t.Helper()
	b.must("empty the store", b.store.empty)
	a := &app{epoch: 7, apart: map[[2]string]bool{}}
	owned, all := share(last)
	for _, r := range all {
		if r.version == "1" {
			a.ids = append(a.ids, r.key)
		}
	}
	b.must("write the sessions", func(ctx context.Context) error { return b.store.put(ctx, all) })
	for _, name := range names() {
		link := testbed.Proxy(t, testbed.ProxyConfig{Target: b.store.addr()})
		a.add(name, link, b.store.open(link.Addr), owned[name])
	}
	a.start(t)
	b.await("all nodes to hear each other", func() bool { return b.whole(names()) && b.store.level() })
	return a
}

// share gives the last node so many sessions, and the others the rest. Priorities go round.
func share(last int) (owned map[string][]string, all []record) {
	owned = map[string][]string{}
	now := time.Now()
	for i := range most {
		name := names()[i%4]
		if i < last {
			name = "node-e"
		}
		r := record{key: fmt.Sprintf("u%03d", i), owner: name, epoch: 7, version: "1", priority: []string{"critical", "high", "normal", "low"}[i%4],
			lease: now.Add(ttl), data: contents(fmt.Sprintf("u%03d", i), 1)}
		if i >= most-quiet {
			r.lease, r.version, r.data = now.Add(time.Hour), "3", contents(r.key, 3)
		} else {
			owned[name] = append(owned[name], r.key)
		}
		all = append(all, r)
	}
	return owned, all
}

// whole says that these nodes have a lease each, and hear each other.
func (b *lab) whole(these []string) bool {
	ctx, cancel := calls()
	defer cancel()
	all, err := b.store.registered(ctx)
	for _, name := range these {
		if m, ok := all[name]; !ok || len(m.sees) < len(these)-1 || !m.lease.After(time.Now()) {
			return false
		}
	}
	return err == nil
}
