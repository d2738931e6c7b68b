// Package rules_test holds the rules of this folder against promtool, which comes with Prometheus.
package rules_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/alerts/rules"
)

// Every file of rules is one that Prometheus loads, and does what its unit tests say. A file without unit tests is not finished.
func TestRules(t *testing.T) {
	t.Parallel()
	files := ruleFiles(t)
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			promtool(t, "check", "rules", file)
			promtool(t, "test", "rules", strings.TrimSuffix(file, ".yaml")+"_test.yaml")
		})
	}
}

// ruleFiles are the files of rules: neither their unit tests, nor the queries that an exporter reads.
func ruleFiles(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range all {
		if !strings.HasSuffix(file, "_test.yaml") && !strings.HasSuffix(file, "_queries.yaml") {
			found = append(found, file)
		}
	}
	if len(found) == 0 {
		t.Fatal("there are no rules here")
	}
	return found
}

// A person who is woken up at night follows the link in the annotation, which Slack and PagerDuty show, so it must lead somewhere.
func TestRunbooksExist(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	runbook := regexp.MustCompile(`(?m)^\s+runbook_url: ` + regexp.QuoteMeta(rules.Pages) + `(\S+)$`)
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range runbook.FindAllStringSubmatch(string(text), -1) {
			found++
			if _, err := os.Stat(filepath.Join("..", "..", filepath.FromSlash(m[1]))); err != nil {
				t.Errorf("%s: the runbook %s is not there: %v", file, m[1], err)
			}
		}
	}
	if found == 0 {
		t.Error("no rule names a runbook")
	}
}

// promtool runs the program; what it prints is shown if it is not content.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	binary, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is not installed: install the Debian package prometheus (apt-get install --no-install-recommends prometheus), or run scripts/test, which does")
	}
	out, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
