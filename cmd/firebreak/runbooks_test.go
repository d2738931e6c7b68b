package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/firebreak-sre/firebreak/alerts/runbooks"
	"github.com/firebreak-sre/firebreak/handlers"
	targets "github.com/firebreak-sre/firebreak/incidents/measure"
)

// What people agreed on and what is measured are about the same runbooks, and say the same of when a call is answered.
func TestRunbooksAgreeWithTargets(t *testing.T) {
	t.Parallel()
	known := map[string]runbooks.Severity{}
	for _, r := range runbooks.All() {
		known[r.ID] = r.Severity
	}
	for _, target := range targets.Targets() {
		severity, ok := known[target.Runbook]
		if !ok {
			t.Errorf("%s has a target (%s) and is no runbook", target.Runbook, target.Source)
			continue
		}
		for _, l := range runbooks.Levels() {
			if target.Name == targets.Response && l.Severity == severity && target.Limit != l.Respond {
				t.Errorf("%s: measured is whether a call is answered within %s; %s says %s", target.Runbook, target.Limit, severity, l.Respond)
			}
		}
	}
	if len(handlers.RunbookNames()) == 0 {
		t.Error("no handler has a runbook")
	}
	for _, name := range handlers.RunbookNames() {
		if _, ok := known[targets.Runbook(name)]; !ok {
			t.Errorf("%s automates %q, which is no runbook", name, targets.Runbook(name))
		}
	}
}

// The index has all of them, and every family that a number leads to can be shown.
func TestRunbooks(t *testing.T) {
	t.Parallel()
	index := printed(t, "runbooks")
	for _, want := range []string{"SEV-1  respond within 15m", "executives after 30m", "RB-012", "recovered < 5 min",
		"crisis team within 15m", "quarterly", "ClusterMinority", "firebreak incidents watch", "MTTR target, network: 1 h"} {
		if !strings.Contains(index, want) {
			t.Errorf("the index does not say %q:\n%s", want, index)
		}
	}
	for line := range strings.Lines(index) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > columns {
			t.Errorf("a line is %d columns wide: %q", n, line)
		}
	}
	for _, name := range handlers.RunbookNames() {
		text, err := handlers.Runbook(name)
		if err != nil || printed(t, "runbooks", "show", name) != text {
			t.Errorf("%s: %v; what is shown is not the runbook", name, err)
		}
		if !strings.Contains(index, name) || !strings.Contains(printed(t, "runbooks", "show", strings.ToLower(targets.Runbook(name))), text) {
			t.Errorf("%s is not found by its number", name)
		}
	}
}

// What a person is told to type first is a command that there is.
func TestRunbooksCommands(t *testing.T) {
	t.Parallel()
	tried := 0
	for _, r := range runbooks.All() {
		for _, c := range r.Commands {
			words := strings.Fields(c)
			if words[0] != "firebreak" {
				continue
			}
			words = slices.DeleteFunc(strings.Fields(strings.SplitN(c, "--reason", 2)[0])[1:], func(w string) bool { return w == "" })
			tried++
			if help := printed(t, append(words, "--help")...); !strings.Contains(help, "firebreak "+words[0]) {
				t.Errorf("%s: %q is no command:\n%s", r.ID, c, help)
			}
		}
	}
	if tried == 0 {
		t.Error("no command of the program was tried")
	}
}

// Each alert that a handler is said to answer is one that its default policy names, and the other way round.
func TestRowsAgreeWithHandlers(t *testing.T) {
	t.Parallel()
	said := map[string][]string{}
	for _, row := range runbooks.Rows() {
		if row.Handler != "" {
			said[row.Handler] = append(said[row.Handler], row.Alert)
		}
	}
	for _, name := range handlers.RunbookNames() {
		slices.Sort(said[name])
		got := defaultAlerts(t, name)
		if slices.Sort(got); !slices.Equal(got, said[name]) {
			t.Errorf("%s answers %v, and the rows say %v", name, got, said[name])
		}
	}
}

// defaultAlerts are a handler's, as the example policy shows them.
func defaultAlerts(t *testing.T, handler string) []string {
	t.Helper()
	var p struct {
		Handlers map[string]struct{ Alerts []string }
	}
	if err := yaml.Unmarshal([]byte(printed(t, "config", "example")), &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Handlers[handler].Alerts) == 0 {
		t.Fatalf("the example policy names no alerts of %s", handler)
	}
	return p.Handlers[handler].Alerts
}

// What there is no page for is said, with what there is.
func TestRunbooksUnknown(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"nope": "retrystorm", "../retrystorm": "retrystorm", "": "retrystorm", "RB-999": "retrystorm", "rb-008": "not automated",
	} {
		var stdout, stderr output
		code := run(t.Context(), []string{"runbooks", "show", name}, environment{}.lookup, &stdout, &stderr)
		if code != 1 || stdout.String() != "" || !strings.Contains(stderr.String(), want) {
			t.Errorf("%q: exit %d, stdout %q, stderr %q, want 1 and %q", name, code, stdout.String(), stderr.String(), want)
		}
	}
}

// On a terminal prose is wrapped to its width and headings stand out; tables and code can still be copied, and no word is lost.
func TestPageOnATerminal(t *testing.T) {
	t.Parallel()
	const code = "    psql -c 'select something that is long enough to be wrapped'"
	const row = "| a table | is left alone, however wide it is, so that it stays one |"
	text := "# Title\n\nOne two three four five six seven eight nine ten eleven\ntwelve\n" +
		"1. first second third fourth fifth sixth seventh\n   eighth\n\n" + code + "\n" + row + "\n```\n# not a heading\n```\n"
	var out bytes.Buffer
	page{w: &out, width: 40, colour: true}.markdown(text)
	lines := strings.Split(out.String(), "\n")
	for _, want := range []string{"\x1b[1m# Title\x1b[0m", "nine ten eleven twelve", "   seventh eighth", code, row, "# not a heading"} {
		if !slices.Contains(lines, want) {
			t.Errorf("there is no line %q in:\n%s", want, out.String())
		}
	}
	for _, line := range lines {
		if line != code && line != row && !strings.Contains(line, "\x1b") && len(line) > 40 {
			t.Errorf("a line is %d wide: %q", len(line), line)
		}
	}
	out.Reset()
	page{w: &out, width: 40}.markdown(text)
	if got, want := strings.Fields(out.String()), strings.Fields(text); !slices.Equal(got, want) {
		t.Errorf("words were lost: got %q, want %q", got, want)
	}
	out.Reset()
	page{w: &out}.markdown(text)
	if out.String() != text {
		t.Errorf("in a pipe something was changed: %q", out.String())
	}
}

// The rules are printed in both formats, all or some.
func TestRulesCommand(t *testing.T) {
	t.Parallel()
	all, one := printed(t, "rules"), printed(t, "rules", "firebreak")
	if !strings.Contains(all, "alert: RetryStorm\n") || !strings.Contains(one, "alert: Watchdog\n") || strings.Contains(one, "RetryStorm") {
		t.Errorf("all: %d characters, one: %q", len(all), one)
	}
	if twice := printed(t, "rules", "firebreak", "firebreak"); twice != one {
		t.Error("a name that is given twice is not printed once")
	}
	list := printed(t, "rules", "list")
	for _, row := range runbooks.Rows() {
		if !strings.Contains(list, row.Alert+" ") || !strings.Contains(all, "alert: "+row.Alert+"\n") {
			t.Errorf("%s is not listed, or not printed", row.Alert)
		}
	}
	if objects := printed(t, "rules", "--format", "kubernetes", "firebreak", "postgres"); strings.Count(objects, "kind: PrometheusRule\n") != 2 {
		t.Errorf("want two objects: %q", objects)
	}
}
