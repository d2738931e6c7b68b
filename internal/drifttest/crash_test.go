package drifttest

import (
	"context"
	"slices"
	"strings"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// What follows kills Firebreak by SIGKILL in the middle of a change, starts it again on the same data, and holds that no more is touched than one
// change may, nothing twice, and that a person can give all of it back by the command line.

// again starts Firebreak once more, so that it dies at a crash point.
func (r *run) again(point string) {
	r.t.Helper()
	r.product.Stop()
	r.product.Serve(point)
}

// killedQuarantine dies while it takes orphans out of sight.
func killedQuarantine(point string) func(r *run) {
	return func(r *run) {
		r.again(point)
		r.dies(aged, "node-e")
		want := r.quarantined(0) // a person gives them back
		want.repeats = true
		r.watch(want)
		r.fire("OrphanedSessionsDetected")
		r.product.Dies()
		r.product.Serve("")
		r.givesBack(r.fixed(1), few, "quarantine", want.from)
	}
}

// killedReconcile dies while it sets older copies aside.
func killedReconcile(point string) func(r *run) {
	return func(r *run) {
		r.again(point)
		_, older := r.copies(3, onlyA, both)
		want := reconciled(older)
		want.repeats, want.takes = true, 0
		r.watch(want)
		r.fire("SessionDataInconsistency")
		r.product.Dies()
		r.product.Serve("")
		r.givesBack(r.fixed(1), len(older), "reconcile", older)
	}
}

// killedUndo dies while it gives back what it took from a node that has come back.
func killedUndo(point string) func(r *run) {
	return func(r *run) {
		r.again(point)
		r.cutOff("node-e")
		want := r.quarantined(0)
		want.outcome, want.missed = "worse", true
		r.watch(want)
		r.fire("OrphanedSessionsDetected")
		r.until("the change", func(got blackbox.Record) bool { return got.Has("applied") })
		r.heals()
		r.product.Dies()
		r.product.Serve("")
		r.undone()
	}
}

// killedRecover dies between two stages of a recovery: when the first sessions have their new owner, and the others do not. The next process
// gives nothing more away by that consent. Those that have been given stay with who serves them, and what is left is asked about again.
func killedRecover(r *run) {
	r.dies(aged, "node-e")
	want := r.recovered()
	want.changes = append(want.changes, want.changes...)
	r.watch(want)
	r.fire("OrphanedSessionsDetected")
	r.approve()
	given := func() int { return len(r.among(want.from, func(is record) bool { return is.owner != "node-e" })) }
	r.wait("the first stage", func() bool { return given() > 0 })
	r.product.Kill9()
	if n := given(); n >= len(want.from) {
		r.t.Fatalf("all %d sessions have a new owner already: nothing is left to be resumed", n)
	}
	r.product.Serve("")
	got := r.until("the end of what was begun", func(got blackbox.Record) bool { return got.Has("spent") })
	if _, err := r.product.Command("ack", got.Summary.ID); err != nil {
		r.t.Fatalf("acknowledge %s: %v", got.Summary.ID, err)
	}
	r.until("what is left to be asked about", func(got blackbox.Record) bool { return got.Count("asked") > 1 })
	r.product.Approve(got.Summary.ID)
	r.wait("the rest to be given", func() bool { return given() == len(want.from) })
	r.until("the end of the rest", func(got blackbox.Record) bool { return got.Count("spent") > 1 })
	r.resolve()
	r.closed()
}

// among are the sessions of which something is so.
func (r *run) among(keys []string, so func(record) bool) []string {
	all := r.held()
	return slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return !so(all[key]) })
}

// givesBack counts what a change took, and lets a person give it back.
func (r *run) givesBack(got blackbox.Record, n int, fix string, from []string) {
	r.t.Helper()
	taken := r.among(from, func(is record) bool { return is.by != "" })
	if len(taken) != n {
		r.harm("%d sessions are out of sight after the crash, want %d: %q", len(taken), n, taken)
	}
	r.must("read the actions", func(ctx context.Context) error {
		known, err := r.store.actions(ctx)
		if len(known) != 1 {
			r.harm("the store carried out %q, want one action", known)
		}
		return err
	})
	action := r.actionOf(got)
	out, err := r.product.Local("sessions", "restore", storeName, action, "--yes")
	if err != nil {
		r.wrongly("give back what %s %s took: %v", fix, action, err)
	}
	if !strings.Contains(out, "given back") {
		r.wrongly("firebreak sessions restore says %q", out)
	}
}

// actionOf is the action of the order that was carried out, as the incident names it: the last one that was sent.
func (r *run) actionOf(got blackbox.Record) (action string) {
	for _, e := range got.Events {
		if e.Kind == "issuing" {
			action = e.Action()
		}
	}
	return action
}

// killedPoints are the places at which a process dies that changes sessions. A short run dies where the store may have been told something.
func killedPoints() []string {
	if blackbox.Long() {
		return []string{"after:intended", "after:issuing", "wire:before", "wire:after", "after:applied", "after:spent"}
	}
	return []string{"wire:before", "wire:after"}
}
