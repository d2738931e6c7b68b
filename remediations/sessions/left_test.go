package sessions_test

import (
	"strings"
	"testing"
	"time"

	store "github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/sessionstest"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Sessions whose owner is a member again, and those of which a copy has come, are no more what the plan was for, though none was touched.
func TestNothingLeft(t *testing.T) {
	t.Parallel()
	each(t, undone(), func(t *testing.T, w *world, fix string) {
		s, ids, n := w.example(t, fix)
		copied := fix == "reconcile" || fix == "set_aside"
		left := n
		for i, name := range ids {
			if copied {
				left -= n / len(ids)
				w.make(t, sessionstest.Made{Key: store.Key{ID: name}, Owner: "a", Epoch: 7, Version: store.Version{"z": 1}, Priority: store.Normal, LeaseIn: 600})
			} else if i == 0 {
				left = 0
				w.Register(store.Node{Name: "dead", Epoch: 7, Since: w.clock().Add(-time.Hour), LeaseUntil: w.clock().Add(time.Hour)})
			}
			want := remediations.Absent
			if left == 0 {
				want = remediations.Satisfied
			}
			p, err := w.rem.Check(t.Context(), remediations.Order{Step: s, Action: action})
			wantState(t, p, err, want)
		}
	})
}

// A recovery of one late stage does not wait for stages that it does not have, nor need the time for them.
func TestLowOnly(t *testing.T) {
	inTime(t, func(t *testing.T, w *world) {
		s := step(t, "recover", map[string]any{"to": "b", "sessions": list(t, w, id(3), id(7))})
		s.Timeout = policy.Duration(5 * time.Second)
		o := w.order(t, s)
		begun := time.Now()
		if r := mustApply(t, w.rem, o); !strings.HasPrefix(r.Note, "2 of 2") || time.Since(begun) > 0 {
			t.Errorf("after %s: %s", time.Since(begun), r.Note)
		}
	})
}

// A session that is with its new owner as somebody has set it back has not arrived.
func TestSetBack(t *testing.T) {
	inTime(t, func(t *testing.T, w *world) {
		s, ids := staged(t, w)
		w.between.set(func(b *between) {
			b.after = func(string, *store.Answer) {
				for _, name := range ids[50:60] {
					w.make(t, sessionstest.Made{Key: store.Key{ID: name}, Owner: "b", Epoch: 7, Version: store.Counter(1),
						Priority: store.Critical, LeaseIn: 600})
				}
			}
		})
		// The first part is as it was given, and the second is of ten that had changed before they were ordered.
		r := mustApply(t, w.rem, w.order(t, s))
		if !strings.HasPrefix(r.Note, "50 of 120; 10 changed meanwhile; 2 of 5 parts; nothing was done of a part") {
			t.Errorf("the note is %q", r.Note)
		}
		w.between.set(func(b *between) {
			b.after = func(_ string, a *store.Answer) {
				for _, item := range a.Items {
					w.make(t, sessionstest.Made{Key: item.Key, Owner: "b", Epoch: 7, Version: store.Counter(1), Priority: store.High, LeaseIn: 600})
				}
			}
		})
		s = step(t, "recover", map[string]any{"to": "b", "sessions": list(t, w, id(0), id(1))})
		o := w.order(t, s)
		o.Action = "another"
		r = mustApply(t, w.rem, o)
		if !strings.HasPrefix(r.Note, "1 of 2; 1 of 2 parts; the last part did not help: 1 of its 1 sessions are not with b") {
			t.Errorf("the note is %q", r.Note)
		}
	})
}
