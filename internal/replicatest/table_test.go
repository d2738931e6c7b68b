package replicatest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// row sums up the runs of one fault.
type row struct {
	fault                                              string
	runs, acked, lost, doubled, stuck, other           int
	late, refused                                      int
	nextAck, gapAck, nextIssued, gapIssued, broken, up time.Duration // the worst of all runs
	outcomes                                           map[string]int
}

// add takes in one run that was over at end.
func (r *row) add(v *verdict, end time.Time) {
	r.runs++
	r.acked += len(v.acked)
	r.lost += len(v.lost)
	r.doubled += len(v.double)
	r.stuck += len(v.stuck)
	r.other += len(v.other)
	r.late += len(v.late)
	r.refused += len(v.refused)
	var acks, issued []time.Time
	for _, k := range v.acked {
		if k.begun.After(v.began) {
			acks = append(acks, k.at)
		}
	}
	for _, rec := range v.records {
		r.outcomes[rec.Summary.Outcome]++
		for _, e := range rec.Events {
			if e.Kind == "issuing" && e.At.After(v.began) {
				issued = append(issued, e.At)
			}
		}
	}
	next, gap := gaps(v.began, acks)
	r.nextAck, r.gapAck = max(r.nextAck, next), max(r.gapAck, gap)
	next, gap = gaps(v.began, issued)
	r.nextIssued, r.gapIssued = max(r.nextIssued, next), max(r.gapIssued, gap)
	r.broken, r.up = max(r.broken, v.mended.Sub(v.began)), max(r.up, end.Sub(v.mended))
}

// gaps are the time from began to the first of moments, and the longest between two in a row.
func gaps(began time.Time, moments []time.Time) (next, longest time.Duration) {
	slices.SortFunc(moments, time.Time.Compare)
	last := began
	for _, m := range moments {
		longest = max(longest, m.Sub(last))
		last = m
	}
	if len(moments) > 0 {
		next = moments[0].Sub(began)
	}
	return next, longest
}

// table is what all faults came to.
func table(rows []*row) string {
	var b strings.Builder
	b.WriteString("Times are in seconds, the worst of all runs: from the fault until the next alert was acknowledged that was sent after it, and until\n" +
		"the next change was issued; and the longest between two. Broken is from the fault until it was mended, whole from then until every\n" +
		"edge had fallen sick and become well again. Late took effect after they had been given up, and were taken back at once.\n")
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "fault\t| runs\t| acknowledged\t| lost\t| doubled\t| stuck\t| other\t| late\t| refused by target"+
		"\t| next ack\t| gap\t| next issued\t| gap\t| broken\t| whole\t| outcomes")
	s := func(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()) }
	for _, r := range rows {
		var outcomes []string
		for _, o := range slices.Sorted(maps.Keys(r.outcomes)) {
			outcomes = append(outcomes, fmt.Sprintf("%s ×%d", o, r.outcomes[o]))
		}
		fmt.Fprintf(w, "%s\t| %d\t| %d\t| %d\t| %d\t| %d\t| %d\t| %d\t| %d", r.fault, r.runs, r.acked, r.lost, r.doubled, r.stuck, r.other,
			r.late, r.refused)
		fmt.Fprintf(w, "\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\n", s(r.nextAck), s(r.gapAck), s(r.nextIssued), s(r.gapIssued), s(r.broken),
			s(r.up), strings.Join(outcomes, ", "))
	}
	_ = w.Flush()
	return b.String()
}
