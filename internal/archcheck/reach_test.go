package archcheck

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// moduleOnDisk is a module of the given files, by their paths.
func moduleOnDisk(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	files["go.mod"] = "module " + module + "\n\ngo 1.26\n"
	for name, text := range files {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// What a package brings along is found at any distance, with the way to it; what only its tests import is not, nor what it merely sounds like.
func TestReach(t *testing.T) {
	t.Parallel()
	root := moduleOnDisk(t, map[string]string{
		"p/a.go":         "package p\nimport _ \"" + module + "/q\"\nimport _ \"" + module + "/r\"\n",
		"p/a_test.go":    "package p\nimport _ \"database/sql\"\n",
		"q/a.go":         "package q\nimport _ \"" + module + "/q/far\"\n",
		"q/far/a.go":     "package far\nimport _ \"net/http\"\nfunc f() int { return \"does not compile\" }\n",
		"q/far/b.go":     "//go:build never\n\npackage far\nimport _ \"os/exec\"\n",
		"q/farther/a.go": "package farther\n",
		"r/a.go":         "package r\nimport _ \"" + module + "/q/farther\"\n",
	})
	const p = module + "/p"
	for _, c := range []struct {
		named []string
		want  []string
	}{
		{nil, nil},
		{[]string{"database/sql/...", "os/exec", "q/fart", "far", "net/http/httptest"}, nil},
		{[]string{"net/http"}, []string{p + " → " + module + "/q → " + module + "/q/far → net/http"}},
		{[]string{"q/far/..."}, []string{p + " → " + module + "/q → " + module + "/q/far"}},
		{[]string{"q/..."}, []string{p + " → " + module + "/q", p + " → " + module + "/q → " + module + "/q/far", p + " → " + module + "/r → " + module + "/q/farther"}},
		{[]string{module + "/r"}, []string{p + " → " + module + "/r"}},
		{[]string{"p", "p/..."}, nil}, // it brings others along, not itself
	} {
		got, err := Reach(t.Context(), filepath.Join(root, "p"), c.named...)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%v: got %q, %v, want %q", c.named, got, err, c.want)
		}
	}
	got, err := Reach(t.Context(), filepath.Join(root, "p"), Clients()...)
	if err != nil || !slices.ContainsFunc(got, func(way string) bool { return strings.HasSuffix(way, "/q/far → net/http") }) ||
		!slices.ContainsFunc(got, func(way string) bool { return strings.HasSuffix(way, " → crypto/tls") }) {
		t.Errorf("among the clients: got %q, %v", got, err)
	}
	if got, err := Reach(t.Context(), ".", Clients()...); err != nil || len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), "internal/archcheck → os/exec") {
		t.Errorf("this package runs the go command: got %q, %v", got, err)
	}
}

// Every name of a client that is a folder of this project is one, so that a folder that moves is not forgotten.
func TestClientsAreThere(t *testing.T) {
	t.Parallel()
	for _, name := range Clients() {
		if folder, ours := strings.CutPrefix(strings.TrimSuffix(name, "/..."), "internal/"); ours {
			if _, err := os.Stat(filepath.Join("..", folder)); err != nil {
				t.Error(err)
			}
		}
	}
}

// Where it is not known what a package brings along, nothing is said of it.
func TestReachFails(t *testing.T) {
	t.Parallel()
	root := moduleOnDisk(t, map[string]string{
		"gone/a.go":  "package gone\nimport _ \"" + module + "/nowhere\"\n",
		"far/a.go":   "package far\nimport _ \"" + module + "/gone\"\n",
		"torn/a.go":  "package torn\nimport _ \"net/http\n",
		"empty/a.md": "no Go\n",
	})
	for folder, want := range map[string]string{"gone": module + "/nowhere", "far": module + "/nowhere", "torn": "torn", "empty": "no Go files", "none": "none"} {
		got, err := Reach(t.Context(), filepath.Join(root, folder), "net/http")
		if err == nil || got != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %q, %v, want an error with %q", folder, got, err, want)
		}
	}
}
