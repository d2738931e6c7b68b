package sessions_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	store "github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/remediations"
)

// An undo needs neither the quorum nor the epoch of the plan; in whatever epochs it is repeated, it is done once.
func TestRevertAnyway(t *testing.T) {
	t.Parallel()
	each(t, undone(), func(t *testing.T, w *world, fix string) {
		s, _, _ := w.example(t, fix)
		before := w.picture(t)
		o := w.order(t, s)
		r := mustApply(t, w.rem, o)
		if err := w.SetQuorum(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		// The first one is answered to nobody, and the membership changes meanwhile.
		w.between.set(func(b *between) { b.fail = func(n int) (bool, bool) { return n > 0, true } })
		w.between.calls = 0
		if err := w.rem.Revert(t.Context(), o, r); err == nil || errors.Is(err, remediations.ErrNotOurs) || w.picture(t) != before {
			t.Errorf("the first: %v", err)
		}
		w.between.whole()
		w.register(9)
		for _, r := range []remediations.Receipt{r, {}, {Before: json.RawMessage(`"of another build"`)}} {
			if err := w.rem.Revert(t.Context(), o, r); err != nil || w.picture(t) != before {
				t.Errorf("in another epoch: %v", err)
			}
		}
	})
}

// What somebody has made anew or written since is theirs. Where all is, nothing is ours any more; where some is, the rest is given back.
func TestRevertLeaves(t *testing.T) {
	t.Parallel()
	each(t, undone(), func(t *testing.T, w *world, fix string) {
		for _, some := range []bool{true, false} {
			w := newWorld(t)
			s, ids, _ := w.example(t, fix)
			was := list(t, w, ids...)
			o := w.order(t, s)
			r := mustApply(t, w.rem, o)
			for i, one := range was {
				if some && i%3 != 1 { // the second of three copies is set aside
					continue
				}
				w.make(t, made(one, "c"))
			}
			theirs := owned(t, w, "c", ids)
			err := w.rem.Revert(t.Context(), o, r)
			if some && err != nil {
				t.Errorf("where some is theirs: %v", err)
			}
			if !some && (!errors.Is(err, remediations.ErrNotOurs) || !strings.Contains(err.Error(), "written since")) {
				t.Errorf("where all is theirs: %v", err)
			}
			if now := owned(t, w, "c", ids); now < theirs {
				t.Errorf("c had %d and has %d", theirs, now)
			}
		}
	})
}

// Taking back what was never done succeeds, but not before it is sure that it will not be; what the store forgot is not ours any more.
func TestRevertAbsent(t *testing.T) {
	t.Parallel()
	each(t, undone(), func(t *testing.T, w *world, fix string) {
		s, _, _ := w.example(t, fix)
		before := w.picture(t)
		o := w.order(t, s)
		if err := w.rem.Revert(t.Context(), o, remediations.Receipt{}); err == nil || errors.Is(err, remediations.ErrNotOurs) {
			t.Errorf("while it may still come: %v", err)
		}
		r := mustApply(t, w.rem, o)
		if err := w.rem.Revert(t.Context(), o, r); err != nil {
			t.Fatal(err)
		}
		other := o
		other.Action = "never"
		w.pass(timeout + time.Millisecond)
		if err := w.rem.Revert(t.Context(), other, remediations.Receipt{}); err != nil || w.picture(t) != before {
			t.Errorf("what was never done: %v", err)
		}
		w.between.Store = amnesia{w.Memory}
		if err := w.rem.Revert(t.Context(), o, r); !errors.Is(err, remediations.ErrNotOurs) {
			t.Errorf("what the store forgot: %v", err)
		}
		w.between.Store = w.Memory
		w.pass(store.RememberFor)
		if err := w.rem.Revert(t.Context(), o, r); !errors.Is(err, remediations.ErrNotOurs) {
			t.Errorf("after its time: %v", err)
		}
	})
}

// amnesia knows no action.
type amnesia struct{ store.Store }

func (a amnesia) Restore(context.Context, store.Restore) (store.Answer, error) {
	return store.Answer{}, store.ErrUnknownAction
}
