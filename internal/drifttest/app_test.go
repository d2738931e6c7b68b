package drifttest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

const (
	// ttl is how long leases last, by the policy and by the application.
	ttl = 3 * time.Second
	// beatEvery is how often a node renews its leases: so often that a busy machine does not make it late.
	beatEvery = 300 * time.Millisecond
	// stood is how long ago all nodes came, when a run begins.
	stood = 10 * time.Minute
	// callWithin bounds what a node waits for its store.
	callWithin = 2 * time.Second
)

// client is how one node of the application speaks to the store, through its own link.
type client interface {
	// register writes what a node says of itself.
	register(ctx context.Context, m member) error
	// renew renews the leases of all sessions among ids that are the node's, and says which these are.
	renew(ctx context.Context, node string, lease time.Time, ids []string) ([]string, error)
	// write writes the next version of a session, if it is the node's.
	write(ctx context.Context, node, id string, version int, data string) error
	close()
}

// member is what a node says of itself.
type member struct {
	name         string
	epoch        int
	since, lease time.Time
	sees         []string
}

// node is one of the application. It beats on its own: it tells the others that it lives, renews its leases, writes one of its sessions, and
// registers itself again.
type node struct {
	name   string
	app    *app
	link   *testbed.Link
	client client
	stop   context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex // guards the fields below
	heard   map[string]time.Time
	since   time.Time
	renewed time.Time     // when it last reached the store
	skew    time.Duration // how far its clock is ahead
	misses  int           // sessions that it serves, and that it did not find at its last beat
	turn    int
	tried   map[string]int  // the sessions that it serves, by the last version that it sent
	acked   map[string]int  // the same, by the last version that the store took
	lost    map[string]bool // those that it did not find at some beat
}

// app is the application: nodes that own sessions, hear each other, and share a store.
type app struct {
	nodes []*node
	ids   []string // of all sessions that are renewed

	mu    sync.Mutex // guards the fields below
	epoch int
	apart map[[2]string]bool // pairs that do not hear each other
	also  []string           // copies that are renewed besides
}

// names are those of the nodes. Most sessions are those of all but the last.
func names() []string { return []string{"node-a", "node-b", "node-c", "node-d", "node-e"} }

// add is a node that is not started yet, with the sessions that it serves.
func (a *app) add(name string, link *testbed.Link, c client, owned []string) {
	n := &node{name: name, app: a, link: link, client: c, stop: func() {}, ended: make(chan struct{}), heard: map[string]time.Time{},
		since: time.Now().Add(-stood), renewed: time.Now(), tried: map[string]int{}, acked: map[string]int{}, lost: map[string]bool{}}
	for _, id := range owned {
		n.tried[id], n.acked[id] = 1, 1
	}
	a.nodes = append(a.nodes, n)
}

// start starts all nodes. They end with the run at the latest.
func (a *app) start(t *testing.T) {
	for _, n := range a.nodes {
		ctx, cancel := context.WithCancel(context.Background())
		n.stop = cancel
		t.Cleanup(func() { n.end(); n.client.close() })
		go func() {
			defer close(n.ended)
			n.beat(ctx)
			for blackbox.Pause(ctx, beatEvery) {
				n.beat(ctx)
			}
		}()
	}
}

// end ends a node for good, as a crash of its machine does: what it was about to write it has written, or never writes.
func (n *node) end() {
	n.stop()
	<-n.ended
}

// at is a node by its name.
func (a *app) at(name string) *node {
	i := slices.IndexFunc(a.nodes, func(n *node) bool { return n.name == name })
	return a.nodes[i]
}

// versions are the last that a session's node sent of it, and the last that the store took. It is false where no node renews it.
func (a *app) versions(r record) (tried, acked int, serves bool) {
	for _, n := range a.nodes {
		if n.name == r.owner {
			return n.versions(r.key)
		}
	}
	return 0, 0, false
}

// part cuts the links between two groups of nodes, both ways.
func (a *app) part(these, those []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, x := range these {
		for _, y := range those {
			a.apart[[2]string{x, y}], a.apart[[2]string{y, x}] = true, true
		}
	}
}

// join mends all links between nodes.
func (a *app) join() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.apart)
}

// become begins a new epoch, as a deploy does that changes who is registered.
func (a *app) become(epoch int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.epoch = epoch
}

// renews makes the nodes renew copies too.
func (a *app) renews(copies []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.also = append(a.also, copies...)
}

// renewed are all that the nodes renew, each what is its own.
func (a *app) renewed() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Concat(a.ids, a.also)
}

func (a *app) now(from, to string) (epoch int, hears bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.epoch, !a.apart[[2]string{from, to}]
}

// beat is one round of a node.
func (n *node) beat(ctx context.Context) {
	for _, other := range n.app.nodes {
		if _, hears := n.app.now(n.name, other.name); hears && other != n {
			other.hear(n.name)
		}
	}
	// What was begun is not broken off, or nobody would know what is in the store.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callWithin)
	defer cancel()
	began := time.Now()
	lease := began.Add(n.ahead() + ttl)
	mine, err := n.client.renew(ctx, n.name, lease, n.app.renewed())
	if err != nil {
		return // it cannot reach the store: it goes on serving what it has
	}
	n.found(mine)
	if id, version := n.next(mine); id != "" {
		if err := n.client.write(ctx, n.name, id, version, contents(id, version)); err != nil {
			return
		}
		n.wrote(id, version)
	}
	epoch, _ := n.app.now(n.name, n.name)
	if n.client.register(ctx, n.says(epoch, lease)) == nil {
		n.reached(began)
	}
}

func (n *node) hear(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.heard[name] = time.Now()
}

func (n *node) ahead() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.skew
}

// sets puts its clock ahead.
func (n *node) sets(ahead time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.skew = ahead
}

// found compares what is its own in the store with what it serves.
func (n *node) found(mine []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	is := map[string]bool{}
	for _, id := range mine {
		is[id] = true
	}
	n.misses = 0
	for id := range n.tried {
		if !is[id] {
			n.misses++
			n.lost[id] = true
		}
	}
}

// next is the session that it writes next, of those that it serves and found, with the version. Whether the store takes it or not: no version
// is sent twice.
func (n *node) next(mine []string) (string, int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	own := slices.DeleteFunc(mine, func(id string) bool { return n.tried[id] == 0 })
	if len(own) == 0 {
		return "", 0
	}
	n.turn++
	id := own[n.turn%len(own)]
	n.tried[id]++
	return id, n.tried[id]
}

// wrote notes a version that the store took.
func (n *node) wrote(id string, version int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.acked[id] = version
}

// versions are the last that it sent of a session, and the last that the store took. It is false for one that it does not serve.
func (n *node) versions(id string) (tried, acked int, serves bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.tried[id], n.acked[id], n.tried[id] > 0
}

// says is what it says of itself now.
func (n *node) says(epoch int, lease time.Time) member {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := member{name: n.name, epoch: epoch, since: n.since.Add(n.skew), lease: lease, sees: []string{}}
	if time.Since(n.renewed) > ttl { // the others took it for gone, or were about to
		m.since = time.Now().Add(n.skew)
		n.since = time.Now()
	}
	for name, at := range n.heard {
		if time.Since(at) < ttl {
			m.sees = append(m.sees, name)
		}
	}
	slices.Sort(m.sees)
	return m
}

func (n *node) reached(at time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.renewed = at
}

// served is how many sessions its clients ask it for that it does not find.
func (n *node) served() (misses int, lost []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for id := range n.lost {
		lost = append(lost, id)
	}
	slices.Sort(lost)
	return n.misses, lost
}

// misses is how many sessions are asked for at living nodes and not found.
func (a *app) misses() int {
	all := 0
	for _, n := range a.nodes {
		misses, _ := n.served()
		all += misses
	}
	return all
}

// contents is what a session holds in a version.
func contents(id string, version int) string {
	return fmt.Sprintf("contents of %s in version %d", id, version)
}
