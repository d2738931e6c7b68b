package modeltest

import (
	"context"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
)

// heal ends every fault: whoever is stopped goes on, whoever died is back, every target answers, and nothing fires any more. That
// the alerts resolved is told to nobody: the reconciler finds out. Where a change is kept until it is healed the fault goes on, in half of the
// episodes: the change has to end by its limit then.
func (w *world) heal() {
	w.note("-- everything is healed")
	w.faults = faults{}
	for slot, r := range w.replicas {
		r.skew, r.paused = 0, time.Time{}
		if r.dead {
			w.start(slot)
		}
	}
	w.letGo()
	for _, name := range w.names {
		t := w.targets[name]
		t.hidden, t.mute, t.deaf, t.lost, t.slow, t.rejects, t.forbidden = false, false, false, false, false, false, false
		t.sick = t.sick && t.keeps && w.oneIn(2)
		t.mode = policy.Auto
		for n := range t.alerts {
			t.alerts[n].firing = false
		}
	}
}

// maxQuiet bounds how many steps a healed world may take until nothing is left to do.
const maxQuiet = 30000

// settle runs a healed world until it is quiet.
func (w *world) settle() {
	healed, asked := w.now, time.Time{}
	for n := 0; w.broken == ""; n++ {
		if n > maxQuiet {
			w.fail("I5: not quiet %s after everything was healed: %d in the agenda, %d deliveries", w.now.Sub(healed), len(w.agenda.items), len(w.mail))
			return
		}
		if w.quiet() {
			return
		}
		w.count.steps++
		w.now = w.now.Add(w.span(0, 8*time.Millisecond))
		w.elapse()
		w.overstaying(healed)
		if l := w.free(); l != nil && w.now.Sub(asked) > time.Minute {
			asked = w.now
			w.reconcile(l)
			continue
		}
		w.goOn()
	}
}

func (w *world) quiet() bool {
	if len(w.mail) > 0 || len(w.agenda.items) > 0 || len(w.wire) > 0 {
		return false
	}
	for _, r := range w.replicas {
		if r.fresh || len(w.keys(r)) > 0 {
			return false
		}
		for _, l := range r.lanes {
			if l.job != nil {
				return false
			}
		}
	}
	return true
}

// overstaying: with a replica alive and a target that answers, nothing of ours stands for long behind its limit.
func (w *world) overstaying(healed time.Time) {
	for _, name := range w.names {
		t := w.targets[name]
		if t.settle(); !t.ours() || t.late {
			continue
		}
		end := t.order.Until
		for _, x := range w.truth.files[incidents.ID(t.order.Incident)].st.Fixes {
			if x.Order.Action == t.order.Action {
				end = x.Times.Issued.Add(t.order.Limit.D())
			}
		}
		if healed.After(end) {
			end = healed
		}
		if w.now.Sub(end) > 3*time.Minute {
			w.fail("I4: %s stands at %s %s behind its limit", t.value, t.name, w.now.Sub(end))
		}
	}
}

// verdict is what must be true when everything is quiet.
func (w *world) verdict() {
	for _, id := range w.truth.order {
		f := w.truth.files[id]
		if f.closed != 1 {
			w.fail("I5: %s reached %d ends", id, f.closed)
		}
		w.recorded(f)
		if !w.brief {
			w.replay(id)
		}
	}
	for domain, a := range w.truth.ledger.Active {
		w.fail("one holder: the lock of %s is still held by %s", domain, a.Incident)
	}
	for _, name := range w.names {
		t := w.targets[name]
		switch t.settle(); {
		case !t.ours():
		case t.late && t.kind == level && (t.orphan || t.sender.dead):
			w.count.lateLeft++
		case t.late:
			w.fail("C17: %s took effect late at %s, its sender lives, and it was not taken back", t.value, t.name)
		default:
			w.fail("I4: %s stands at %s when all is over", t.value, t.name)
		}
	}
}

// replay derives everything again from the stored bytes: the state that each replica remembers, and every decision.
func (w *world) replay(id incidents.ID) {
	w.current = nil
	ctx := context.Background()
	events, err := incidents.NewStore(&recordView{w: w}).Events(ctx, id)
	if err != nil {
		w.fail("read %s: %v", id, err)
		return
	}
	want := asText(incidents.Fold(events))
	for _, r := range w.replicas {
		st, err := r.store.Load(ctx, id)
		if err != nil {
			w.fail("load %s: %v", id, err)
			return
		}
		st.Seq = 0
		if got := asText(st); got != want {
			w.fail("%s is not the fold of its record on %s:\ngot  %s\nwant %s", id, r.name, got, want)
		}
	}
	st := incidents.Fold(nil)
	for _, e := range events {
		st.Apply(e)
		if e.Kind != incidents.Decided {
			continue
		}
		last := len(st.Looks) - 1
		if got, want := asText(w.decideAgain(st, last, st.Looks[last].At)), asText(e.Decision); got != want {
			w.fail("%s: the record's looks give another decision:\ngot  %s\nwant %s", id, got, want)
		}
	}
}

// recordOf is the tail of a record.
func (w *world) recordOf(id incidents.ID) []string {
	w.current = nil
	events, err := incidents.NewStore(&recordView{w: w}).Events(context.Background(), id)
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	for _, e := range events[max(0, len(events)-25):] {
		out = append(out, e.At.Format("15:04:05.000")+" "+e.By+" "+string(e.Kind)+" "+e.Words())
	}
	return out
}
