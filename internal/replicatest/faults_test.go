package replicatest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// longRounds is how often the long run goes through all faults.
const longRounds = 3

// fault is something that is broken while services fall sick, and mended again.
type fault struct {
	name string
	// prepare is done before, if it is not nil.
	prepare func(*world)
	// hurt breaks it and gives what mends it. It may take its time.
	hurt func(*world) (mend func())
	// hold is how long it stays broken at least.
	hold time.Duration
	// dead says that nothing can go on while it is broken.
	dead bool
	// long is for the long run only.
	long bool
}

// endure lets one fault happen while services fall sick and become well, and judges what came of it.
func (w *world) endure(f fault, r *row) {
	w.t.Helper()
	if f.prepare != nil {
		f.prepare(w)
	}
	v := &verdict{began: time.Now()}
	mend := f.hurt(w)
	if !f.dead {
		testbed.Await(w.t, patience, "an acknowledged alert while "+f.name, func() bool { return w.am.ackedSince(v.began) })
	}
	testbed.Await(w.t, patience, "the fault to last", func() bool { return time.Since(v.began) >= f.hold })
	v.mended = time.Now()
	mend()
	w.awaitWhole(v.mended, "after "+f.name)
	end := time.Now()
	w.nats.AwaitHealthy()
	for _, replica := range w.replicas {
		replica.awaitReady()
	}
	all, resume := w.quiet()
	v.records = all
	w.judge(v)
	resume()
	r.add(v, end)
	w.t.Logf("%s %s: broken for %.1f s, whole after %.1f s; answers by status %v; late %q; refused by the target %q",
		time.Now().Format(time.TimeOnly), f.name,
		v.mended.Sub(v.began).Seconds(), end.Sub(v.mended).Seconds(), v.statuses, v.late, v.refused)
	if wrongs := v.wrongs(); len(wrongs) > 0 {
		w.t.Errorf("%s:\n%s", f.name, strings.Join(wrongs, "\n"))
	}
}

// suffer goes through faults, in their order once or in others again and again, and prints the table.
func (w *world) suffer(faults []fault) {
	w.t.Helper()
	if os.Getenv("FIREBREAK_LONG") != "1" {
		faults = slices.DeleteFunc(faults, func(f fault) bool { return f.long })
	}
	rows := make([]*row, len(faults))
	for i, f := range faults {
		rows[i] = &row{fault: f.name, outcomes: map[string]int{}}
	}
	defer func() { w.t.Log("\n" + table(rows)) }()
	order := make([]int, len(faults))
	for i := range order {
		order[i] = i
	}
	if os.Getenv("FIREBREAK_LONG") != "1" {
		for _, i := range order {
			w.endure(faults[i], rows[i])
		}
		return
	}
	dice := rand.New(rand.NewPCG(seed(w.t), 0))
	for range longRounds {
		dice.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			w.endure(faults[i], rows[i])
		}
		w.t.Log("\n" + table(rows)) // so far
	}
}

func seed(t *testing.T) uint64 {
	t.Helper()
	n := uint64(time.Now().UnixNano())
	if text := os.Getenv("FIREBREAK_SEED"); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("read FIREBREAK_SEED: %v", err)
		}
	}
	t.Logf("FIREBREAK_SEED=%d repeats this order", n)
	return n
}

// leader is the node that leads the alerts' stream.
func (w *world) leader() int {
	w.t.Helper()
	node := -1
	testbed.Await(w.t, patience, "a leader of the alerts' stream", func() bool { node = w.nats.Leader("ALERTS"); return node >= 0 })
	return node
}

func long(f fault) fault {
	f.long = true
	return f
}

func natsFaults() []fault {
	killed := func(i int, w *world) func() {
		w.nats.Kill(i)
		return func() { w.nats.Restart(i) }
	}
	return []fault{
		{name: "nats leader killed", hold: 2 * time.Second, hurt: func(w *world) func() { return killed(w.leader(), w) }},
		long(fault{name: "nats follower killed", hold: 2 * time.Second, hurt: func(w *world) func() { return killed((w.leader()+1)%3, w) }}),
		{name: "nats leader cut off", hold: 5 * time.Second, hurt: func(w *world) func() {
			i := w.leader()
			w.nats.Cut(i)
			return func() { w.nats.Heal(i) }
		}},
		long(fault{name: "nats leader 80 ms away", hold: 3 * time.Second, hurt: func(w *world) func() {
			i := w.leader()
			w.nats.Delay(i, 80*time.Millisecond)
			return func() { w.nats.Heal(i) }
		}}),
		{name: "disk full on one nats", hold: 2 * time.Second, hurt: func(w *world) func() {
			why := w.nats.FillDisk(fullNode)
			testbed.Await(w.t, patience, "the node to be unwell: "+why.Error(), func() bool { return !w.nats.Healthy(fullNode) })
			return func() {
				w.nats.FreeDisk(fullNode)
				w.nats.Restart(fullNode) // it gave up, and an operator starts it again
			}
		}},
		{name: "two of three nats down", hold: 22 * time.Second, dead: true, hurt: twoDown},
		long(fault{name: "two of three nats down, for long", hold: 75 * time.Second, dead: true, hurt: twoDown}),
		long(fault{name: "nats follower cut off", hold: 20 * time.Second, hurt: func(w *world) func() {
			i := (w.leader() + 1) % 3
			w.nats.Cut(i)
			return func() { w.nats.Heal(i) }
		}}),
		long(fault{name: "nats leader hangs", hold: 5 * time.Second, hurt: func(w *world) func() {
			i := w.leader()
			w.nats.Hang(i)
			return func() { w.nats.Resume(i) }
		}}),
	}
}

// twoDown leaves one node of three, which can store nothing: no alert is acknowledged, nothing takes effect, no replica is ready,
// and none ends.
func twoDown(w *world) func() {
	w.t.Helper()
	last := fullNode
	for i := range 3 {
		if i != last {
			w.nats.Kill(i)
		}
	}
	down := time.Now()
	for _, r := range w.replicas {
		testbed.Await(w.t, patience, r.name+" to say that it is not ready", func() bool { return !r.ready() })
	}
	return func() {
		w.t.Helper()
		w.am.judgeSilence(w.t, down)
		for _, e := range w.edges {
			e.judgeSilence(w.t, down)
		}
		for i := range 3 {
			if i != last {
				w.nats.Restart(i)
			}
		}
	}
}

// answered is how long what was stored before may still be on its way.
const answered = time.Second

// judgeSilence: since down no alert was acknowledged, and 503 was said instead.
func (a *alertmanager) judgeSilence(t *testing.T, down time.Time) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range a.acked {
		if k.begun.After(down) {
			t.Errorf("%s was acknowledged %s after nothing could be stored any more", k.key, k.at.Sub(down))
		}
	}
	if a.statuses[503] == 0 {
		t.Errorf("nothing could be stored, and nobody was told so: answers by status %v", a.statuses)
	}
}

// judgeSilence: since down nothing took effect.
func (e *edge) judgeSilence(t *testing.T, down time.Time) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, m := range e.marks {
		if m.at.After(down.Add(answered)) {
			t.Errorf("%s: action %s took effect %s after nothing could be stored any more", e.service, m.action, m.at.Sub(down))
		}
	}
}

// Whatever happens to three replicas, and to the nodes of NATS below them, every acknowledged alert is recorded, nothing takes effect
// twice, and every fix is taken back. All faults fall on the same world, one after the other: a second one takes half a minute to come up, and
// two beside each other would be about the machine.
func TestFaults(t *testing.T) {
	w := newWorld(t, build(t))
	stop := w.run()
	w.awaitWhole(time.Now(), "at the beginning")
	w.suffer(append(natsFaults(), replicaFaults()...))
	stop()
	t.Run("newer", w.newer)
	_, resume := w.quiet() // that incident is judged, and is not the next one's
	resume()
	t.Run("split", w.split)
}

// split: alerts that one replica takes which carries nothing are answered by another.
func (w *world) split(t *testing.T) {
	for _, r := range w.replicas {
		r.process.Stop()
	}
	taker, carrier := w.replicas[0], w.replicas[1]
	taker.start("--handlers", "none")
	carrier.start("--handlers", "retrystorm")
	taker.awaitReady()
	carrier.awaitReady()
	e := w.edges[0]
	am := &alertmanager{client: w.am.client, urls: []string{taker.api.url}, statuses: map[int]int{}}
	begun := time.Now().UTC()
	e.fall()
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errStuck)
	defer cancel()
	if err := am.notify(ctx, news{labels: e.labels(), starts: begun}); err != nil {
		t.Fatal(err)
	}
	testbed.Await(t, patience, "the edge to be well", e.well)
	if err := am.notify(ctx, news{labels: e.labels(), starts: begun, ends: time.Now().UTC()}); err != nil {
		t.Fatal(err)
	}
	all, resume := w.quiet()
	defer resume()
	if len(all) != 1 || all[0].Summary.Outcome != "fixed" {
		t.Fatalf("got %d incidents, want one that was fixed: %s", len(all), stories(all))
	}
	for _, ev := range all[0].Events {
		if !ev.by(carrier.process.PID()) {
			t.Errorf("%s was written by %s, want the process %d", ev.Kind, ev.By, carrier.process.PID())
		}
	}
}

func stories(all []record) string {
	var b strings.Builder
	for _, r := range all {
		b.WriteString(r.story())
	}
	return b.String()
}

// carrier is a replica that has a change in hand which stands, and the change.
func (w *world) carrier(of []*replica) (found *replica, at string) {
	w.t.Helper()
	testbed.Await(w.t, patience, "a replica that carries a fix", func() bool {
		open, err := of[0].api.records(func(s summary) bool { return s.Stage == "standing" || s.Stage == "held" || s.Stage == "holding" })
		if err != nil {
			return false
		}
		for _, r := range open {
			for _, replica := range of {
				if r.last().by(replica.process.PID()) {
					found, at = replica, r.Summary.ID
				}
			}
		}
		return found != nil
	})
	return found, at
}

func (w *world) others(than ...*replica) []*replica {
	return slices.DeleteFunc(slices.Clone(w.replicas), func(r *replica) bool { return slices.Contains(than, r) })
}

// find reads one incident.
func (w *world) find(id string, of *replica) (record, error) {
	found, err := list[record](of.api, "/api/v1/incidents/"+id)
	if err != nil || len(found) != 1 {
		return record{}, fmt.Errorf("read incident %s: %d found: %w", id, len(found), err)
	}
	return found[0], nil
}
