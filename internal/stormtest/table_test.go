package stormtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// table is what was measured, for people.
func (w *world) table(rounds []*round, all []record) string {
	var b strings.Builder
	out := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name string, cell func(*round) string) {
		fmt.Fprint(out, name)
		for _, r := range rounds {
			fmt.Fprint(out, "\t", cell(r))
		}
		fmt.Fprintln(out)
	}
	ms := func(d time.Duration) string { return d.Round(time.Millisecond).String() }
	nth := 0
	row("", func(*round) string { nth++; return fmt.Sprintf("storm %d", nth) })
	row("alerts acknowledged", func(r *round) string { return fmt.Sprint(r.sent) })
	row("in", func(r *round) string { return ms(r.flood) })
	row("a second", func(r *round) string { return fmt.Sprintf("%.0f", float64(r.sent)/r.flood.Seconds()) })
	row("all read after the last 200", func(r *round) string { return ms(r.drained) })
	row("all ended after the last 200", func(r *round) string { return ms(r.closed) })
	row("all changes stopped after", func(r *round) string { return ms(r.begun.Sub(r.start)) })
	row("all changes stopped for", func(r *round) string { return ms(r.over.Sub(r.begun)) })
	row("most in memory", func(r *round) string { return fmt.Sprintf("%d MiB", r.watch.rss>>20) })
	row("heap in use when all had ended", func(r *round) string { return fmt.Sprintf("%d MiB", r.heap>>20) })
	for _, path := range paths() {
		row(path, func(r *round) string { return r.watch.times(path) })
	}
	_ = out.Flush() // into memory

	outcomes, refusals, events := map[string]int{}, map[string]int{}, 0
	for _, r := range all {
		outcomes[r.Summary.Outcome]++
		events += len(r.Events)
		for _, e := range r.Events {
			if e.Refusal != nil {
				refusals[e.Refusal.Reason]++
			}
		}
	}
	joined, _ := w.api.metric(w.ctx, "firebreak_alerts_joined_total", "joining") // judged elsewhere
	effects, _ := w.town.testimony()
	fmt.Fprintf(&b, "notifications sent again: %d; answered with 400: %d\n", w.am.again, w.am.garbage)
	fmt.Fprintf(&b, "alerts of edges by what they were: %s\n", counts(joined))
	fmt.Fprintf(&b, "%d incidents with %d events, by outcome: %s\n", len(all), events, counts(outcomes))
	fmt.Fprintf(&b, "refused: %s; effects: %d\n", counts(refusals), len(effects))
	return b.String()
}

func counts(m map[string]int) string {
	var words []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		words = append(words, fmt.Sprintf("%s %d", k, m[k]))
	}
	return strings.Join(words, ", ")
}
