package sessiondrift_test

import (
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/policy"
)

func alertOf(labels map[string]string) alerts.Alert {
	return alerts.Alert{Status: alerts.Firing, Labels: labels}
}

func stores(names ...string) policy.Policy {
	var p policy.Policy
	for _, name := range names {
		p.Sessions = append(p.Sessions, policy.SessionStore{Store: name, Domain: "shop", Zone: "z1", TTL: policy.Duration(ttl)})
		p.Handlers.SessionDrift.Stores = append(p.Handlers.SessionDrift.Stores, policy.DriftStore{Store: name})
	}
	return p
}

// An alert is about the store whose labels it carries, and about none if it may be about two.
func TestTarget(t *testing.T) {
	t.Parallel()
	p := stores("webshop", "games", "quiet")
	own := &p.Handlers.SessionDrift
	own.Mode = policy.Auto
	own.Stores[0].Match = map[string]string{"app": "shop", "kind": "sessions"}
	own.Stores[1].Mode = policy.Observe
	own.Stores[2].Mode = policy.Off
	p.Sessions[1].Domain, p.Sessions[1].Zone = "", ""
	h, err := sessiondrift.New(p)
	if err != nil {
		t.Fatal(err)
	}
	webshop := think.Target{Name: "webshop", Domain: "shop", Zone: "z1", Mode: policy.Auto}
	games := think.Target{Name: "games", Domain: "games", Zone: "all", Mode: policy.Observe}
	for _, c := range []struct {
		labels map[string]string
		want   think.Target
	}{
		{map[string]string{"alertname": "OrphanedSessionsDetected", "app": "shop", "kind": "sessions", "pod": "x"}, webshop},
		{map[string]string{"alertname": "SessionsNotMeasured", "store": "games"}, games},
		{map[string]string{"alertname": "OrphanedSessionsDetected", "app": "shop"}, think.Target{}},
		{map[string]string{"alertname": "OrphanedSessionsDetected", "app": "shop", "kind": "sessions", "store": "games"}, think.Target{}},
		{map[string]string{"alertname": "OrphanedSessionsDetected", "store": "quiet"}, think.Target{}},
		{map[string]string{"alertname": "Other", "store": "games"}, think.Target{}},
		{map[string]string{"alertname": "OrphanedSessionsDetected"}, think.Target{}},
	} {
		if got, ok := h.Target(alertOf(c.labels)); got != c.want || ok != (c.want.Name != "") {
			t.Errorf("%v: got %+v, %v, want %+v", c.labels, got, ok, c.want)
		}
	}
	if got := h.Targets(); len(got) != 2 || got[0] != webshop || got[1] != games {
		t.Errorf("targets: got %+v", got)
	}
	if h.Name() != "sessiondrift" {
		t.Errorf("it is called %s", h.Name())
	}
}

// A store's own mode makes the handler's stricter, never looser, and nothing is acted on without any mode.
func TestModes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ own, of, want policy.Mode }{
		{"", "", policy.Observe}, {policy.Auto, "", policy.Auto}, {policy.Observe, policy.Auto, policy.Observe}, {policy.Auto, policy.Off, policy.Off},
	} {
		p := stores("webshop")
		p.Handlers.SessionDrift.Mode, p.Handlers.SessionDrift.Stores[0].Mode = c.own, c.of
		h, err := sessiondrift.New(p)
		if err != nil {
			t.Fatal(err)
		}
		got := policy.Off
		if all := h.Targets(); len(all) == 1 {
			got = all[0].Mode
		}
		if got != c.want {
			t.Errorf("%q of %q: got %s, want %s", c.of, c.own, got, c.want)
		}
	}
}

// All that is wrong with a policy is said at once.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	p := stores("webshop", "webshop", "games")
	p.Sessions = p.Sessions[:1]
	p.Handlers.SessionDrift.Stores[0].Mode = "perhaps"
	_, err := sessiondrift.New(p)
	if err == nil {
		t.Fatal("it was taken")
	}
	for _, said := range []string{`store "webshop"`, "twice", `store "games"`, "no such store", "perhaps"} {
		if !strings.Contains(err.Error(), said) {
			t.Errorf("%q is not said in %v", said, err)
		}
	}
}
