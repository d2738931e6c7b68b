package clustertest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// fullNode is the node with the small disk.
const fullNode = 2

// longRounds is how often the long run goes through all faults.
const longRounds = 3

// fault is something that happens to one node, or to each in turn.
type fault struct {
	name string
	// victim chooses the node.
	victim func(*world) int
	// hurt does it, mend ends it. Between the two all goes on, and at least hold passes.
	hurt, mend func(*world, int)
	hold       time.Duration
	// long is for the long run only.
	long bool
}

func leader(w *world) int {
	w.t.Helper()
	node := -1
	testbed.Await(w.t, patience, "a leader of the journal", func() bool { node = w.nats.Leader(bus.Alerts); return node >= 0 })
	return node
}

func follower(w *world) int { return (leader(w) + 1) % 3 }

// faults are all of them, in the order of a short run.
func faults() []fault {
	kill := func(w *world, i int) { w.nats.Kill(i) }
	restart := func(w *world, i int) { w.nats.Restart(i) }
	heal := func(w *world, i int) { w.nats.Heal(i) }
	cut := func(w *world, i int) { w.nats.Cut(i) }
	hang := func(w *world, i int) { w.nats.Hang(i) }
	return []fault{
		{name: "leader killed", victim: leader, hurt: kill, mend: restart},
		{name: "follower killed", victim: follower, hurt: kill, mend: restart},
		{name: "leader cut off, silently", victim: leader, hurt: cut, mend: heal},
		{name: "follower unplugged", long: true, victim: follower, hurt: func(w *world, i int) { w.nats.Unplug(i) }, mend: heal},
		{name: "follower cut off, long", long: true, victim: follower, hurt: cut, mend: heal, hold: time.Minute},
		{name: "follower is not told", long: true, victim: follower, hurt: func(w *world, i int) { w.nats.CutWay(leader(w), i) }, mend: heal},
		{name: "leader hangs", long: true, victim: leader, hurt: hang, mend: func(w *world, i int) { w.nats.Resume(i) }},
		{name: "leader 80 ms away", victim: leader, hurt: func(w *world, i int) { w.nats.Delay(i, 80*time.Millisecond) }, mend: heal, hold: 3 * time.Second},
		{name: "disk full", victim: func(*world) int { return fullNode }, hurt: fillDisk, mend: freeDisk},
		{name: "rolling restart", victim: func(*world) int { return -1 }, hurt: rollingRestart, mend: func(*world, int) {}},
	}
}

func fillDisk(w *world, i int) {
	w.t.Helper()
	why := w.nats.FillDisk(i)
	testbed.Await(w.t, patience, "the node that cannot write to be unwell: "+why.Error(), func() bool { return !w.nats.Healthy(i) })
}

func freeDisk(w *world, i int) {
	w.t.Helper()
	w.nats.FreeDisk(i)
	w.nats.Restart(i) // it gave up, and an operator starts it again
}

func rollingRestart(w *world, _ int) {
	w.t.Helper()
	for i := range 3 {
		w.nats.Stop(i)
		w.nats.Restart(i)
		w.nats.AwaitHealthy()
	}
}

// head says what the table's columns are.
func (w *world) head() string {
	words := "For each load: seconds until a call was acknowledged that began after the fault; longest time without an acknowledgement to " +
		"anybody; and to the\nreplica that had it worst. Then the longest that a key of the agenda waited, and how long it all took.\n"
	cols := []string{fmt.Sprintf("%-26s", "fault")}
	for _, load := range w.names() {
		cols = append(cols, fmt.Sprintf("%-20s", load))
	}
	return words + strings.Join(cols, " | ") + " | key | all\n"
}

// suffer lets one fault happen while everything goes on, and gives what it cost as a line of the table.
func (w *world) suffer(f fault) string {
	w.t.Helper()
	node := f.victim(w)
	w.words.take()
	w.agenda.wait()
	began := time.Now()
	w.t.Logf("%s: node %d", f.name, node)
	f.hurt(w, node)
	w.awaitSome(began, "while "+f.name)
	testbed.Await(w.t, patience, "the fault to last", func() bool { return time.Since(began) >= f.hold })
	while := w.words.take()
	mended := time.Now()
	f.mend(w, node)
	w.awaitAll(mended, "after "+f.name)
	w.nats.AwaitHealthy()
	w.t.Logf("%s: mended after %.1f s; errors while it lasted: %s; after it: %s", f.name, mended.Sub(began).Seconds(), while, w.words.take())
	return w.line(f.name, began)
}

func (w *world) line(name string, began time.Time) string {
	loads := w.loads()
	end := time.Now()
	cols := []string{fmt.Sprintf("%-26s", name)}
	for _, load := range w.names() {
		p := loads[load]
		next, _ := p.next(began)
		worst := time.Duration(0)
		for r := range replicas {
			worst = max(worst, p.gap(began, end, r))
		}
		cols = append(cols, fmt.Sprintf("%6.2f %6.2f %6.2f", next.Seconds(), p.gap(began, end, -1).Seconds(), worst.Seconds()))
	}
	return strings.Join(cols, " | ") + fmt.Sprintf(" | key %.1f | %.1f s", w.agenda.wait().Seconds(), end.Sub(began).Seconds())
}

// chosen are the faults of this run: each once, or again and again in another order each time.
func chosen(t *testing.T) (run []fault) {
	t.Helper()
	all := faults()
	if os.Getenv("FIREBREAK_LONG") != "1" {
		return slices.DeleteFunc(all, func(f fault) bool { return f.long })
	}
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("FIREBREAK_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("read FIREBREAK_SEED: %v", err)
		}
	}
	t.Logf("FIREBREAK_SEED=%d repeats this order", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	for range longRounds {
		dice.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		run = append(run, all...)
	}
	return run
}

// Whatever happens to one node at a time, what was acknowledged stays, and everything goes on. Nothing else runs beside it, for what it
// measures.
func TestFaults(t *testing.T) {
	w := newWorld(t)
	quiet, stop := w.run()
	w.awaitAll(time.Now(), "at the beginning")
	var table []string
	defer func() { t.Log("\n" + w.head() + strings.Join(table, "\n")) }()
	for _, f := range chosen(t) {
		table = append(table, w.suffer(f))
	}
	quiet()
	w.reader.verify()
	stop()
	w.journal.verify()
	w.record.verify()
	w.cell.verify()
}
