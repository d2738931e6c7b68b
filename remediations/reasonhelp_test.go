package remediations_test

import (
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/remediations"
)

// Every reason says what it means and what lifts it, each in words of its own, in whole sentences.
func TestReasonHelp(t *testing.T) {
	t.Parallel()
	seen := map[string]remediations.Reason{}
	for _, r := range remediations.Reasons() {
		means, lifts := r.Help()
		for what, text := range map[string]string{"means": means, "lifts": lifts} {
			if len(text) < 5 || !strings.HasSuffix(text, ".") || strings.ContainsAny(text, "\n\t") {
				t.Errorf("%s: what it %s is not a sentence: %q", r, what, text)
			}
		}
		if other, twice := seen[means]; twice {
			t.Errorf("%s means the same as %s: %q", r, other, means)
		}
		seen[means] = r
	}
	if means, lifts := remediations.Reason("nope").Help(); means != "" || lifts != "" {
		t.Errorf("an unknown reason: got %q and %q, want nothing", means, lifts)
	}
}
