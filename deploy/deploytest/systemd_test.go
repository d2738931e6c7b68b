package deploytest_test

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// exposed is how open to harm the service may be by systemd's own measure, 0 to 100. What is left is that it uses the network.
const exposed = "15"

// systemd understands every line of the unit, and finds it closed.
func TestSystemdUnit(t *testing.T) {
	t.Parallel()
	analyze := tool(t, "systemd-analyze", "systemd")
	// The program is not installed on this machine; systemd looks for it.
	text := strings.ReplaceAll(read(t, "systemd/firebreak.service"), "/usr/local/bin/firebreak", os.Getenv(binaryVariable))
	unit := filepath.Join(t.TempDir(), "firebreak.service")
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// It only warns of what it does not know, and ends well.
	if out := runs(t, analyze, "verify", "--man=no", unit); strings.Contains(out, unit) {
		t.Errorf("systemd-analyze says:\n%s", out)
	}
	runs(t, analyze, "security", "--offline=true", "--no-pager", "--threshold="+exposed, unit)
}

// What the unit runs are commands that there are.
func TestSystemdCommands(t *testing.T) {
	t.Parallel()
	line := regexp.MustCompile(`(?m)^ExecStart(?:Pre)?=/usr/local/bin/firebreak (\S+(?: check)?) `)
	commands := line.FindAllStringSubmatch(read(t, "systemd/firebreak.service"), -1)
	if len(commands) != 2 {
		t.Fatalf("%d commands, want 2", len(commands))
	}
	for _, c := range commands {
		runs(t, os.Getenv(binaryVariable), append(strings.Fields(c[1]), "--help")...)
	}
}

// The variables that the example names are those of the examples of policies, and it gives none a value that somebody would keep.
func TestSystemdVariables(t *testing.T) {
	t.Parallel()
	var named []string
	for _, file := range []string{"examples/firebreak.yaml", "examples/firebreak-postgres.yaml"} {
		for _, m := range regexp.MustCompile(`\$\{(\w+)\}`).FindAllStringSubmatch(read(t, file), -1) {
			named = append(named, m[1])
		}
	}
	lines := bufio.NewScanner(strings.NewReader(read(t, "systemd/firebreak.env")))
	seen := 0
	for lines.Scan() {
		name, value, found := strings.Cut(strings.TrimPrefix(lines.Text(), "#"), "=")
		if !found || strings.Contains(name, " ") {
			continue
		}
		seen++
		if value != "" {
			t.Errorf("%s has a value", name)
		}
		if !slices.Contains(named, name) && !strings.HasPrefix(name, "FIREBREAK_SLACK_") {
			t.Errorf("no example names %s", name)
		}
	}
	if seen < 3 {
		t.Errorf("only %d variables", seen)
	}
}
