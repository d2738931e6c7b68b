package modeltest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/desk"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/prometheus/client_golang/prometheus"
)

// event is something that a story does at a time.
type event struct {
	at time.Time
	do func()
}

func (w *world) later(after time.Duration, do func()) {
	w.script = append(w.script, event{w.now.Add(after), do})
}

func (w *world) tellStory() {
	kept := w.script[:0:0]
	due := w.script
	w.script = nil
	for _, e := range due {
		if w.now.Before(e.at) {
			kept = append(kept, e)
		} else {
			e.do()
		}
	}
	w.script = append(kept, w.script...)
}

type saying int

const (
	approves saying = iota
	recalls
)

// say is an order of the newest incident. Who cannot be heard now, or is told no, says it again a second later, a few times.
func (w *world) say(name string, what saying) { w.saying(name, what, 30) }

func (w *world) saying(name string, what saying, tries int) {
	if tries == 0 {
		return
	}
	again := func() { w.later(time.Second, func() { w.saying(name, what, tries-1) }) }
	l := w.free()
	if l == nil || len(w.truth.order) == 0 {
		again()
		return
	}
	id := w.truth.order[len(w.truth.order)-1]
	p := incidents.Person{Name: name, Via: "slack", ID: "U-" + name}
	w.begin(l, &job{name: "say", run: func(ctx context.Context) error {
		var err error
		if what == recalls {
			err = l.rep.desk.Recall(ctx, id, p, "away with it")
		} else {
			ref := desk.Ref{Incident: id}
			if a := w.truth.files[id].st.Asking; a != nil {
				ref.Asking, ref.Plan = a.ID, a.Plan
			}
			_, err = l.rep.desk.Approve(ctx, ref, p, anybody)
		}
		if err != nil {
			again()
		}
		return nil
	}})
}

// harm is what happens to the replica that works, at one interaction.
type harm string

const (
	crashes harm = "crash"
	pauses  harm = "pause"
)

// run is one way through a story, harmed at interaction k. The result's point is where that was; empty if the story has fewer.
func (s story) run(t testing.TB, metrics *handlers.Metrics, seed uint64, h harm, k int) (w *world, point string) {
	t.Helper()
	w = newWorld(seed, metrics, filepath.Join(t.TempDir(), "stop"))
	w.lanes, w.brief = 2, true
	target := w.add(string(s.kind)+"0", "domain", remediations.ClassA)
	w.open(2)
	w.replicas[1].paused, w.replicas[1].wake = w.now, w.now.Add(24*time.Hour) // until it is needed
	s.tell(w, target)
	target.sick = true
	w.post(w.fire(target, 0), 0)
	healed := func() { target.sick = false }
	if s.heals > 0 {
		w.later(s.heals, healed)
		healed = func() {}
	}
	w.later(resolvesAt, func() { healed(); w.post(w.resolve(target, 0), 0) })
	point = w.drive(h, k)
	w.verdict()
	w.end()
	return w, point
}

// drive runs until all is quiet, and does the harm on the way.
func (w *world) drive(h harm, k int) (point string) {
	asked, at := w.now, 0
	for n := 0; w.broken == "" && (len(w.script) > 0 || !w.calm()); n++ {
		if n > maxQuiet {
			w.fail("I5: not quiet after %s", w.now.Sub(newYear()))
		}
		w.count.steps++
		w.now = w.now.Add(w.span(0, 4*time.Millisecond))
		w.elapse()
		w.tellStory()
		first := w.replicas[0]
		if busy := first.busy(); busy != nil && first.runs() {
			if at == k {
				point = w.place(busy)
				w.harm(first, h)
				k = -1
				continue
			}
			at++
		}
		if l := w.free(); l != nil && w.now.Sub(asked) > time.Minute {
			asked = w.now
			w.reconcile(l)
			continue
		}
		w.goOn()
	}
	return point
}

func (w *world) harm(r *replica, h harm) {
	long := []time.Duration{20 * time.Second, 100 * time.Second, 10 * time.Minute}[w.rng.IntN(3)]
	if h == crashes {
		w.kill(r)
		r.wake = w.now.Add([]time.Duration{time.Second, 45 * time.Second, 6 * time.Minute}[w.rng.IntN(3)])
		return
	}
	r.paused, r.wake = w.now, w.now.Add(long)
	w.replicas[1].paused = time.Time{}
}

// calm is quiet, as far as those go who may work.
func (w *world) calm() bool {
	for _, r := range w.replicas {
		if r.dead || !r.paused.IsZero() && r.slot == 0 {
			return false
		}
	}
	w.replicas[1].fresh = w.replicas[1].fresh && w.replicas[1].paused.IsZero()
	return w.quiet()
}

func (r *replica) busy() *lane {
	for _, l := range r.lanes {
		if l.job != nil {
			return l
		}
	}
	return nil
}

// place is the crash point's number, by the last durable event and what is under way: see the table of crash points.
func (w *world) place(l *lane) string {
	if len(w.truth.order) == 0 {
		return "C1 journaled"
	}
	f := w.truth.files[w.truth.order[len(w.truth.order)-1]]
	st := f.st
	x := st.Fix()
	_, granted := w.truth.ledger.Active[st.Domain]
	switch st.Stage {
	case incidents.Looking, incidents.Settled, incidents.Waiting:
		switch {
		case x != nil && !x.Times.Issued.IsZero():
			return "C16 ended, not closed"
		case granted:
			return "C6/C7 lock and budget taken"
		case st.Stage == incidents.Waiting && len(st.Approvals) > 0:
			return "C5 approved"
		case st.Stage == incidents.Waiting:
			return "C4 asked"
		case len(st.Looks) == 0:
			return "C2 opened"
		}
		return "C3 looked, decided"
	case incidents.Planned:
		return "C8 intended"
	case incidents.Sending:
		switch {
		case strings.HasPrefix(l.point, "append:"):
			return "C12 answer read"
		case l.point == "wire:delivered":
			return "C11 took effect, no answer"
		case w.truth.effects[x.Order.Action] == 0:
			return "C9 issuing, not sent"
		}
		return "C11 took effect, no answer"
	case incidents.Doubtful:
		return "C12 in doubt"
	case incidents.Standing:
		return "C13 applied, verifying"
	case incidents.Holding, incidents.Changing:
		return "C14 held"
	case incidents.Undoing, incidents.UndoDoubtful:
		return "C15 reverting"
	}
	return "C16 closed"
}

// cell is what became of the runs with one crash point in one story.
type cell struct{ runs, lost, doubled, stuck, late int }

func (c *cell) add(w *world) {
	c.runs++
	if w.count.incidents == 0 || w.count.closed < w.count.incidents {
		c.lost++
	}
	for _, n := range w.truth.effects {
		if n > 1 {
			c.doubled++
		}
	}
	for _, name := range w.names {
		if t := w.targets[name]; t.ours() && !t.late {
			c.stuck++
		}
	}
	for _, n := range w.count.late {
		c.late += n
	}
}

// table counts what became of all runs with one harm, by crash point and story.
type table struct {
	mu    sync.Mutex // guards cells
	cells map[string]map[string]*cell
}

func (m *table) add(point string, s story, w *world) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cells[point] == nil {
		m.cells[point] = map[string]*cell{}
	}
	name := string(s.kind) + " " + s.name
	if m.cells[point][name] == nil {
		m.cells[point][name] = &cell{}
	}
	m.cells[point][name].add(w)
}

// fill harms a story at each of its interactions. Seeds differ in how many those are: it ends when none has any more.
func (m *table) fill(t *testing.T, metrics *handlers.Metrics, s story, h harm) {
	t.Helper()
	for k, idle := 0, 0; idle < matrixSeeds && !t.Failed(); k += thinned {
		idle++
		for _, seed := range seedsAt(k / thinned) {
			w, point := s.run(t, metrics, seed, h, k)
			if w.broken != "" {
				t.Errorf("%s in story %q on kind %s, seed %d, at interaction %d (%s): %s", h, s.name, s.kind, seed, k, point, w.broken)
			}
			if point != "" {
				idle = 0
				m.add(point, s, w)
			}
		}
	}
}

// seedsAt are the seeds that are tried at the n-th interaction: all of them in a long run, else one of them in turn.
func seedsAt(n int) []uint64 {
	if os.Getenv("FIREBREAK_LONG") == "" {
		return []uint64{uint64(1 + n%matrixSeeds)}
	}
	var all []uint64
	for seed := range matrixSeeds {
		all = append(all, uint64(1+seed))
	}
	return all
}

// Wherever a replica dies, and wherever it stands still for longer than its claims, deadlines and leases, in whatever story: nothing is lost,
// nothing is done twice, nothing stays.
func TestCrashPoints(t *testing.T) {
	metrics := handlers.NewMetrics(prometheus.NewRegistry())
	for _, h := range []harm{crashes, pauses} {
		m := &table{cells: map[string]map[string]*cell{}}
		work := make(chan story)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for s := range work {
					m.fill(t, metrics, s, h)
				}
			})
		}
		for _, s := range stories() {
			work <- s
		}
		close(work)
		wg.Wait()
		t.Log(matrix(h, m.cells))
	}
}

// matrixSeeds is how many ways of taking turns there are to try the crash points with.
const matrixSeeds = 2

func matrix(h harm, cells map[string]map[string]*cell) string {
	var total cell
	var b strings.Builder
	fmt.Fprintf(&b, "\n| %s at | steps | runs | lost | doubled | stuck | late (kinds c, d) |\n|---|---|---|---|---|---|---|\n", h)
	for _, point := range sortedPlaces(cells) {
		var row cell
		for _, c := range cells[point] {
			row.sum(*c)
		}
		total.sum(row)
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d |\n", point, len(cells[point]), row.runs, row.lost, row.doubled, row.stuck, row.late)
	}
	fmt.Fprintf(&b, "| all | %d | %d | %d | %d | %d | %d |", len(stories()), total.runs, total.lost, total.doubled, total.stuck, total.late)
	return b.String()
}

func (c *cell) sum(d cell) {
	c.runs, c.lost, c.doubled, c.stuck, c.late = c.runs+d.runs, c.lost+d.lost, c.doubled+d.doubled, c.stuck+d.stuck, c.late+d.late
}
