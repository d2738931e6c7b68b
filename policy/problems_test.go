package policy_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/firebreak-sre/firebreak/policy"
)

// testEnv knows the variables that the tests name.
func testEnv(name string) (string, bool) {
	value, ok := map[string]string{
		"TOKEN":         "hunter2-hunter2-hunter2-hunter2",
		"WHSEC":         "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
		"SHORT":         "hunter2",
		"SPACE":         "hunter2 hunter2 hunter2",
		"EMPTY":         "",
		"HOST":          "am.example.com",
		"NAME":          "checkout",
		"WITH_PASSWORD": "http://bob:hunter2@am:9093",
		"NOT_A_URL":     "hunter2",
		"BOT":           "xoxb-hunter2",
		"APP":           "xapp-hunter2",
		"KEY":           "hunter2hunter2hunter2hunter2hunt",
		"CHAT":          "discord://hunter2@42",
		"WHO":           "alice@example.com",
	}[name]
	return value, ok
}

// problemsOf is what is wrong with a policy. Anything but *Problems fails the test.
func problemsOf(t *testing.T, name string, data []byte) []policy.Problem {
	t.Helper()
	_, err := policy.Parse(name, data, testEnv)
	if err == nil {
		return nil
	}
	var p *policy.Problems
	if !errors.As(err, &p) || len(p.List) == 0 {
		t.Fatalf("got an error of type %T, want *Problems that says something: %v", err, err)
	}
	return p.List
}

// TestProblems holds the exact words and positions of every problem. "hunter2" is a secret wherever it stands, and is never said.
func TestProblems(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/problems/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("list cases: %v, %d files", err, len(files))
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(archive.Files); i += 2 {
			name := strings.TrimSuffix(archive.Files[i].Name, ".yaml")
			var got strings.Builder
			for _, p := range problemsOf(t, "testdata/files/firebreak.yaml", archive.Files[i].Data) {
				got.WriteString(strings.TrimPrefix(p.String(), "testdata/files/") + "\n")
			}
			if strings.Contains(got.String(), "hunter") {
				t.Errorf("%s: %s: shows a secret:\n%s", file, name, got.String())
			}
			if want := string(archive.Files[i+1].Data); got.String() != want {
				t.Errorf("%s: %s:\ngot:\n%s\nwant:\n%s", file, name, got.String(), want)
			}
			archive.Files[i+1].Data = []byte(got.String())
		}
		if os.Getenv("UPDATE_GOLDEN") != "" {
			if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
