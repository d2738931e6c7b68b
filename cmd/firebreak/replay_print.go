package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/firebreak-sre/firebreak/handlers/replay"
	"github.com/firebreak-sre/firebreak/handlers/replay/incidentfile"
)

// print writes the comparison for people. part says that other incidents of the same time are not in it.
func (g *comparison) print(w io.Writer, show int, part bool) {
	for i, r := range g.differ {
		if i == show {
			fmt.Fprintf(w, "\n… and %d more that differ (--show %d)\n", len(g.differ)-show, len(g.differ))
			break
		}
		printResult(w, r)
	}
	t := g.Totals
	fmt.Fprintf(w, "\n%d incidents, %d events; %d differ\n", t.Incidents, t.Events, t.Differ)
	g.printMoves(w)
	g.printCounts(w)
	heading(w, "CHANGES")
	acted := t.Acted()
	for _, row := range []struct {
		words string
		pair  replay.Pair
	}{{"incidents with a change", acted}, {"most within an hour", t.PerHour}, {"most that stood at once", t.Standing}} {
		fmt.Fprintf(w, "  %-26s then %d, now %d\n", row.words, row.pair.Then, row.pair.Now)
	}
	g.printDoubts(w, part)
}

// printResult is one incident in both courses.
func printResult(w io.Writer, r replay.Result) {
	fmt.Fprintln(w)
	item(w, r.ID.String()+"  ", fmt.Sprintf("%s, %s, %s", r.Target, stamp(r.OpenedAt), orDash(string(r.Outcome))))
	was, is := telling(r.Then, r.Now)
	alike := incidentfile.DeedOf(was) == incidentfile.DeedOf(is) // such as a change that would stand for longer
	printDeed(w, "  then  ", was, alike)
	printDeed(w, "  now   ", is, alike)
	if r.Why != "" {
		item(w, "        ", fmt.Sprintf("from %s on: %s", since(r.OpenedAt, r.Unknown), r.Why))
	}
}

// telling are the deeds that show the difference: the weightiest, or where those are the same, the first that differ.
func telling(then, now []replay.Deed) (was, is replay.Deed) {
	was, is = replay.Weightiest(then), replay.Weightiest(now)
	if is.Kind == replay.Nothing { // all of them weigh the same: the one at that time tells most
		for _, d := range now {
			if !d.At.After(was.At) {
				is = d
			}
		}
	}
	if incidentfile.DeedOf(was) != incidentfile.DeedOf(is) {
		return was, is
	}
	nothing := replay.Deed{Kind: replay.Nothing}
	for i := range max(len(then), len(now)) {
		x, y := nothing, nothing
		if i < len(then) {
			x = then[i]
		}
		if i < len(now) {
			y = now[i]
		}
		if incidentfile.DeedOf(x) != incidentfile.DeedOf(y) {
			return x, y
		}
	}
	return was, is
}

func printDeed(w io.Writer, prefix string, d replay.Deed, full bool) {
	words := incidentfile.DeedOf(d).String()
	if d.Words != "" && (full || d.Kind != replay.Acted && d.Kind != replay.Asked) {
		words += ": " + d.Words
	}
	if d.Assumed {
		words += " (if nobody had said no: nobody was asked)"
	}
	item(w, prefix, words)
}

// kindsInOrder are the kinds of deeds, the weightiest first.
func kindsInOrder() []replay.Kind {
	return []replay.Kind{replay.Acted, replay.Asked, replay.Refused, replay.Missing, replay.Paged, replay.Nothing, replay.Off}
}

// printMoves is the table of what was done and what would have been.
func (g *comparison) printMoves(w io.Writer) {
	heading(w, "INCIDENTS BY THEIR WEIGHTIEST DEED")
	var columns []replay.Kind
	for _, is := range kindsInOrder() {
		if g.moved(func(_, now replay.Kind) bool { return now == is }) > 0 {
			columns = append(columns, is)
		}
	}
	fmt.Fprintf(w, "  %-9s", "then\\now")
	for _, is := range columns {
		fmt.Fprintf(w, "%9s", is)
	}
	fmt.Fprintln(w)
	for _, was := range kindsInOrder() {
		row, ok := g.Totals.Moves[was]
		if !ok {
			continue
		}
		fmt.Fprintf(w, "  %-9s", was)
		for _, is := range columns {
			fmt.Fprintf(w, "%9s", count(row[is]))
		}
		fmt.Fprintln(w)
	}
}

func count(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// printCounts are the refusals by reason, and the changes by fix.
func (g *comparison) printCounts(w io.Writer) {
	printPairs(w, "REFUSED, BY REASON", g.Totals.Refusals)
	printPairs(w, "CHANGED OR ASKED FOR, BY FIX", g.Totals.Fixes)
}

func printPairs[K cmp.Ordered](w io.Writer, title string, pairs map[K]replay.Pair) {
	if len(pairs) == 0 {
		return
	}
	heading(w, title)
	for _, k := range slices.Sorted(maps.Keys(pairs)) {
		p := pairs[k]
		fmt.Fprintf(w, "  %-40s then %d, now %d\n", clean(fmt.Sprint(k), 40), p.Then, p.Now)
	}
}

// printDoubts says what is not known, and what is new for people.
func (g *comparison) printDoubts(w io.Writer, part bool) {
	t := g.Totals
	rows := []struct {
		n     int
		words string
	}{
		{t.NewRisky, "incidents with a change for people's approval (class P or P2) that had none"},
		{g.Missing, "would have needed a look that nobody made: what they would have come to is not known"},
		{t.Unknown, "are not known to their end: what would have followed the first difference was never seen"},
		{t.Assumed, "rest on a yes that nobody gave: Alertmanager, the switch or the target was not asked at the time"},
		{t.Partial, "are left out: the beginning of their records is not there"},
	}
	heading(w, "WHAT TO KNOW")
	for _, r := range rows {
		if r.n > 0 {
			item(w, fmt.Sprintf("  %6d  ", r.n), r.words)
		}
	}
	item(w, "          ", "Limits are counted from an empty ledger on.")
	if part {
		item(w, "          ", "They count only the incidents that are replayed here, and not what else happened at the time.")
	}
}
