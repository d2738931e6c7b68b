package families_test

import (
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/handlers/replay/families"
	"github.com/firebreak-sre/firebreak/internal/archcheck"
	"github.com/firebreak-sre/firebreak/policy"
)

// A replay cannot act, whatever is wrong with it: nothing that could is linked into it.
func TestReachesNothing(t *testing.T) {
	t.Parallel()
	found, err := archcheck.Reach(t.Context(), ".", append(archcheck.Clients(), "bus")...)
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range found {
		t.Errorf("a replay could reach a system: %s", way)
	}
}

// The rules of the example policy know all of its handlers and targets.
func TestRulesOfTheExample(t *testing.T) {
	t.Parallel()
	p, err := policy.Parse("example.yaml", policy.Example(), func(name string) (string, bool) {
		switch {
		case strings.Contains(name, "BOT"):
			return "xoxb-0123456789", true
		case strings.Contains(name, "PAGERDUTY"):
			return strings.Repeat("a", 32), true
		case strings.Contains(name, "APP"):
			return "xapp-0123456789", true
		}
		return name + "-0123456789abcdef", true
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := families.Rules(p, "v1")
	if err != nil {
		t.Fatal(err)
	}
	targets := 0
	for _, name := range p.Targets() {
		if r.Thinkers[name.Handler] == nil {
			t.Errorf("handler %s of the policy is not among the rules", name.Handler)
		}
		targets++
	}
	if targets == 0 {
		t.Error("the example has no targets")
	}
}
