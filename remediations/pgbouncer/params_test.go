package pgbouncer_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer"
)

// nowhere are poolers whose pooler cannot be reached.
func nowhere(t testing.TB) *pgbouncer.Poolers {
	t.Helper()
	r, err := pgbouncer.New(pgbouncer.Config{Poolers: map[string]pgbouncer.Pooler{"orders/bouncer1": {Console: consoleAt(t, "127.0.0.1:1", "x")}}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Each fix has the bounds that are written down; what is unknown, or asks for too much, has none.
func TestBounds(t *testing.T) {
	t.Parallel()
	r := nowhere(t)
	for _, c := range []struct {
		fix, params string
		class       remediations.Class
		limit       time.Duration
		once        bool
	}{
		{pgbouncer.FixGrow, `{"database":"app","from":20,"to":25,"usable":25}`, remediations.ClassA, 30 * time.Minute, false},
		{pgbouncer.FixGrow, `{"database":"app","from":20,"to":25,"usable":25,"means":"reserve_pool_size"}`, remediations.ClassA, 30 * time.Minute, false},
		{pgbouncer.FixGrow, `{"database":"app","from":4,"to":5,"usable":25}`, remediations.ClassA, 30 * time.Minute, false},
		{pgbouncer.FixResume, `{"database":"app","ours":true}`, remediations.ClassA, 30 * time.Minute, true},
		{pgbouncer.FixResume, `{"database":"app"}`, remediations.ClassP, 30 * time.Minute, true},
		{pgbouncer.FixPause, `{"database":"app"}`, remediations.ClassP, 15 * time.Second, false},
		{pgbouncer.FixGrow, ``, remediations.ClassN, 0, false},
		{pgbouncer.FixGrow, `{"database":"app","from":20,"to":26,"usable":60}`, remediations.ClassN, 0, false},
		{pgbouncer.FixGrow, `{"database":"app","from":3,"to":4,"usable":60}`, remediations.ClassN, 0, false},
		{pgbouncer.FixGrow, `{"database":"app","from":20,"to":20,"usable":60}`, remediations.ClassN, 0, false},
		{pgbouncer.FixGrow, `{"database":"app","from":0,"to":1,"usable":60}`, remediations.ClassN, 0, false},
		{pgbouncer.FixGrow, `{"database":"app","from":20,"to":23,"usable":22}`, remediations.ClassN, 0, false},
		{pgbouncer.FixGrow, `{"database":"app","from":20,"to":23}`, remediations.ClassN, 0, false},
		{pgbouncer.FixGrow, `{"database":"app","from":20,"to":23,"usable":60,"means":"max_db_connections"}`, remediations.ClassN, 0, false},
		{pgbouncer.FixGrow, `{"from":20,"to":23,"usable":60}`, remediations.ClassN, 0, false},
		{pgbouncer.FixGrow, `{"database":"app","from":20,"to":23,"usable":60,"force":true}`, remediations.ClassN, 0, false},
		{pgbouncer.FixGrow, `{"database":"app","from":20,"to":23,"usable":60} {}`, remediations.ClassN, 0, false},
		{pgbouncer.FixResume, `{"ours":true}`, remediations.ClassN, 0, false},
		{pgbouncer.FixPause, `{}`, remediations.ClassN, 0, false},
		{"kill", `{"database":"app"}`, remediations.ClassN, 0, false},
	} {
		got := r.Bounds(step(c.fix, c.params))
		if got.Class != c.class || got.MaxLimit != c.limit || got.Once != c.once || got.Adjusts || got.ExpiresItself ||
			(c.class == remediations.ClassN) != (len(got.Never) == 0) {
			t.Errorf("%s %s: got %+v", c.fix, c.params, got)
		}
	}
	elsewhere := step(pgbouncer.FixGrow, `{"database":"app","from":20,"to":23,"usable":60}`)
	elsewhere.Node = "bouncer2"
	edge := remediations.Step{Service: "orders", Edge: "bouncer1", Fix: pgbouncer.FixPause, Params: json.RawMessage(`{"database":"app"}`)}
	for _, s := range []remediations.Step{elsewhere, edge, {}} {
		if got := r.Bounds(s); got.Class != remediations.ClassN {
			t.Errorf("%s: class %s, want N", s.Place(), got.Class)
		}
	}
}

// An order beyond its bounds is refused before anything is reached, whatever it asks for.
func TestOrdersBeyondTheirBounds(t *testing.T) {
	t.Parallel()
	r := nowhere(t)
	for because, spoil := range map[string]func(o *remediations.Order){
		"it has no action":       func(o *remediations.Order) { o.Action = "" },
		"ttl 0s is not positive": func(o *remediations.Order) { o.TTL = 0 },
		"it may stand for 15s":   func(o *remediations.Order) { o.Limit *= 2 },
		"50 % released":          func(o *remediations.Order) { o.Released = 50 },
		"has passed":             func(o *remediations.Order) { o.Until = time.Now() },
		`was seen "foreign"`:     func(o *remediations.Order) { o.Seen.State = remediations.Foreign },
		"once is true":           func(o *remediations.Order) { o.Once = true },
		"there is no fix":        func(o *remediations.Order) { o.Fix = "kill" },
		"there is no pooler":     func(o *remediations.Order) { o.Node = "bouncer2" },
		"there is no dead-man":   func(*remediations.Order) {},
		"read params":            func(o *remediations.Order) { o.Params = json.RawMessage(`{"database":5}`) },
		"deadline":               func(o *remediations.Order) { o.Deadline = time.Now() },
	} {
		o := order(step(pgbouncer.FixPause, `{"database":"app"}`), "a1")
		spoil(&o)
		_, err := r.Apply(t.Context(), o)
		if !errors.Is(err, remediations.ErrRefused) || !strings.Contains(err.Error(), because) {
			t.Errorf("got %v, want it refused: %s", err, because)
		}
	}
}

// A configuration that cannot work is refused with every reason.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	c := consoleAt(t, "127.0.0.1:1", "x")
	_, err := pgbouncer.New(pgbouncer.Config{Poolers: map[string]pgbouncer.Pooler{"orders": {Console: c}, "orders/": {Console: c}, "a/b/c": {Console: c},
		"orders/bouncer1": {}, "orders/bouncer2": {Console: c}}})
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{`"orders"`, `"orders/"`, `"a/b/c"`, "orders/bouncer1: no console"} {
		says(t, err.Error(), want)
	}
	if strings.Contains(err.Error(), "bouncer2") {
		t.Errorf("got %v, want nothing against the good one", err)
	}
}

// Whatever the params are, they are read or refused, and what is read keeps within the bounds.
func FuzzParams(f *testing.F) {
	for _, seed := range []string{`{"database":"app","from":20,"to":23,"usable":60}`, `{"database":"app","ours":true}`,
		`{"database":"app"}`, `null`, `[]`, `{"from":1e9}`,
		`{"database":"app","from":20,"to":25,"usable":60,"means":"reserve_pool_size"}`, `{"database":"a","from":9223372036854775807,"to":-1}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, params string) {
		r := nowhere(t)
		for _, fix := range []string{pgbouncer.FixGrow, pgbouncer.FixResume, pgbouncer.FixPause} {
			s := step(fix, params)
			b := r.Bounds(s)
			if b.Class == remediations.ClassN {
				if _, err := r.Apply(t.Context(), order(s, "a1")); !errors.Is(err, remediations.ErrRefused) {
					t.Errorf("%s %s: got %v, want it refused", fix, params, err)
				}
				continue
			}
			var p struct {
				Database         string
				From, To, Usable int
			}
			if err := json.Unmarshal([]byte(params), &p); err != nil || p.Database == "" {
				t.Errorf("%s %s: it has bounds, and reads as %+v, %v", fix, params, p, err)
			}
			if fix == pgbouncer.FixGrow && (p.From < 1 || p.To <= p.From || 4*p.To > 5*p.From || p.To > p.Usable) {
				t.Errorf("%s is within the bounds", params)
			}
		}
	})
}
