package sessions_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	store "github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/remediations"
)

// each runs a test for each of some fixes, in time of its own: stages cost nothing.
func each(t *testing.T, names []string, test func(t *testing.T, w *world, fix string)) {
	t.Helper()
	for _, fix := range names {
		t.Run(fix, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, newWorld(t), fix) })
		})
	}
}

func mustApply(t *testing.T, rem remediations.Remediation, o remediations.Order) remediations.Receipt {
	t.Helper()
	r, err := rem.Apply(t.Context(), o)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return r
}

func wantState(t *testing.T, p remediations.Presence, err error, want remediations.State) {
	t.Helper()
	if err != nil || p.State != want || p.Detail == "" || p.Clock.IsZero() {
		t.Errorf("got %+v, %v, want %s with the clock and words", p, err, want)
	}
}

// Each fix does what its plan says, once however often it is ordered, is found afterwards, and is taken back whole, however often.
func TestFixes(t *testing.T) {
	t.Parallel()
	each(t, fixes(), func(t *testing.T, w *world, fix string) {
		s, _, n := w.example(t, fix)
		before := w.picture(t)
		o := w.order(t, s)
		r := mustApply(t, w.rem, o)
		if want := fmt.Sprintf("%d of %d", n, n); !strings.HasPrefix(r.Note, want) {
			t.Errorf("the note is %q, want %s", r.Note, want)
		}
		after := w.picture(t)
		if (after == before) != (fix == "sync") {
			t.Errorf("the sessions changed: %t", after != before)
		}
		o.Deadline = time.Now().Add(timeout) // the stages took some of it
		if again := mustApply(t, w.rem, o); again.Note != r.Note || w.picture(t) != after {
			t.Errorf("again it is %+v, and was %+v", again, r)
		}
		p, err := w.rem.Check(t.Context(), o)
		if fix == "sync" {
			wantState(t, p, err, remediations.Absent)
		} else {
			wantState(t, p, err, remediations.Satisfied)
		}
		w.pass(timeout + time.Millisecond)
		p, err = w.rem.Fence(t.Context(), o)
		wantState(t, p, err, remediations.Ours)
		if fix == "sync" {
			if err := w.rem.Revert(t.Context(), o, r); err == nil || errors.Is(err, remediations.ErrNotOurs) {
				t.Errorf("what was sent again was taken back: %v", err)
			}
			return
		}
		for i, receipt := range []remediations.Receipt{{Note: "found at the target"}, r, {}} {
			if err := w.rem.Revert(t.Context(), o, receipt); err != nil || w.picture(t) != before {
				t.Fatalf("revert %d: %v, and all is as before: %t", i, err, w.picture(t) == before)
			}
		}
	})
}

// What the bounds say is what the fixes do, and what is no fix or no store may not be done.
func TestBounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	classes := map[string]remediations.Class{"sync": "A", "quarantine": "A", "reconcile": "A", "set_aside": "P", "recover": "P",
		"force_transfer": "N"}
	for fix, class := range classes {
		s := remediations.Step{Cluster: shop, Node: "sessions", Fix: fix}
		b := w.rem.Bounds(s)
		if b.Class != class || !b.Once || b.Adjusts || b.ExpiresItself || b.Undo != (class != "N" && fix != "sync") || b.MaxLimit <= 0 {
			t.Errorf("%s: %+v", fix, b)
		}
		if (len(b.Never) > 0) != (class != "N") {
			t.Errorf("%s never touches %v", fix, b.Never)
		}
		for _, other := range []remediations.Step{
			{Cluster: "other", Node: "sessions", Fix: fix}, {Cluster: shop, Node: "a", Fix: fix}, {Service: shop, Edge: "sessions", Fix: fix},
			{Cluster: shop, Node: "sessions", Service: shop, Fix: fix},
		} {
			if b := w.rem.Bounds(other); b.Class != remediations.ClassN {
				t.Errorf("%s of %q: %+v", fix, other.Place(), b)
			}
		}
	}
}

// A step whose settings are not exactly as they are documented is neither looked at nor carried out.
func TestParamsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := string(write(t, list(t, w, id(0))[0]))
	many := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, string(write(t, list(t, w, id(i))[0])))
		}
		return strings.Join(all, ",")
	}
	with := func(from, to string) string { return strings.Replace(one, from, to, 1) }
	for name, c := range map[string]struct{ fix, text string }{
		"nothing":           {"sync", ``},
		"no epoch":          {"sync", `{"ids":["u"]}`},
		"no ids":            {"sync", `{"epoch":7,"ids":[]}`},
		"unknown key":       {"sync", `{"epoch":7,"ids":["u"],"all":true}`},
		"key twice":         {"sync", `{"epoch":7,"epoch":7,"ids":["u"]}`},
		"another case":      {"sync", `{"Epoch":7,"ids":["u"]}`},
		"something follows": {"sync", `{"epoch":7,"ids":["u"]} {}`},
		"id twice":          {"sync", `{"epoch":7,"ids":["u","u"]}`},
		"no id":             {"sync", `{"epoch":7,"ids":["u v"]}`},
		"101 ids":           {"sync", `{"epoch":7,"ids":["` + strings.Join(strings.Split(strings.Repeat("u", 101), ""), `","`) + `"]}`},
		"no total":          {"quarantine", `{"epoch":7,"sessions":[` + one + `]}`},
		"over 1 percent":    {"quarantine", `{"epoch":7,"total":199,"sessions":[` + many(2) + `]}`},
		"total of nothing":  {"quarantine", `{"epoch":7,"total":0,"sessions":[` + one + `]}`},
		"51 sessions":       {"quarantine", `{"epoch":7,"total":1000000,"sessions":[` + many(51) + `]}`},
		"no session":        {"quarantine", `{"epoch":7,"total":1000,"sessions":[]}`},
		"session twice":     {"quarantine", `{"epoch":7,"total":1000,"sessions":[` + one + `,` + one + `]}`},
		"no owner":          {"quarantine", `{"epoch":7,"total":1000,"sessions":[` + with(`"dead"`, `""`) + `]}`},
		"unknown in one":    {"quarantine", `{"epoch":7,"total":1000,"sessions":[` + with(`{`, `{"x":1,`) + `]}`},
		"case in one":       {"quarantine", `{"epoch":7,"total":1000,"sessions":[` + with(`{`, `{"Owner":"x",`) + `]}`},
		"twice in one":      {"quarantine", `{"epoch":7,"total":1000,"sessions":[` + with(`{`, `{"owner":"x",`) + `]}`},
		"away already":      {"quarantine", `{"epoch":7,"total":1000,"sessions":[` + with(`{`, `{"quarantined":{"action":"x"},`) + `]}`},
		"version twice":     {"quarantine", `{"epoch":7,"total":1000,"sessions":[` + with(`"version":3`, `"version":{"a":1,"a":2}`) + `]}`},
		"epoch too large":   {"quarantine", `{"epoch":9007199254740993,"total":1000,"sessions":[` + one + `]}`},
		"nothing dominated": {"reconcile", `{"epoch":7,"sessions":[` + one + `]}`},
		"nothing apart":     {"set_aside", `{"epoch":7,"sessions":[` + one + `]}`},
		"no to":             {"recover", `{"epoch":7,"sessions":[` + one + `]}`},
		"to nobody":         {"recover", `{"epoch":7,"to":"","sessions":[` + one + `]}`},
		"no priority":       {"recover", `{"epoch":7,"to":"b","sessions":[` + with(`"critical"`, `"urgent"`) + `]}`},
		"201 sessions":      {"recover", `{"epoch":7,"to":"b","sessions":[` + many(201) + `]}`},
		"no fix":            {"cleanup", `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := step(t, c.fix, map[string]any{})
			s.Params = json.RawMessage(c.text)
			now := time.Now()
			o := remediations.Order{Step: s, Action: action, Deadline: now.Add(timeout), Until: now.Add(timeout),
				Seen: remediations.Presence{State: remediations.Absent, Clock: w.clock()}}
			if p, err := w.rem.Check(t.Context(), o); err == nil || p.State != remediations.Unknown {
				t.Errorf("check: got %+v, %v", p, err)
			}
			if _, err := w.rem.Apply(t.Context(), o); !errors.Is(err, remediations.ErrRefused) {
				t.Errorf("apply: %v", err)
			}
			if p, err := w.rem.Fence(t.Context(), o); err == nil || p.State != remediations.Unknown {
				t.Errorf("fence: got %+v, %v", p, err)
			}
			if err := w.rem.Revert(t.Context(), o, remediations.Receipt{}); err == nil {
				t.Error("revert: no error")
			}
		})
	}
}

// An order that does not fit, or comes too late, or whose caller is gone, is not sent.
func TestOrderRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*remediations.Order){
		"not once":     func(o *remediations.Order) { o.Once = false },
		"no undo":      func(o *remediations.Order) { o.Undo = false },
		"no action":    func(o *remediations.Order) { o.Action = "" },
		"long action":  func(o *remediations.Order) { o.Action = strings.Repeat("a", 30) },
		"long limit":   func(o *remediations.Order) { o.Limit *= 10 },
		"no timeout":   func(o *remediations.Order) { o.Timeout = 0 },
		"long timeout": func(o *remediations.Order) { o.Timeout *= 10 },
		"not seen":     func(o *remediations.Order) { o.Seen = remediations.Presence{} },
		"seen over":    func(o *remediations.Order) { o.Seen.State = remediations.Satisfied },
		"no clock":     func(o *remediations.Order) { o.Seen.Clock = time.Time{} },
		"late":         func(o *remediations.Order) { o.Deadline = time.Now() },
		"other store":  func(o *remediations.Order) { o.Cluster = "other" },
		"other node":   func(o *remediations.Order) { o.Node = "a" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s, _, _ := w.example(t, "quarantine")
			o := w.order(t, s)
			before := w.picture(t)
			w.between.whole()
			change(&o)
			if _, err := w.rem.Apply(t.Context(), o); !errors.Is(err, remediations.ErrRefused) || w.between.calls > 0 || w.picture(t) != before {
				t.Errorf("after %d calls: %v", w.between.calls, err)
			}
		})
	}
}

// Where nothing may be done, Check says why, and nothing is proven by it.
func TestUnfit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fixes []string
		make  func(w *world) error
		words string
	}{
		"epoch":  {fixes(), func(w *world) error { w.register(8); return nil }, "of epoch 8"},
		"quorum": {fixes(), func(w *world) error { return w.SetQuorum(t.Context(), false) }, "no quorum"},
		"unstable": {[]string{"quarantine", "recover"}, func(w *world) error {
			w.Register(store.Node{Name: "c", Epoch: 7, Since: w.clock().Add(-9 * time.Minute), LeaseUntil: w.clock().Add(time.Hour),
				Sees: []string{"a", "b"}})
			return nil
		}, "changed 9m0s ago"},
		"target gone": {[]string{"recover"}, func(w *world) error {
			w.Register(store.Node{Name: "b", Epoch: 7, Since: w.clock().Add(-time.Hour), LeaseUntil: w.clock().Add(-11 * time.Minute)})
			return nil
		}, "b, who is to get the sessions, is silent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, c.fixes, func(t *testing.T, w *world, fix string) {
				s, _, _ := w.example(t, fix)
				if err := c.make(w); err != nil {
					t.Fatal(err)
				}
				p, err := w.rem.Check(t.Context(), remediations.Order{Step: s, Action: action})
				wantState(t, p, err, remediations.Unknown)
				if !strings.Contains(p.Detail, c.words) {
					t.Errorf("it says %q", p.Detail)
				}
			})
		})
	}
}
