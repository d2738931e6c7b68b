package kpi

import (
	"cmp"
	"slices"

	"github.com/firebreak-sre/firebreak/incidents/measure"
)

// group is what was counted, as it is reported.
func (t *tally) group() Group {
	g := Group{Handler: t.handler, Runbook: t.runbook, Incidents: t.incidents, Open: t.open, Approvals: t.approvals.quantiles(),
		Success: t.rate(), Changes: Changes(t.changes)}
	for _, target := range t.measured {
		a := t.span(target.Name)
		g.Spans = append(g.Spans, Span{Name: target.Name, From: target.From, To: target.To, Quantiles: a.quantiles(),
			Target: target.Limit.Seconds(), Source: target.Source, Met: a.met, Missed: a.missed})
	}
	for _, reason := range sortedKeys(t.refused) {
		g.Refused = append(g.Refused, *t.refused[reason])
	}
	slices.SortStableFunc(g.Refused, func(x, y Refused) int { return cmp.Compare(y.Incidents, x.Incidents) })
	for _, outcome := range sortedKeys(t.outcomes) {
		g.Outcomes = append(g.Outcomes, Counted{Outcome: string(outcome), Count: t.outcomes[outcome]})
	}
	slices.SortStableFunc(g.Outcomes, func(x, y Counted) int { return cmp.Compare(y.Count, x.Count) })
	return g
}

func (s *spread) quantiles() Quantiles {
	return Quantiles{Count: int(s.n), P50: s.quantile(0.5).Seconds(), P95: s.quantile(0.95).Seconds(), Worst: s.most.Seconds()}
}

// merge counts what another has counted.
func (s *spread) merge(o *spread) {
	if o.n == 0 {
		return
	}
	if s.counts == nil {
		s.counts, s.least = map[int]uint64{}, o.least
	}
	for at, n := range o.counts {
		s.counts[at] += n
	}
	s.n += o.n
	s.least, s.most = min(s.least, o.least), max(s.most, o.most)
}

// rate is how often a change was the end of the fault.
func (t *tally) rate() Rate {
	r := Rate{Fixed: t.fixed, Of: t.sent}
	r.Low, r.High = wilson(t.fixed, t.sent)
	if t.sent > 0 {
		r.Share = float64(t.fixed) / float64(t.sent)
	}
	for _, target := range t.targets {
		if target.Share == 0 {
			continue
		}
		r.Target, r.Source, r.Result = target.Share, target.Source, measure.NotMeasurable
		switch {
		case t.sent > 0 && r.Low > target.Share:
			r.Result = measure.Met
		case t.sent > 0 && r.High < target.Share:
			r.Result = measure.Missed
		}
	}
	return r
}
