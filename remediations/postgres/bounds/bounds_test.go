package bounds_test

import (
	"testing"

	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/postgres/bounds"
)

// Sessions are ended without asking, what touches replication needs a person, and nothing else is ever done.
func TestOf(t *testing.T) {
	t.Parallel()
	for fix, want := range map[string]remediations.Class{
		bounds.FixEndConflict: remediations.ClassA, bounds.FixEndLeaked: remediations.ClassA, bounds.FixEndBlocker: remediations.ClassA,
		bounds.FixRestartStream: remediations.ClassP, bounds.FixResumeReplay: remediations.ClassP,
		"promote": remediations.ClassN, "": remediations.ClassN,
	} {
		got := bounds.Of(remediations.Step{Cluster: "orders", Node: "pg2", Fix: fix})
		if got.Class != want || !got.Once || got.Undo || got.Adjusts || got.ExpiresItself || got.MaxLimit != bounds.MaxLimit ||
			(len(got.Never) == 0) != (want == remediations.ClassN) {
			t.Errorf("%q: got %+v, want class %s", fix, got, want)
		}
	}
}

// Whoever gets the words may change them.
func TestNeverIsTheCallers(t *testing.T) {
	t.Parallel()
	for _, fix := range []string{bounds.FixEndConflict, bounds.FixRestartStream, bounds.FixResumeReplay} {
		bounds.Of(remediations.Step{Fix: fix}).Never[0] = "nothing"
		if again := bounds.Of(remediations.Step{Fix: fix}); again.Never[0] == "nothing" {
			t.Errorf("%s: somebody changed what is never done", fix)
		}
	}
}
