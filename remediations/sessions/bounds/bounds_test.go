package bounds_test

import (
	"testing"

	"github.com/firebreak-sre/firebreak/internal/archcheck"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/sessions/bounds"
)

// What takes nothing away for good, or little, needs nobody; what decides between people's copies, or moves many, needs a person; and in a
// store that is not known nothing is done.
func TestOf(t *testing.T) {
	t.Parallel()
	webshop := func(name string) bool { return name == "webshop" }
	for fix, want := range map[string]remediations.Class{
		bounds.FixSync: remediations.ClassA, bounds.FixQuarantine: remediations.ClassA, bounds.FixReconcile: remediations.ClassA,
		bounds.FixSetAside: remediations.ClassP, bounds.FixRecover: remediations.ClassP, "cleanup": remediations.ClassN, "": remediations.ClassN,
	} {
		got := bounds.Of(remediations.Step{Cluster: "webshop", Node: bounds.Node, Fix: fix}, webshop)
		known := want != remediations.ClassN
		if got.Class != want || !got.Once || got.Undo != (known && fix != bounds.FixSync) || got.Adjusts || got.ExpiresItself ||
			got.MaxLimit != bounds.MaxLimit || (len(got.Never) > 0) != known {
			t.Errorf("%q: got %+v, want class %s", fix, got, want)
		}
		for _, s := range []remediations.Step{{Cluster: "other", Node: bounds.Node, Fix: fix}, {Cluster: "webshop", Node: "pg1", Fix: fix}} {
			if got := bounds.Of(s, webshop); got.Class != remediations.ClassN {
				t.Errorf("%q of %s: got class %s", fix, s.Place(), got.Class)
			}
		}
	}
}

// Neither the bounds nor the settings bring anything along that can reach a store.
func TestReachesNothing(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{".", "../params"} {
		found, err := archcheck.Reach(t.Context(), folder, archcheck.Clients()...)
		if err != nil || len(found) > 0 {
			t.Errorf("%s reaches %v, %v", folder, found, err)
		}
	}
}
