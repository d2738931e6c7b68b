package replicatest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

const (
	// patience bounds every wait for something that must happen. It is far more than it should take.
	patience = 90 * time.Second
	// episodeFor is how long an edge may be sick, over a fault and what it takes to go on after it.
	episodeFor = 3 * time.Minute
	// httpEdges are told over HTTP and have two instances each, leasedEdges read leases and have one.
	httpEdges   = 4
	leasedEdges = 2
	// fullNode is the node of NATS with the small disk.
	fullNode = 2
)

// world is the cluster, the replicas, and what falls sick.
type world struct {
	t        *testing.T
	nats     *testbed.NATS
	replicas []*replica
	edges    []*edge
	am       *alertmanager

	// calm keeps new episodes from beginning; who holds it alone knows that none is under way.
	calm sync.RWMutex
	mu   sync.Mutex // guards the fields below
	// whole is, by service, when the last episode began that has come to its end.
	whole    map[string]time.Time
	failures []string // episodes that did not end
	judged   map[string]bool
}

// newWorld starts the cluster and the replicas, all three at once, each beginning at a node of its own.
func newWorld(t *testing.T, bin string) *world {
	t.Helper()
	w := &world{t: t, whole: map[string]time.Time{}, judged: map[string]bool{}}
	w.nats = testbed.NATSCluster(t, testbed.NATSConfig{Nodes: 3, SmallDisks: []int{fullNode}})
	js := connect(t, w.nats)
	ctx, cancel := context.WithCancel(context.Background())
	var readers sync.WaitGroup
	t.Cleanup(func() { cancel(); readers.Wait() })
	for i := range httpEdges + leasedEdges {
		e := newEdge(fmt.Sprintf("shop%d", i), 2, false)
		if i >= httpEdges {
			e = newEdge(fmt.Sprintf("shop%d", i), 1, true)
			readers.Go(func() { readLeases(ctx, js, e) })
		}
		for n := range e.instances {
			e.urls = append(e.urls, serve(t, e, n))
		}
		w.edges = append(w.edges, e)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	t.Cleanup(client.CloseIdleConnections)
	w.am = &alertmanager{client: client, statuses: map[int]int{}}
	for i := range 3 {
		w.replicas = append(w.replicas, w.newReplica(bin, i))
	}
	for _, r := range w.replicas {
		r.start()
	}
	for _, r := range w.replicas {
		r.awaitReady()
	}
	t.Logf("%s all is running", time.Now().Format(time.TimeOnly))
	return w
}

func (w *world) newReplica(bin string, i int) *replica {
	w.t.Helper()
	listen := testbed.Addr(w.t)
	urls := w.nats.ClientURLs()
	urls = append(urls[i:], urls[:i]...)
	r := &replica{t: w.t, bin: bin, name: fmt.Sprintf("firebreak-%d", i), config: filepath.Join(w.t.TempDir(), "policy.yaml"),
		api: api{url: "http://" + listen, client: w.am.client}}
	text := policyFor(listen, strings.Join(urls, ","), w.nats.Token, w.edges)
	if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
		w.t.Fatalf("write the policy: %v", err)
	}
	w.am.urls = append(w.am.urls, r.api.url)
	return r
}

// run lets one edge after the other fall sick, again and again, until the test ends, or stop is called: that lets episodes come to
// their end.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, e := range w.edges {
		wg.Go(func() {
			for pause(ctx, time.Duration(rand.IntN(int(time.Second)))) {
				w.episode(ctx, e)
			}
		})
	}
	wg.Go(func() { w.am.chatter(ctx) })
	abort := func() { cancel(); wg.Wait() }
	w.t.Cleanup(abort)
	return func() {
		_, resume := w.quiet()
		cancel()
		resume()
		abort()
	}
}

// episode is one sickness from its beginning to its end, as Alertmanager sees it: it fires until nothing is wrong any more and nothing
// stands.
func (w *world) episode(ctx context.Context, e *edge) {
	w.calm.RLock()
	defer w.calm.RUnlock()
	if ctx.Err() != nil {
		return
	}
	begun := time.Now().UTC()
	err := w.sicken(ctx, e, begun)
	pause(ctx, 5*time.Millisecond) // the next one starts later than this one ended, also in milliseconds
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil:
		w.whole[e.service] = begun
	case !errors.Is(err, context.Canceled):
		w.failures = append(w.failures, fmt.Sprintf("%s, sick since %s: %v", e.service, begun.Format("15:04:05.000"), err))
	}
}

// errStuck says that an edge was not cured, or that a change was not taken back, in all that time.
var errStuck = errors.New("stuck")

func (w *world) sicken(ctx context.Context, e *edge, begun time.Time) error {
	ctx, cancel := context.WithTimeoutCause(ctx, episodeFor, errStuck)
	defer cancel()
	e.fall()
	firing := news{labels: e.labels(), starts: begun}
	if err := w.am.notify(ctx, firing); err != nil {
		return err
	}
	if rand.IntN(3) == 0 { // as a peer that was cut off would
		if err := w.am.notify(ctx, firing); err != nil {
			return err
		}
	}
	for !e.well() {
		if !pause(ctx, 10*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
	return w.am.notify(ctx, news{labels: e.labels(), starts: begun, ends: time.Now().UTC()})
}

// awaitWhole waits until every edge has had an episode, from its beginning to its end, after since.
func (w *world) awaitWhole(since time.Time, what string) {
	w.t.Helper()
	testbed.Await(w.t, patience, "an episode of every edge from its beginning to its end, "+what, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.failures) > 0 || !slices.ContainsFunc(w.edges, func(e *edge) bool { return !w.whole[e.service].After(since) })
	})
}

// quiet waits until no episode is under way and all incidents are closed, and gives those that were not given before. Episodes
// begin again with resume.
func (w *world) quiet() (all []record, resume func()) {
	w.t.Helper()
	w.calm.Lock()
	resume = sync.OnceFunc(w.calm.Unlock)
	w.t.Cleanup(resume)
	var err error
	open := func() (open []string) {
		for _, r := range all {
			if r.Summary.Stage != "closed" {
				open = append(open, r.story())
			}
		}
		return open
	}
	closed := w.poll(func() bool {
		all, err = w.replicas[0].api.records(func(s summary) bool { return !w.judged[s.ID] })
		return err == nil && len(open()) == 0
	})
	if !closed {
		w.t.Errorf("not all incidents were closed, or could not be read: %v\n%s", err, strings.Join(open(), "\n"))
	}
	for _, r := range all {
		w.judged[r.Summary.ID] = true
	}
	return all, resume
}

// poll is testbed.Await that leaves the verdict to the caller.
func (w *world) poll(cond func() bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for !cond() {
		if !pause(ctx, 100*time.Millisecond) {
			return false
		}
	}
	return true
}

// stuck are the episodes that did not end, since it was asked last.
func (w *world) stuck() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	failures := w.failures
	w.failures = nil
	return failures
}
