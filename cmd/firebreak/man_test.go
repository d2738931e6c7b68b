package main

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// modelOf is the command line as kong reads it.
func modelOf(t *testing.T) *kong.Node {
	t.Helper()
	parser, err := kong.New(&cli{}, kong.Name("firebreak"))
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model.Node
}

// The page has every command and every flag, with what they do, and nothing in it is taken for a request that is none.
func TestManHasEverything(t *testing.T) {
	t.Parallel()
	page := printed(t, "man")
	plain := strings.NewReplacer(`\-`, "-", `\e`, `\`, `\(dq`, `"`, `\&`, "").Replace(page)
	for _, leaf := range modelOf(t).Leaves(true) {
		if !strings.Contains(plain, "\n.SS \""+leaf.FullPath()) || !strings.Contains(plain, leaf.Help) {
			t.Errorf("%s is not in the page", leaf.FullPath())
		}
		for _, f := range leaf.Flags {
			if !strings.Contains(plain, "--"+f.Name) || !strings.Contains(plain, f.Help) {
				t.Errorf("%s: --%s is not in the page", leaf.FullPath(), f.Name)
			}
		}
	}
	request := regexp.MustCompile(`^\.(TH|SH|SS|TP|PP|B|I|nf|fi)( ".*")*$`)
	for line := range strings.Lines(page) {
		if line = strings.TrimSuffix(line, "\n"); strings.HasPrefix(line, "'") || strings.HasPrefix(line, ".") && !request.MatchString(line) {
			t.Errorf("a line is read as a request: %q", line)
		}
	}
	for _, variable := range []string{"FIREBREAK_SERVER", "FIREBREAK_TOKEN"} {
		if !strings.Contains(page, "\n.B \""+variable+"\"\n") {
			t.Errorf("the variable %s is not in the page", variable)
		}
	}
}

// groff reads the page without a warning, and what comes out can be read.
func TestManIsRead(t *testing.T) {
	t.Parallel()
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Fatal("groff is not installed: apt-get install --no-install-recommends groff-base")
	}
	cmd := exec.CommandContext(t.Context(), groff, "-man", "-Tutf8", "-ww", "-P-c", "-P-b", "-P-u")
	cmd.Stdin = strings.NewReader(printed(t, "man"))
	var stdout, stderr output
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil || stderr.String() != "" {
		t.Errorf("groff: %v: %s", err, stderr.String())
	}
	for _, want := range []string{"FIREBREAK(1)", "firebreak config check", "EXIT STATUS"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("what is read does not have %q", want)
		}
	}
}
