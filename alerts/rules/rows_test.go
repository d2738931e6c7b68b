package rules_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/alerts/rules"
	"github.com/firebreak-sre/firebreak/alerts/runbooks"
)

const (
	tableBegins = "<!-- The table is made from alerts/runbooks and the files of rules: UPDATE_GOLDEN=1 go test ./alerts/rules -run Rows -->\n"
	tableEnds   = "<!-- The end of the table. -->\n"
)

// Every row of the runbooks has a rule, every rule is a row's, and the table in README.md says of each what is so.
func TestRowsHaveRules(t *testing.T) {
	t.Parallel()
	table := "| sign | alert | for | severity | file | runbook | what Firebreak does |\n|---|---|---|---|---|---|---|\n"
	listed := map[string]bool{}
	for _, row := range runbooks.Rows() {
		alert := row.File + "/" + row.Alert
		listed[alert] = true
		found := slices.DeleteFunc(rulesOf(t, row.File+".yaml"), func(r rule) bool { return r.Alert != row.Alert })
		if len(found) == 0 {
			t.Errorf("%s (%s): %s.yaml has no such rule", row.Alert, row.Sign, row.File)
			continue
		}
		table += line(row, found)
	}
	for _, file := range ruleFiles(t) {
		for _, r := range rulesOf(t, file) {
			if r.Alert != "" && !listed[strings.TrimSuffix(file, ".yaml")+"/"+r.Alert] {
				t.Errorf("%s: %s is no row of alerts/runbooks", file, r.Alert)
			}
		}
	}
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(page), tableBegins)
	old, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		t.Fatal("README.md does not say where its table begins and ends")
	}
	if os.Getenv("UPDATE_GOLDEN") == "1" {
		if err := os.WriteFile("README.md", []byte(before+tableBegins+"\n"+table+"\n"+tableEnds+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if strings.TrimSpace(old) != strings.TrimSpace(table) {
		t.Errorf("the table in README.md is not what the rows and rules say: run UPDATE_GOLDEN=1 go test ./alerts/rules -run Rows")
	}
}

// line is a row of the table. An alert with several rules has them side by side.
func line(row runbooks.Row, found []rule) string {
	var times, severities []string
	for _, r := range found {
		time := "at once"
		if r.For != "" {
			time = r.For
		}
		if !slices.Contains(times, time) {
			times = append(times, time)
		}
		if !slices.Contains(severities, r.Labels.Severity) {
			severities = append(severities, r.Labels.Severity)
		}
	}
	does := "pages only: no handler is built for it"
	switch {
	case row.Handler != "":
		does = fmt.Sprintf("[%s](../../handlers/%s/runbook.md)", row.Handler, row.Handler)
	case row.Alert == "Watchdog":
		does = "changes nothing while it is missing, and pages"
	case row.Runbook == "":
		does = "pages only: it is about Firebreak"
	}
	runbook := strings.TrimPrefix(found[0].Annotations.Runbook, rules.Pages)
	link, err := filepath.Rel("alerts/rules", runbook)
	if err != nil {
		link = runbook
	}
	sign := row.Sign
	if row.Runbook != "" {
		sign = row.Runbook + ": " + sign
	}
	if row.Asked {
		sign = "**" + sign + "**"
	}
	return fmt.Sprintf("| %s | %s | %s | %s | [%s.yaml](%s.yaml) | [%s](%s) | %s |\n", sign, row.Alert, strings.Join(times, ", "),
		strings.Join(severities, ", "), row.File, row.File, filepath.Base(runbook), filepath.ToSlash(link), does)
}

// Who is called at night reads what is wrong, what it means, and where to go on.
func TestAlertsSayEnough(t *testing.T) {
	t.Parallel()
	for _, file := range ruleFiles(t) {
		for _, r := range rulesOf(t, file) {
			if r.Alert == "" {
				continue
			}
			a := r.Annotations
			if a.Summary == "" || a.Runbook == "" || a.Description == "" && r.Alert != "Watchdog" || r.Labels.Severity == "" {
				t.Errorf("%s: %s lacks its severity, summary, description or runbook: %+v", file, r.Alert, r)
			}
			tests, err := os.ReadFile(strings.TrimSuffix(file, ".yaml") + "_test.yaml")
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(tests), "alertname: "+r.Alert) && !strings.Contains(string(tests), `alertname="`+r.Alert+`"`) {
				t.Errorf("%s: %s has no unit test", file, r.Alert)
			}
		}
	}
}
