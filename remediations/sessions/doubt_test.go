package sessions_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	store "github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/remediations"
)

// At whatever call the network fails, before the store or after it: a refusal means that nothing changed; otherwise Fence says after the
// deadline what is so, nothing happens a second time, and everything can be given back.
func TestApplyFails(t *testing.T) {
	t.Parallel()
	each(t, fixes(), func(t *testing.T, _ *world, fix string) {
		for n, hit := 0, true; hit; n++ {
			for _, answered := range []bool{false, true} {
				w := newWorld(t)
				s, _, _ := w.example(t, fix)
				before := w.picture(t)
				o := w.order(t, s)
				w.between.whole()
				w.between.fail = func(i int) (bool, bool) { return i == n, answered }
				_, applied := w.rem.Apply(t.Context(), o)
				hit = w.between.calls > n
				w.between.whole()
				after := w.picture(t)
				if errors.Is(applied, remediations.ErrRefused) && after != before {
					t.Errorf("call %d: %v, and it changed", n, applied)
				}
				w.pass(timeout + time.Millisecond)
				want := remediations.Ours
				if after == before && (fix != "sync" || (n == 0 && !answered)) {
					want = remediations.Absent
				}
				p, err := w.rem.Fence(t.Context(), o)
				wantState(t, p, err, want)
				if w.picture(t) != after {
					t.Errorf("call %d: it was asked for, and changed", n)
				}
				if fix == "sync" {
					continue
				}
				if err := w.rem.Revert(t.Context(), o, remediations.Receipt{}); err != nil || w.picture(t) != before {
					t.Errorf("call %d: reverted with %v, and all is as before: %t", n, err, w.picture(t) == before)
				}
			}
		}
	})
}

// Where the network fails while it is asked what became of an order, or while it is undone, the same again ends it.
func TestAfterwardsFails(t *testing.T) {
	t.Parallel()
	each(t, undone(), func(t *testing.T, _ *world, fix string) {
		for n, hit := 0, true; hit; n++ {
			for _, answered := range []bool{false, true} {
				w := newWorld(t)
				s, _, _ := w.example(t, fix)
				before := w.picture(t)
				o := w.order(t, s)
				r := mustApply(t, w.rem, o)
				w.pass(timeout + time.Millisecond)
				fails := func() {
					w.between.whole()
					w.between.fail = func(i int) (bool, bool) { return i == n, answered }
				}
				fails()
				p, err := w.rem.Fence(t.Context(), o)
				hit = w.between.calls > n
				if p.State != remediations.Ours && (p.State != remediations.Unknown || err == nil) {
					t.Errorf("call %d: got %+v, %v", n, p, err)
				}
				w.between.whole()
				p, err = w.rem.Fence(t.Context(), o)
				wantState(t, p, err, remediations.Ours)
				fails()
				err = w.rem.Revert(t.Context(), o, r)
				hit = hit || w.between.calls > n
				if (err != nil) != (w.between.calls > n) || errors.Is(err, remediations.ErrNotOurs) {
					t.Errorf("call %d: revert says %v", n, err)
				}
				w.between.whole()
				if err := w.rem.Revert(t.Context(), o, r); err != nil || w.picture(t) != before {
					t.Errorf("call %d: reverted with %v, and all is as before: %t", n, err, w.picture(t) == before)
				}
			}
		}
	})
}

// What was not sent is not proven absent before its deadline has passed by the store's clock, and asking never does it, even if that clock
// is set back.
func TestFenceAsksOnly(t *testing.T) {
	t.Parallel()
	each(t, fixes(), func(t *testing.T, w *world, fix string) {
		s, _, _ := w.example(t, fix)
		o := w.order(t, s)
		before := w.picture(t)
		carried := func(_ string, a *store.Answer) { t.Errorf("it was carried out: %+v", a) }
		w.between.set(func(b *between) { b.after = carried })
		p, err := w.rem.Fence(t.Context(), o)
		wantState(t, p, err, remediations.Unknown)
		w.pass(timeout + time.Millisecond)
		w.between.set(func(b *between) { b.before = func(string, store.Order) { w.pass(-time.Hour) } })
		p, err = w.rem.Fence(t.Context(), o)
		wantState(t, p, err, remediations.Absent)
		if w.picture(t) != before {
			t.Error("something changed")
		}
		// A worker that was frozen wakes up and sends it now, with the store's clock as it should be.
		w.between.set(func(b *between) { b.before = nil })
		w.pass(100 * time.Hour)
		if _, err := w.rem.Apply(t.Context(), o); !errors.Is(err, remediations.ErrRefused) {
			t.Errorf("a late order: %v", err)
		}
	})
}

// An order that the store carried out without doing anything is refused, and is absent; one whose action was used for another order is foreign.
func TestNothingDone(t *testing.T) {
	t.Parallel()
	each(t, undone(), func(t *testing.T, w *world, fix string) {
		s, ids, _ := w.example(t, fix)
		o := w.order(t, s)
		for _, one := range list(t, w, ids...) {
			if err := w.Remove(t.Context(), one.Key); err != nil {
				t.Fatal(err)
			}
		}
		p, err := w.rem.Check(t.Context(), o)
		wantState(t, p, err, remediations.Satisfied)
		if _, err := w.rem.Apply(t.Context(), o); !errors.Is(err, remediations.ErrRefused) || !strings.Contains(err.Error(), "0 of ") {
			t.Errorf("apply: %v", err)
		}
		w.pass(timeout + time.Millisecond)
		p, err = w.rem.Fence(t.Context(), o)
		wantState(t, p, err, remediations.Absent)
		o.Seen.Clock = o.Seen.Clock.Add(-time.Millisecond)
		p, err = w.rem.Fence(t.Context(), o)
		wantState(t, p, err, remediations.Foreign)
	})
}

// Some of the sessions were touched between the look and the order: those are left alone, the others are done, and the note says how many.
func TestPartly(t *testing.T) {
	t.Parallel()
	each(t, []string{"quarantine", "recover"}, func(t *testing.T, w *world, fix string) {
		s, _, _ := w.example(t, fix)
		o := w.order(t, s)
		w.orphan(t, id(0), store.Low)
		if err := w.Remove(t.Context(), store.Key{ID: id(5)}); err != nil {
			t.Fatal(err)
		}
		before := w.picture(t)
		r := mustApply(t, w.rem, o)
		if want := "4 of 6; 1 changed meanwhile, 1 gone"; !strings.HasPrefix(r.Note, want) {
			t.Errorf("the note is %q, want %s", r.Note, want)
		}
		if err := w.rem.Revert(t.Context(), o, r); err != nil || w.picture(t) != before {
			t.Errorf("reverted with %v", err)
		}
	})
}

// More than the store's own bound is not taken, whatever the plan was told of the total.
func TestStoresBound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ids []string
	for i := range 40 {
		ids = append(ids, id(i))
	}
	s := step(t, "quarantine", map[string]any{"total": 4000, "sessions": list(t, w, ids...)})
	r := mustApply(t, w.rem, w.order(t, s))
	if n := away(t, w.Memory)[action]; n != 6 || !strings.HasPrefix(r.Note, "6 of 40; 34 over the store's bound") {
		t.Errorf("%d of %d are away: %s", n, crowd, r.Note)
	}
}

// An answer that is not about the order is not believed: the matter stays in doubt, and can be undone.
func TestLies(t *testing.T) {
	t.Parallel()
	for name, lie := range map[string]func(a *store.Answer){
		"another action":   func(a *store.Answer) { a.Action = "x" },
		"another session":  func(a *store.Answer) { a.Items[0].ID = "x" },
		"one of them more": func(a *store.Answer) { a.Items = append(a.Items, a.Items[0]) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, undone(), func(t *testing.T, w *world, fix string) {
				s, _, _ := w.example(t, fix)
				before := w.picture(t)
				o := w.order(t, s)
				w.between.set(func(b *between) {
					b.after = func(_ string, a *store.Answer) { a.Items = slices.Clone(a.Items); lie(a) }
				})
				if _, err := w.rem.Apply(t.Context(), o); err == nil || errors.Is(err, remediations.ErrRefused) {
					t.Errorf("apply: %v", err)
				}
				w.pass(timeout + time.Millisecond)
				p, err := w.rem.Fence(t.Context(), o)
				wantState(t, p, err, remediations.Ours)
				if err := w.rem.Revert(t.Context(), o, remediations.Receipt{}); err == nil {
					t.Error("revert believes it")
				}
				w.between.whole()
				if err := w.rem.Revert(t.Context(), o, remediations.Receipt{}); err != nil || w.picture(t) != before {
					t.Errorf("reverted with %v", err)
				}
			})
		})
	}
}

// More changes than were ordered are a lie too, and a reason that is not known is said to be none.
func TestOddAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _, _ := w.example(t, "reconcile")
	o := w.order(t, s)
	odd := store.Done
	w.between.set(func(b *between) {
		b.after = func(_ string, a *store.Answer) {
			a.Items = slices.Clone(a.Items)
			for i, item := range a.Items {
				if item.Outcome == store.Kept {
					a.Items[i].Outcome = odd
				}
			}
		}
	})
	if _, err := w.rem.Apply(t.Context(), o); err == nil || errors.Is(err, remediations.ErrRefused) {
		t.Errorf("more than was ordered: %v", err)
	}
	odd = "moonlight"
	r := mustApply(t, w.rem, o)
	if want := "6 of 6; 3 left alone for no reason that is known here"; !strings.HasPrefix(r.Note, want) {
		t.Errorf("the note is %q, want %s", r.Note, want)
	}
}

// A caller that is stopping gets an error, from everything, and nothing happens.
func TestCanceled(t *testing.T) {
	t.Parallel()
	each(t, undone(), func(t *testing.T, w *world, fix string) {
		s, _, _ := w.example(t, fix)
		before := w.picture(t)
		o := w.order(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := w.rem.Apply(ctx, o); !errors.Is(err, remediations.ErrRefused) || !errors.Is(err, context.Canceled) {
			t.Errorf("apply: %v", err)
		}
		for name, ask := range map[string]func(context.Context, remediations.Order) (remediations.Presence, error){
			"check": w.rem.Check, "fence": w.rem.Fence,
		} {
			if p, err := ask(ctx, o); err == nil || p.State != remediations.Unknown {
				t.Errorf("%s: got %+v, %v", name, p, err)
			}
		}
		if err := w.rem.Revert(ctx, o, remediations.Receipt{}); err == nil || errors.Is(err, remediations.ErrNotOurs) {
			t.Errorf("revert: %v", err)
		}
		if w.picture(t) != before {
			t.Error("something changed")
		}
	})
}

// The store's refusals prove that nothing was changed, each by its name.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(w *world) error{
		"epoch":    func(w *world) error { w.register(8); return nil },
		"quorum":   func(w *world) error { return w.SetQuorum(t.Context(), false) },
		"deadline": func(w *world) error { w.pass(timeout); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, undone(), func(t *testing.T, w *world, fix string) {
				s, _, _ := w.example(t, fix)
				o := w.order(t, s)
				if err := make(w); err != nil {
					t.Fatal(err)
				}
				before := w.picture(t)
				_, err := w.rem.Apply(t.Context(), o)
				if !errors.Is(err, remediations.ErrRefused) || store.Code(err) != name || w.picture(t) != before {
					t.Errorf("apply: %v", err)
				}
				w.pass(timeout + time.Millisecond)
				p, err := w.rem.Fence(t.Context(), o)
				wantState(t, p, err, remediations.Absent)
			})
		})
	}
}

// A store that cannot be read, or contradicts itself, is unknown.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	each(t, fixes(), func(t *testing.T, w *world, fix string) {
		s, _, _ := w.example(t, fix)
		for n := range 2 {
			w.between.whole()
			w.between.fail = func(i int) (bool, bool) { return i == n, false }
			p, err := w.rem.Check(t.Context(), remediations.Order{Step: s, Action: action})
			if !errors.Is(err, errLost) || p.State != remediations.Unknown {
				t.Errorf("call %d: got %+v, %v", n, p, err)
			}
		}
		w.between.whole()
		w.between.Store = liar{w.Memory}
		if p, err := w.rem.Check(t.Context(), remediations.Order{Step: s, Action: action}); err == nil || p.State != remediations.Unknown {
			t.Errorf("of a liar: got %+v, %v", p, err)
		}
	})
}

// liar never comes to an end.
type liar struct{ store.Store }

func (l liar) List(ctx context.Context, q store.Query) (store.Page, error) {
	page, err := l.Store.List(ctx, q)
	page.Next = fmt.Sprintf("%s.", q.Cursor)
	return page, err
}
