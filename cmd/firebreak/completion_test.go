package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// printed is what a command prints on stdout; it must end well and say nothing else.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr output
	if code := run(t.Context(), args, environment{}.lookup, &stdout, &stderr); code != 0 || stderr.String() != "" {
		t.Fatalf("firebreak %s: exit %d, stderr %q", strings.Join(args, " "), code, stderr.String())
	}
	return stdout.String()
}

// Each shell reads its script without a complaint.
func TestCompletionIsReadByTheShell(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Fatalf("%s is not installed: apt-get install --no-install-recommends %s", shell, shell)
			}
			cmd := exec.CommandContext(t.Context(), path, "-n", written(t, printed(t, "completion", shell)))
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s -n: %v: %s", shell, err, out)
			}
		})
	}
}

// A real bash completes what is typed so far.
func TestCompletionInBash(t *testing.T) {
	t.Parallel()
	script := written(t, printed(t, "completion", "bash"))
	for _, c := range []struct {
		typed string // the words so far as bash breaks them; the last one is completed
		want  []string
	}{
		{"conf", []string{"config"}},
		{"config ''", []string{"check", "schema", "example"}},
		{"config che", []string{"check"}},
		{"--version-that-is-not incidents s", []string{"show"}},
		{"rules --form", []string{"--format"}},
		{"rules --format ''", []string{"prometheus", "kubernetes"}},
		{"rules --format = kub", []string{"kubernetes"}},
		{"rules --format =", []string{"prometheus", "kubernetes"}},
		{"completion z", []string{"zsh"}},
		{"serve --config ''", nil},                          // a file: bash completes it
		{"serve --config config --de", []string{"--debug"}}, // a value that is called like a command is none
		{"serve conf", nil},
		{"config check --connec", []string{"--connect"}},
	} {
		const ask = `source "$1"; eval "COMP_WORDS=(firebreak $2)"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _firebreak; printf '%s\n' "${COMPREPLY[@]}"`
		out, err := exec.CommandContext(t.Context(), "bash", "--norc", "-c", ask, "bash", script, c.typed).CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v: %s", c.typed, err, out)
		}
		if got := strings.Fields(string(out)); !slices.Equal(got, c.want) {
			t.Errorf("firebreak %s: got %q, want %q", c.typed, got, c.want)
		}
	}
}

// Every command that help lists is in every script.
func TestCompletionKnowsEveryCommand(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script := printed(t, "completion", shell)
		for _, s := range spotsOf(modelOf(t)) {
			for _, c := range s.commands {
				if !strings.Contains(script, quoted(s.path+"|"+c.word)) {
					t.Errorf("%s: nothing leads from %q to %s", shell, s.path, c.word)
				}
			}
		}
	}
}

// written is a file with a text.
func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
