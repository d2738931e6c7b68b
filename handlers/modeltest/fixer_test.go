package modeltest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/remediations"
)

var errNoAnswer = errors.New("the target does not answer")

// fixer is a remediation of one kind of target, as one replica uses it.
type fixer struct {
	w    *world
	rep  *replica
	kind kind
}

// fencer is one that can also fence and adjust.
type fencer struct{ fixer }

var (
	_ remediations.Remediation = fixer{}
	_ remediations.Adjuster    = fencer{}
	_ remediations.Fencer      = fencer{}
)

func newFixer(w *world, r *replica, k kind) remediations.Remediation {
	f := fixer{w: w, rep: r, kind: k}
	if k == fencing {
		return fencer{f}
	}
	return f
}

func (f fixer) Bounds(s remediations.Step) remediations.Bounds {
	class := remediations.ClassN
	if t := f.w.targets[s.Service]; t != nil {
		class = t.class
	}
	return remediations.Bounds{Class: class, MaxLimit: 5 * time.Minute, ExpiresItself: f.kind.expires(), Adjusts: f.kind == fencing,
		Once: f.kind.once()}
}

func (f fixer) Check(_ context.Context, o remediations.Order) (remediations.Presence, error) {
	f.w.at("probe")
	t := f.w.targets[o.Service]
	if t.mute || t.deaf {
		return remediations.Presence{State: remediations.Unknown}, errNoAnswer
	}
	t.settle()
	p := t.presence(o)
	f.w.at("probed")
	return p, nil
}

func (f fixer) Apply(_ context.Context, o remediations.Order) (remediations.Receipt, error) {
	w, t := f.w, f.w.targets[o.Service]
	w.at("wire:before")
	if t.deaf {
		return remediations.Receipt{}, errNoAnswer
	}
	edits := t.edits
	if !f.kind.compares() {
		t.settle()
		if edits = t.edits; t.value != "" || !f.rep.now().Before(o.Deadline) {
			return remediations.Receipt{}, fmt.Errorf("read before sending: %w", remediations.ErrRefused)
		}
		w.at("wire:compared")
	}
	if t.slow {
		w.wire = append(w.wire, packet{order: o, from: f.rep, edits: edits, at: w.now.Add(w.span(100*time.Millisecond, 4*timeout))})
		w.at("wire:waiting")
		return remediations.Receipt{}, errNoAnswer
	}
	receipt, err := t.deliver(o, f.rep, edits, false)
	w.at("wire:delivered")
	if t.lost {
		return remediations.Receipt{}, errNoAnswer
	}
	return receipt, err
}

func (f fixer) Revert(_ context.Context, o remediations.Order, _ remediations.Receipt) error {
	w, t := f.w, f.w.targets[o.Service]
	if t.kind.once() {
		w.fail("once: %s was sent to be taken back at %s, where nothing of it stands", o.Action, t.name)
	}
	w.at("undo:before")
	if t.deaf || t.mute {
		t.orphan = t.orphan || t.late // whoever takes a late effect back tries once
		return errNoAnswer
	}
	t.settle()
	edits := t.edits
	switch p := t.presence(o); p.State {
	case remediations.Foreign:
		return fmt.Errorf("%s stands there: %w", p.Detail, remediations.ErrNotOurs)
	case remediations.Ours:
		if !f.kind.compares() {
			w.at("undo:compared")
		}
		t.settle()
		t.takeBack(o, edits)
	}
	w.at("undo:done")
	if t.lost {
		return errNoAnswer
	}
	return nil
}

func (f fencer) Adjust(_ context.Context, o remediations.Order, r remediations.Receipt) (remediations.Receipt, error) {
	w, t := f.w, f.w.targets[o.Service]
	w.at("adjust:before")
	if t.deaf {
		return r, errNoAnswer
	}
	got, err := t.adjust(o)
	w.at("adjust:done")
	if t.lost {
		return r, errNoAnswer
	}
	return got, err
}

func (f fencer) Fence(ctx context.Context, o remediations.Order) (remediations.Presence, error) {
	t := f.w.targets[o.Service]
	f.w.at("fence:before")
	if t.deaf {
		return remediations.Presence{State: remediations.Unknown}, errNoAnswer
	}
	t.fenceOff(o)
	f.w.at("fence:done")
	return f.Check(ctx, o)
}
