package policy_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/firebreak-sre/firebreak/policy"
)

// A relative data folder starts at the policy file, like every path in it, and not at where somebody happens to stand.
func TestDataFolderStartsAtTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "firebreak.yaml")
	for text, want := range map[string]string{
		"bus: {data: data}":              filepath.Join(dir, "data"),
		"bus: {data: /var/lib/fb}":       "/var/lib/fb",
		"server: {max_body: 1MiB}":       "./firebreak-data",
		"bus: {url: \"nats://n1:4222\"}": "",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := policy.Load(file, os.LookupEnv)
		if err != nil || p.Bus.Data != want {
			t.Errorf("%s: got %q, %v, want %q", text, p.Bus.Data, err, want)
		}
	}
}
