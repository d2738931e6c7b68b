package measure

import (
	"fmt"
	"time"
)

// Result says how a figure stands to its target.
type Result string

// The results.
const (
	Met           Result = "met"
	Missed        Result = "missed"
	NotMeasurable Result = "not measurable"
)

// Compared is a target with what became of it in one incident.
type Compared struct {
	Target
	Result Result
	// Took is how long it took; with Missed it may be how long it has taken without being over. It means nothing with NotMeasurable.
	Took time.Duration
	// Why says why it is missed although it never happened, or why it cannot be measured. Empty: Took says everything.
	Why string
}

// Took is how long it took from one moment to another. If that is not known, why says why.
func (m Measures) Took(from, to Moment) (took time.Duration, why string) {
	begin, end := m.At[from], m.At[to]
	switch {
	case begin.IsZero() && !m.Whole:
		return 0, "the record's beginning is gone"
	case begin.IsZero():
		return 0, "it never began: the record does not say that " + from.Words()
	case end.IsZero():
		return 0, "the record does not say that " + to.Words()
	case end.Before(begin):
		return 0, fmt.Sprintf("it ended %s before it began: two clocks disagree", begin.Sub(end).Round(time.Millisecond))
	}
	return end.Sub(begin), ""
}

// Compare holds the incident against the targets of its handler's runbook.
func (m Measures) Compare() []Compared { return m.Against(TargetsOf(m.Handler)) }

// Against holds the incident against targets.
func (m Measures) Against(targets []Target) []Compared {
	out := make([]Compared, 0, len(targets))
	for _, t := range targets {
		out = append(out, m.compare(t))
	}
	return out
}

func (m Measures) compare(t Target) Compared {
	c := Compared{Target: t, Result: NotMeasurable}
	switch {
	case t.Unknown != "":
		c.Why = t.Unknown
		return c
	case t.Share > 0:
		c.Why = "it is a share of many incidents"
		return c
	}
	took, why := m.Took(t.From, t.To)
	switch {
	case why == "":
		c.Took, c.Result = took, Met
		if took >= t.Limit {
			c.Result = Missed
		}
	case m.At[t.From].IsZero() || !m.At[t.To].IsZero():
		c.Why = why
	default:
		c.unfinished(m)
	}
	return c
}

// unfinished is for what began and has not ended in the record.
func (c *Compared) unfinished(m Measures) {
	end, open := m.At[Closed], m.At[Closed].IsZero()
	if open {
		end = m.Last
	}
	so := end.Sub(m.At[c.From])
	switch {
	case c.To == Mitigated && m.Changes.Sent == 0:
		c.Why = "no change was made"
	case c.To == Mitigated && !open:
		c.Result, c.Took, c.Why = Missed, so, "no change was judged to help"
	case so >= c.Limit:
		c.Result, c.Took, c.Why = Missed, so, "it had not happened when the record ended"
	case open:
		c.Why = "it has not happened yet, and there is time left"
	default:
		c.Why = "the record ended before it happened"
	}
}
