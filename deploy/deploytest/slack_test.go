package deploytest_test

import (
	"os"
	"testing"
)

// The manifest is what "firebreak slack manifest" prints: scopes that nobody needs any more do not stay in it.
func TestSlackManifest(t *testing.T) {
	t.Parallel()
	if got, want := read(t, "slack/manifest.yaml"), runs(t, os.Getenv(binaryVariable), "slack", "manifest"); got != want {
		t.Errorf("deploy/slack/manifest.yaml is not what \"firebreak slack manifest\" prints, which is:\n%s", want)
	}
}
