package sessions_test

import (
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// noon is the store's clock.
func noon() time.Time { return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC) }

const ttl = time.Minute

// node has a lease that ends then, from noon.
func node(name string, epoch uint64, lease time.Duration, sees ...string) sessions.Node {
	return sessions.Node{Name: name, Epoch: epoch, Since: noon().Add(-time.Hour), LeaseUntil: noon().Add(lease), Sees: sees}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		nodes  []sessions.Node
		quorum bool
		c      sessions.State
	}{
		"all alive":             {[]sessions.Node{node("a", 1, ttl), node("b", 1, ttl), node("c", 1, ttl)}, true, sessions.Alive},
		"one is long gone":      {[]sessions.Node{node("a", 1, ttl), node("b", 1, ttl), node("c", 1, -3*ttl)}, true, sessions.Gone},
		"just over 2 ttl":       {[]sessions.Node{node("a", 1, ttl), node("b", 1, ttl), node("c", 1, -2*ttl-1)}, true, sessions.Gone},
		"2 ttl":                 {[]sessions.Node{node("a", 1, ttl), node("b", 1, ttl), node("c", 1, -2*ttl)}, true, sessions.Silent},
		"one vouches":           {[]sessions.Node{node("a", 1, ttl, "c"), node("b", 1, ttl), node("c", 1, -3*ttl)}, true, sessions.Silent},
		"it vouches for itself": {[]sessions.Node{node("a", 1, ttl), node("b", 1, ttl), node("c", 1, -3*ttl, "c")}, true, sessions.Gone},
		"a dead one vouches": {[]sessions.Node{node("a", 1, ttl), node("b", 1, ttl), node("c", 1, -3*ttl), node("d", 1, 0, "c"),
			node("e", 1, ttl)}, true, sessions.Gone},
		"half is no quorum": {[]sessions.Node{node("a", 1, ttl), node("c", 1, -3*ttl)}, false, sessions.Silent},
		"small side":        {[]sessions.Node{node("a", 1, ttl), node("b", 1, -ttl), node("c", 1, -3*ttl)}, false, sessions.Silent},
		"they disagree":     {[]sessions.Node{node("a", 2, ttl), node("b", 1, ttl), node("c", 1, -3*ttl)}, false, sessions.Silent},
		"an older one vouches": {[]sessions.Node{node("a", 2, ttl), node("b", 2, ttl), node("d", 1, ttl, "c"), node("e", 2, ttl),
			node("c", 1, -3*ttl)}, true, sessions.Gone},
		"nobody": {nil, false, sessions.Silent},
	} {
		m := sessions.Judge(noon(), ttl, tc.nodes)
		if m.Quorum != tc.quorum || m.Is("c") != tc.c {
			t.Errorf("%s: quorum %t and c is %s, want %t and %s", name, m.Quorum, m.Is("c"), tc.quorum, tc.c)
		}
		if err := m.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is stable is so since the last state changed: a lease that ended is such a change.
func TestStableSince(t *testing.T) {
	t.Parallel()
	m := sessions.Judge(noon(), ttl, []sessions.Node{node("a", 1, ttl), node("b", 1, ttl), node("c", 1, -7*ttl)})
	if want := noon().Add(-7 * ttl); !m.StableSince.Equal(want) {
		t.Errorf("got %s, want %s", m.StableSince, want)
	}
}

// A session is an orphan only if everything says so.
func TestOrphan(t *testing.T) {
	t.Parallel()
	orphan := func() (sessions.Session, sessions.Membership) {
		s := sessions.Session{Key: sessions.Key{ID: "s"}, Owner: "c", Epoch: 4, LeaseUntil: noon().Add(-2*ttl - 1)}
		return s, sessions.Judge(noon(), ttl, []sessions.Node{node("a", 4, ttl), node("b", 4, ttl), node("c", 4, -3*ttl)})
	}
	if s, m := orphan(); !sessions.Orphan(s, m) {
		t.Fatal("an orphan is none")
	}
	for name, change := range map[string]func(*sessions.Session, *sessions.Membership){
		"no quorum":   func(_ *sessions.Session, m *sessions.Membership) { m.Quorum = false },
		"no ttl":      func(_ *sessions.Session, m *sessions.Membership) { m.TTL = 0 },
		"2 ttl":       func(s *sessions.Session, _ *sessions.Membership) { s.LeaseUntil = noon().Add(-2 * ttl) },
		"leased":      func(s *sessions.Session, _ *sessions.Membership) { s.LeaseUntil = noon().Add(ttl) },
		"newer epoch": func(s *sessions.Session, _ *sessions.Membership) { s.Epoch = 5 },
		"alive":       func(s *sessions.Session, _ *sessions.Membership) { s.Owner = "a" },
		"quarantined": func(s *sessions.Session, _ *sessions.Membership) { s.Quarantined = &sessions.Quarantined{} },
		"silent":      func(_ *sessions.Session, m *sessions.Membership) { m.Members[2].State = sessions.Silent },
		"no members":  func(_ *sessions.Session, m *sessions.Membership) { *m = sessions.Membership{} },
	} {
		s, m := orphan()
		if change(&s, &m); sessions.Orphan(s, m) {
			t.Errorf("%s: it is an orphan", name)
		}
	}
	s, m := orphan()
	if s.Owner = "never heard of"; !sessions.Orphan(s, m) {
		t.Error("a session of nobody is none")
	}
}
