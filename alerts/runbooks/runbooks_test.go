package runbooks_test

import (
	"slices"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts/runbooks"
)

// The worse it is, the sooner a person answers; somebody is called at once, and each next one later.
func TestLevels(t *testing.T) {
	t.Parallel()
	var before time.Duration
	for _, l := range runbooks.Levels() {
		if l.Respond <= before || l.Means == "" {
			t.Errorf("%s: answered within %s, after a worse one within %s; means %q", l.Severity, l.Respond, before, l.Means)
		}
		before = l.Respond
		if len(l.Calls) == 0 || l.Calls[0].After != 0 {
			t.Errorf("%s: nobody is called at once: %v", l.Severity, l.Calls)
			continue
		}
		if !slices.IsSortedFunc(l.Calls, func(a, b runbooks.Call) int { return int(a.After - b.After) }) {
			t.Errorf("%s: who is called is not in order: %v", l.Severity, l.Calls)
		}
	}
}

// Runbooks are in the order in which a person looks for them, each once, each of a severity that is defined.
func TestRunbooks(t *testing.T) {
	t.Parallel()
	var order []runbooks.Severity
	for _, l := range runbooks.Levels() {
		order = append(order, l.Severity)
	}
	seen, at := map[string]bool{}, 0
	for _, r := range runbooks.All() {
		place := slices.Index(order, r.Severity)
		if place < at || seen[r.ID] || r.ID == "" || r.Title == "" {
			t.Errorf("%s %q of %s is out of order, there twice, or has no name", r.ID, r.Title, r.Severity)
		}
		seen[r.ID], at = true, place
		if len(r.Commands) == 0 {
			t.Errorf("%s does not say what to type first", r.ID)
		}
		for _, e := range r.Escalations {
			if e.When == "" || e.Who == "" || e.Within < 0 {
				t.Errorf("%s: an escalation says not who learns of what: %+v", r.ID, e)
			}
		}
	}
	if len(seen) == 0 {
		t.Error("there are no runbooks")
	}
}

// What is practised often is listed first, and every drill says how it is passed.
func TestDrills(t *testing.T) {
	t.Parallel()
	order := []runbooks.Interval{runbooks.Weekly, runbooks.Monthly, runbooks.Quarterly}
	seen, at := map[string]bool{}, 0
	for _, d := range runbooks.Drills() {
		place := slices.Index(order, d.Every)
		if place < at || seen[d.Name] || d.Shows == "" {
			t.Errorf("drill %q (%s) is out of order, there twice, or cannot be passed", d.Name, d.Every)
		}
		seen[d.Name], at = true, place
	}
	if len(seen) == 0 {
		t.Error("there are no drills")
	}
}

// Every runbook has signs by which it begins, and every sign belongs to one: in the same order, each alert once.
func TestRows(t *testing.T) {
	t.Parallel()
	var order []string
	for _, r := range runbooks.All() {
		order = append(order, r.ID)
	}
	order = append(order, "") // about Firebreak itself
	asked, at, seen := map[string]int{}, 0, map[string]bool{}
	for _, row := range runbooks.Rows() {
		place := slices.Index(order, row.Runbook)
		if place < at || seen[row.Alert] || row.Sign == "" || row.Alert == "" || row.File == "" {
			t.Errorf("%q of %q is out of order, there twice, or says nothing", row.Alert, row.Runbook)
		}
		if row.Asked {
			asked[row.Runbook]++
		}
		seen[row.Alert], at = true, place
	}
	// As many as the handbook's tables have.
	for id, want := range map[string]int{"RB-008": 1, "RB-009": 3, "RB-010": 3, "RB-011": 5, "RB-012": 4, runbooks.Region: 2} {
		if asked[id] != want {
			t.Errorf("%s has %d rows of the handbook, want %d", id, asked[id], want)
		}
	}
}
