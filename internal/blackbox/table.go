package blackbox

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Verdict is what a run came to.
type Verdict struct {
	Failed bool
	Harms  []string // something was changed that should not have been
	Wrongs []string // anything else that is wrong
	Action time.Duration
	Heal   time.Duration
}

// Result is a run that was made, by its cause.
type Result struct {
	Cause string
	Verdict
}

// row sums up the runs of one cause.
type row struct {
	cause               string
	runs, right, harmed int
	action, heal        []time.Duration
}

// Table is what all runs came to, "" if none was made. A run that was broken off is not right. With no failure in n runs the true rate is
// below 3/n with 95 % confidence.
func Table(results []Result) string {
	var rows []*row
	all := &row{cause: "all"}
	for _, c := range results {
		i := slices.IndexFunc(rows, func(r *row) bool { return r.cause == c.Cause })
		if i < 0 {
			i = len(rows)
			rows = append(rows, &row{cause: c.Cause})
		}
		rows[i].add(c.Verdict)
		all.add(c.Verdict)
	}
	if all.runs == 0 {
		return ""
	}
	all.action, all.heal = nil, nil // of different things
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| cause\t| runs\t| right\t| wrong action\t| seconds to action\t| to recovery\t| wrong below\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, r := range append(rows, all) {
		fmt.Fprintf(w, "| %s\t| %d\t| %d\t| %d\t| %s\t| %s\t| %s\t|\n", r.cause, r.runs, r.right, r.harmed, median(r.action), median(r.heal), r.bound())
	}
	_ = w.Flush()
	return b.String()
}

func (r *row) add(v Verdict) {
	r.runs++
	if !v.Failed {
		r.right++
	}
	if len(v.Harms) > 0 {
		r.harmed++
	}
	if v.Action > 0 {
		r.action = append(r.action, v.Action)
	}
	if v.Heal > 0 {
		r.heal = append(r.heal, v.Heal)
	}
}

// bound is 3/n, which says nothing for less than three runs, and nothing if one of them failed.
func (r *row) bound() string {
	if r.right < r.runs || r.runs < 3 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 300/float64(r.runs))
}

// median is that of seconds, "-" where there are none.
func median(all []time.Duration) string {
	if len(all) == 0 {
		return "-"
	}
	sorted := slices.Sorted(slices.Values(all))
	return fmt.Sprintf("%.1f", sorted[len(sorted)/2].Seconds())
}
