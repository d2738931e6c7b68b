package sessionstest

import (
	"errors"
	"fmt"
	"strings"
)

// Result is what became of one check.
type Result string

// The results.
const (
	Passed  Result = "passed"
	Failed  Result = "failed"
	Skipped Result = "skipped"
)

// Check is one promise of the contract that was tried.
type Check struct {
	// Name is fixed, e.g. "epoch". Promise is what was tried, in a sentence.
	Name    string `json:"name"`
	Promise string `json:"promise"`
	Result  Result `json:"result"`
	// Words say what went wrong, or why it was not tried.
	Words string `json:"words,omitempty"`
}

// Report is what became of all of them.
type Report struct {
	// Run is in the id of every session and action of this run.
	Run    string  `json:"run"`
	Checks []Check `json:"checks"`
	// Left are trial sessions that could not be removed.
	Left []string `json:"left,omitempty"`
}

// Count is how many checks have a result.
func (r Report) Count(result Result) int {
	n := 0
	for _, c := range r.Checks {
		if c.Result == result {
			n++
		}
	}
	return n
}

// OK says whether something passed, nothing failed and nothing is left behind. What was skipped is not held against it.
func (r Report) OK() bool { return r.Count(Passed) > 0 && r.Count(Failed) == 0 && len(r.Left) == 0 }

// String is the report for a terminal, one line for each check.
func (r Report) String() string {
	var b strings.Builder
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "%-8s %-18s %s\n", c.Result, c.Name, c.Promise)
		if c.Words != "" {
			fmt.Fprintf(&b, "%-8s %-18s %s\n", "", "", c.Words)
		}
	}
	fmt.Fprintf(&b, "%d passed, %d failed, %d skipped\n", r.Count(Passed), r.Count(Failed), r.Count(Skipped))
	if len(r.Left) > 0 {
		fmt.Fprintf(&b, "left behind: %s\n", strings.Join(r.Left, " "))
	}
	return b.String()
}

// errSkip wraps why a check cannot be tried.
var errSkip = errors.New("not tried")
