package sessions_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	store "github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/remediations"
)

// staged is a recovery of 120 sessions: 60 critical ones in two parts, and 20 of each other priority.
func staged(t *testing.T, w *world) (remediations.Step, []string) {
	t.Helper()
	var ids []string
	for i := range 120 {
		p := store.Critical
		if i >= 60 {
			p = store.Priorities()[1+i%3]
		}
		ids = append(ids, fmt.Sprintf("staged-%03d", i))
		w.orphan(t, ids[i], p)
	}
	return step(t, "recover", map[string]any{"to": "b", "sessions": list(t, w, ids...)}), ids
}

// inTime runs a test in time of its own.
func inTime(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t)) })
}

// A recovery goes by priority, no more than fifty at once, each stage at its time, and all of it is undone, the last part first.
func TestStages(t *testing.T) {
	inTime(t, func(t *testing.T, w *world) {
		s, ids := staged(t, w)
		before := w.picture(t)
		o := w.order(t, s)
		begun, did := time.Now(), []string(nil)
		w.between.set(func(b *between) {
			b.before = func(kind string, o store.Order) {
				did = append(did, fmt.Sprintf("%s %s %s of %d", time.Since(begun), kind, strings.TrimPrefix(o.Action, action), o.Max))
			}
		})
		r := mustApply(t, w.rem, o)
		want := "[0s recover -0 of 50 0s recover -1 of 10 1s recover -2 of 20 5s recover -3 of 20 10s recover -4 of 20]"
		if fmt.Sprint(did) != want {
			t.Errorf("it did %v, want %s", did, want)
		}
		if n := owned(t, w, "b", ids); n != 120 || !strings.HasPrefix(r.Note, "120 of 120; 5 of 5 parts; can be given back until ") {
			t.Errorf("b has %d: %s", n, r.Note)
		}
		did, begun = nil, time.Now()
		if err := w.rem.Revert(t.Context(), o, r); err != nil || w.picture(t) != before {
			t.Errorf("reverted with %v", err)
		}
		want = "[0s restore -4-undo of 20 0s restore -3-undo of 20 0s restore -2-undo of 20 0s restore -1-undo of 10 0s restore -0-undo of 50]"
		if fmt.Sprint(did) != want {
			t.Errorf("it undid %v, want %s", did, want)
		}
	})
}

// A recovery stops where it does not help, where it cannot be seen whether it does, where the membership changes and where its time is over;
// what was done until then is said, stands, and can be undone.
func TestStagesStop(t *testing.T) {
	t.Parallel()
	owner := func(w *world, ids []string, n int) {
		for _, one := range list(t, w, ids[:n]...) {
			w.make(t, made(one, "c"))
		}
	}
	for name, c := range map[string]struct {
		// at is the order before which something happens.
		at string
		do func(w *world, ids []string, cancel context.CancelFunc)
		// done is how many the new owner was given, and words are in the note.
		done  int
		words string
	}{
		"few logged out":   {"-2", func(w *world, ids []string, _ context.CancelFunc) { owner(w, ids, 60) }, 120, "120 of 120; 5 of 5 parts"},
		"quorum lost":      {"-2", func(w *world, _ []string, _ context.CancelFunc) { _ = w.SetQuorum(t.Context(), false) }, 60, "has no quorum"},
		"target not alive": {"-3", func(w *world, _ []string, _ context.CancelFunc) { w.lose("b") }, 80, "is not an alive member"},
		"epoch":            {"-3", func(w *world, _ []string, _ context.CancelFunc) { w.register(8) }, 80, "of another epoch"},
		"deadline":         {"-4", func(w *world, _ []string, _ context.CancelFunc) { w.pass(timeout) }, 100, "the deadline has passed"},
		"canceled":         {"-2", func(_ *world, _ []string, cancel context.CancelFunc) { cancel() }, 60, ""},
		"nothing left":     {"-2", func(w *world, ids []string, _ context.CancelFunc) { owner(w, ids[60:], 60) }, 60, "nothing was done of a part"},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T, w *world) {
				s, ids := staged(t, w)
				o := w.order(t, s)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				given := 0
				w.between.set(func(b *between) {
					b.before = func(_ string, sent store.Order) {
						if sent.Action == action+c.at {
							c.do(w, ids, cancel)
						}
					}
					b.after = func(_ string, a *store.Answer) { given += a.Count(store.Done) }
				})
				r, err := w.rem.Apply(ctx, o)
				if c.words == "" {
					if err == nil || errors.Is(err, remediations.ErrRefused) {
						t.Errorf("apply: %v", err)
					}
				} else if err != nil || !strings.Contains(r.Note, c.words) {
					t.Errorf("apply: %+v, %v", r, err)
				}
				if given != c.done {
					t.Errorf("%d were given, want %d", given, c.done)
				}
				w.between.whole()
				w.pass(timeout + time.Millisecond)
				p, err := w.rem.Fence(t.Context(), o)
				wantState(t, p, err, remediations.Ours)
				err = w.rem.Revert(t.Context(), o, r)
				if err != nil || owned(t, w, "b", ids) > 0 {
					t.Errorf("reverted with %v, and b still has %d", err, owned(t, w, "b", ids))
				}
			})
		})
	}
}

// Whoever is told to end while a stage waits says what was done until then; so does who cannot see whether the last part helped.
func TestStagesEnded(t *testing.T) {
	t.Parallel()
	for words, end := range map[string]func(t *testing.T, w *world) context.Context{
		"80 of 120; 3 of 5 parts; it was ended before the next part: context deadline exceeded": func(t *testing.T, _ *world) context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			t.Cleanup(cancel)
			return ctx
		},
		"60 of 120; 2 of 5 parts; it cannot be seen whether the last part helped": func(t *testing.T, w *world) context.Context {
			w.between.whole()
			// Apply orders, looks, orders, and looks in vain.
			w.between.set(func(b *between) { b.fail = func(n int) (bool, bool) { return n == 3, false } })
			return t.Context()
		},
	} {
		t.Run(words, func(t *testing.T) {
			inTime(t, func(t *testing.T, w *world) {
				s, _ := staged(t, w)
				o := w.order(t, s)
				if r, err := w.rem.Apply(end(t, w), o); err != nil || !strings.HasPrefix(r.Note, words) {
					t.Errorf("apply: %+v, %v", r, err)
				}
			})
		})
	}
}

// One session in ten may be gone from its new owner, since people log out; more stop it.
func TestStagesTolerate(t *testing.T) {
	t.Parallel()
	for gone, want := range map[int]int{0: 120, 5: 120, 6: 50} {
		t.Run(fmt.Sprint(gone), func(t *testing.T) {
			inTime(t, func(t *testing.T, w *world) {
				s, ids := staged(t, w)
				given := 0
				w.between.set(func(b *between) {
					b.after = func(_ string, a *store.Answer) {
						given += a.Count(store.Done)
						for i := range gone {
							_ = w.Remove(t.Context(), store.Key{ID: ids[i]}) // a memory has no errors
						}
					}
				})
				r := mustApply(t, w.rem, w.order(t, s))
				stopped := strings.Contains(r.Note, "the last part did not help: 6 of its 50 sessions are not with b")
				if given != want || stopped != (gone == 6) {
					t.Errorf("%d were given, want %d: %s", given, want, r.Note)
				}
			})
		})
	}
}

// An order whose timeout cannot cover its stages is not taken, and one that has lost time on its way leaves the last stages out.
func TestStagesTime(t *testing.T) {
	inTime(t, func(t *testing.T, w *world) {
		s, _ := staged(t, w)
		o := w.order(t, s)
		o.Deadline = time.Now().Add(4 * time.Second)
		r := mustApply(t, w.rem, o)
		if !strings.Contains(r.Note, "80 of 120; 3 of 5 parts; the deadline comes before the next part, 5s after the first") {
			t.Errorf("the note is %q", r.Note)
		}
		s.Timeout -= 1
		if _, err := w.rem.Check(t.Context(), remediations.Order{Step: s, Action: action}); err == nil {
			t.Error("a timeout that is too short is taken")
		}
	})
}
