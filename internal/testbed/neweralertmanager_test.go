package testbed

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The newer Alertmanager is of the version whose client the product is built with.
func TestNewerAlertmanagerIsTheClients(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "\t" + alertmanagerModule + " " + NewerAlertmanagerVersion + "\n"; !strings.Contains(string(text), want) {
		t.Errorf("go.mod does not say %q: build the Alertmanager of the version that it says", strings.TrimSpace(want))
	}
}
