package main

import (
	"strings"
	"testing"
)

// With --approval nothing is changed before the button in Slack is pressed, and everything after it. Not parallel: it is about load.
func TestDemoApproval(t *testing.T) {
	code, stdout, stderr := firebreak(t, nil, "demo", "--approval")
	if code != 0 || stderr != "" {
		t.Fatalf("got exit %d and on stderr %q, want 0 and nothing; it printed:\n%s", code, stderr, stdout)
	}
	place := 0
	for _, part := range []string{"[3/6]", "[4/6]", "Slack shows: ", "[Approve]", "pressed by oncall@example.com", "[5/6]", "▶ reverted", "[6/6]",
		"▶ closed", "  asked  ", "  approved  ", "approved by oncall@example.com (slack)", "  intended  ", "fixed: "} {
		at := strings.Index(stdout[place:], part)
		if at < 0 {
			t.Errorf("%q is not there, or not where it belongs:\n%s", part, stdout)
			continue
		}
		place += at
	}
}
