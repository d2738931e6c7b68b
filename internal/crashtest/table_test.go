package crashtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// row sums up the runs of one crash point at one target.
type row struct {
	point                             string
	target                            target
	runs, reached, lost, double, left int
	other, failed                     int
	outcomes                          map[string]int
}

// table is what all runs came to. A run that was broken off, because nothing went on, is one that failed.
func table(cases []*kase) string {
	var rows []*row
	for _, c := range cases {
		i := slices.IndexFunc(rows, func(r *row) bool { return r.point == c.v.point && r.target == c.v.target })
		if i < 0 {
			i = len(rows)
			rows = append(rows, &row{point: c.v.point, target: c.v.target, outcomes: map[string]int{}})
		}
		rows[i].add(c.v)
	}
	var order []string
	for _, p := range points() {
		order = append(order, p.name)
	}
	rank := func(r *row) int { return slices.Index(order, r.point) } // random kills, of no point, come first
	slices.SortStableFunc(rows, func(a, b *row) int { return rank(a) - rank(b) })
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "crash point\t| target\t| runs\t| reached\t| lost alerts\t| double effects\t| not reverted\t| other\t| failed\t| outcomes")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t| %s\t| %d\t| %d\t| %d\t| %d\t| %d\t| %d\t| %d\t| %s\n",
			r.point, r.target, r.runs, r.reached, r.lost, r.double, r.left, r.other, r.failed, r.words())
	}
	_ = w.Flush()
	return b.String()
}

func (r *row) add(v verdict) {
	r.runs++
	if v.reached {
		r.reached++
	}
	if v.failed {
		r.failed++
	}
	r.lost += len(v.lost)
	r.double += len(v.double)
	r.left += len(v.left)
	r.other += len(v.other)
	for _, o := range v.outcomes {
		r.outcomes[o]++
	}
}

func (r *row) words() string {
	var parts []string
	for _, o := range slices.Sorted(maps.Keys(r.outcomes)) {
		parts = append(parts, fmt.Sprintf("%s ×%d", o, r.outcomes[o]))
	}
	return strings.Join(parts, ", ")
}
