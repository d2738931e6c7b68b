package sessions_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	store "github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/httpapi"
	"github.com/firebreak-sre/firebreak/internal/sessions/sessionstest"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/sessions"
)

// What cannot work, or would pass the product's own bounds, is refused at the start.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	m := sessionstest.NewMemory(time.Now, ttl)
	if _, err := sessions.New(map[string]sessions.Config{shop: {Store: m, Stable: time.Second, MaxSessions: 50, MaxRecovered: 200}}); err != nil {
		t.Errorf("what works is refused: %v", err)
	}
	for name, c := range map[string]sessions.Config{
		"no store": {}, "stable": {Store: m, Stable: -1}, "sessions": {Store: m, MaxSessions: 51}, "negative": {Store: m, MaxSessions: -1},
		"recovered": {Store: m, MaxRecovered: 201},
	} {
		if _, err := sessions.New(map[string]sessions.Config{shop: c}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := sessions.New(map[string]sessions.Config{"": {Store: m}}); err == nil {
		t.Error("a store without a name is taken")
	}
}

// The limits of a store are for what is begun. What was begun under others is still found and given back.
func TestLimits(t *testing.T) {
	t.Parallel()
	each(t, undone(), func(t *testing.T, w *world, fix string) {
		strict, err := sessions.New(map[string]sessions.Config{shop: {Store: w.between, MaxSessions: 5, MaxRecovered: 5}})
		if err != nil {
			t.Fatal(err)
		}
		s, _, _ := w.example(t, fix)
		before := w.picture(t)
		o := w.order(t, s)
		if p, err := strict.Check(t.Context(), o); err == nil || p.State != remediations.Unknown {
			t.Errorf("check: got %+v, %v", p, err)
		}
		if _, err := strict.Apply(t.Context(), o); !errors.Is(err, remediations.ErrRefused) || w.picture(t) != before {
			t.Errorf("apply: %v", err)
		}
		r := mustApply(t, w.rem, o)
		w.pass(timeout + time.Millisecond)
		p, err := strict.Fence(t.Context(), o)
		wantState(t, p, err, remediations.Ours)
		if err := strict.Revert(t.Context(), o, r); err != nil || w.picture(t) != before {
			t.Errorf("revert: %v", err)
		}
	})
}

// An application's own endpoint is mended and asked in the same way.
func TestEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	server := httptest.NewServer(sessionstest.NewServer(w.Memory, w.Memory, "secret-of-test"))
	t.Cleanup(server.Close)
	client, err := httpapi.New(httpapi.Config{URL: server.URL, Bearer: "secret-of-test"})
	if err != nil {
		t.Fatal(err)
	}
	rem, err := sessions.New(map[string]sessions.Config{shop: {Store: client}})
	if err != nil {
		t.Fatal(err)
	}
	for i, fix := range fixes() {
		s, _, _ := w.example(t, fix)
		if fix == "recover" { // of one priority, since this test does not wait
			s = step(t, fix, map[string]any{"to": "b", "sessions": list(t, w, id(0), id(4), id(8))})
		}
		before := w.picture(t)
		o := orderOf(t, rem, s)
		o.Action = action[:19] + string(rune('a'+i))
		never := o
		never.Action += "-never"
		r := mustApply(t, rem, o)
		w.pass(timeout + time.Millisecond)
		p, err := rem.Fence(t.Context(), o)
		wantState(t, p, err, remediations.Ours)
		p, err = rem.Fence(t.Context(), never)
		wantState(t, p, err, remediations.Absent)
		if fix == "sync" {
			continue
		}
		if err := rem.Revert(t.Context(), o, r); err != nil || w.picture(t) != before {
			t.Errorf("%s: reverted with %v", fix, err)
		}
	}
}

// A store that does not say since when its membership is stable has no orphans that may be touched.
func TestNotStable(t *testing.T) {
	t.Parallel()
	each(t, []string{"quarantine", "recover"}, func(t *testing.T, w *world, fix string) {
		s, _, _ := w.example(t, fix)
		for name, since := range map[string]time.Time{"not said": {}, "in the future": w.clock().Add(time.Hour)} {
			w.between.set(func(b *between) { b.Store = unstable{w.Memory, since} })
			p, err := w.rem.Check(t.Context(), remediations.Order{Step: s, Action: action})
			if err != nil || p.State != remediations.Unknown {
				t.Errorf("%s: got %+v, %v", name, p, err)
			}
		}
	})
}

// unstable says since when it is stable as it was told to.
type unstable struct {
	store.Store
	since time.Time
}

func (u unstable) Membership(ctx context.Context) (store.Membership, error) {
	m, err := u.Store.Membership(ctx)
	m.StableSince = u.since
	return m, err
}
