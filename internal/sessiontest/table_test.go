package sessiontest

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions/move"
)

// The targets of the runbook.
const (
	targetFailover = 5 * time.Second
	targetLag      = time.Second
)

// row is one failover.
type row struct {
	report move.Report
	// paused is the longest that a write took, from its first try until it was acknowledged; writes is how many were.
	paused time.Duration
	writes int
}

// table is what all of them came to.
func table(rows []row, lag []time.Duration) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| failover\t| sessions before\t| kept\t| written\t| new\t| lost\t| doubled\t| other\t| differ after\t| held ms"+
		"\t| slowest write ms\t| old follows ms\t| writes\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	var pauses []time.Duration
	for i, r := range rows {
		c := r.report.Sessions
		fmt.Fprintf(w, "| %d\t| %d\t| %d\t| %d\t| %d\t| %d\t| %d\t| %d\t| %d\t| %d\t| %d\t| %d\t| %d\t|\n", i+1, r.report.Before.Sessions, c.Kept,
			c.Written, c.New, c.Count[move.Lost], c.Count[move.Doubled], c.Count[move.Older]+c.Count[move.Apart]+c.Count[move.Changed],
			len(r.report.After.Named), r.report.Held.Duration().Milliseconds(), r.paused.Milliseconds(),
			r.report.Followed.Duration().Milliseconds(), r.writes)
		pauses = append(pauses, r.paused)
	}
	_ = w.Flush()
	b.WriteString("\n")
	w = tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| milliseconds\t| measured\t| p50\t| p95\t| worst\t| target\t| met\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	line := func(name string, all []time.Duration, target time.Duration) {
		slices.Sort(all)
		worst := at(all, 1)
		fmt.Fprintf(w, "| %s\t| %d\t| %.1f\t| %.1f\t| %.1f\t| < %d\t| %t\t|\n", name, len(all), millis(at(all, 0.5)), millis(at(all, 0.95)), millis(worst),
			target.Milliseconds(), len(all) > 0 && worst < target)
	}
	line("failover, as a client saw it", pauses, targetFailover)
	line("replication lag", lag, targetLag)
	_ = w.Flush()
	return b.String()
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// at is the value below which the share p of the sorted values lies.
func at(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}
