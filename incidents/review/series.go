package review

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/firebreak-sre/firebreak/incidents"
)

const (
	// mostSeries is how many numbers are drawn, and mostPoints how many points each has.
	mostSeries = 4
	mostPoints = 240
)

// series are those that were brought, or else what the record's evidence gives.
func (o Options) series(events []incidents.Event) []Series {
	all := o.Series
	if len(all) == 0 {
		all = fromEvidence(events)
	}
	var out []Series
	for _, s := range all {
		clean := Series{Name: tag(s.Name), Unit: tag(s.Unit)}
		for _, p := range s.Points {
			if !math.IsNaN(p.Value) && math.Abs(p.Value) < 1e300 && !p.At.IsZero() {
				clean.Points = append(clean.Points, Point{At: p.At.UTC(), Value: p.Value})
			}
		}
		slices.SortStableFunc(clean.Points, func(x, y Point) int { return x.At.Compare(y.At) })
		clean.Points = thin(clean.Points)
		if len(clean.Points) > 1 && len(out) < mostSeries {
			out = append(out, clean)
		}
	}
	return out
}

// fromEvidence are the numbers that decisions and judgements rest on. Those that the judgement names come first: they are what the
// change was for.
func fromEvidence(events []incidents.Event) []Series {
	var out []Series
	judged := map[string]bool{}
	for _, e := range events {
		var facts []incidents.Evidence
		switch {
		case e.Kind == incidents.Decided && e.Decision != nil:
			facts = e.Decision.Evidence
		case e.Judgement != nil:
			facts = e.Judgement.Evidence
			for _, f := range facts {
				judged[f.Name] = true
			}
		}
		for _, f := range facts {
			if aside(f.Name) {
				continue
			}
			i := slices.IndexFunc(out, func(s Series) bool { return s.Name == f.Name })
			if i < 0 {
				i = len(out)
				out = append(out, Series{Name: f.Name, Unit: f.Unit})
			}
			out[i].Points = append(out[i].Points, Point{At: e.At, Value: f.Value})
		}
	}
	slices.SortStableFunc(out, func(x, y Series) int { return cmp.Compare(rank(x, judged), rank(y, judged)) })
	return out
}

// rank puts what moves before what does not, and what was judged before what was not.
func rank(s Series, judged map[string]bool) int {
	n := 0
	if least, most := reach(s.Points); least == most {
		n += 2
	}
	if !judged[s.Name] {
		n++
	}
	return n
}

// aside says that a number is about the looking, or about another moment than its own.
func aside(name string) bool {
	switch name {
	case "looks", "busy", "instances":
		return true
	}
	for _, end := range []string{"_before", "_first", "_limit", "_bound"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// reach is the least and the most of some points.
func reach(points []Point) (least, most float64) {
	for i, p := range points {
		if i == 0 || p.Value < least {
			least = p.Value
		}
		if i == 0 || p.Value > most {
			most = p.Value
		}
	}
	return least, most
}

// thin keeps the least and the most of each stretch, so that no peak is lost.
func thin(points []Point) []Point {
	if len(points) <= mostPoints {
		return points
	}
	var out []Point
	stretches := mostPoints / 2
	for i := range stretches {
		part := points[i*len(points)/stretches : (i+1)*len(points)/stretches]
		least, most := 0, 0
		for k, p := range part {
			if p.Value < part[least].Value {
				least = k
			}
			if p.Value > part[most].Value {
				most = k
			}
		}
		out = append(out, part[min(least, most)])
		if least != most {
			out = append(out, part[max(least, most)])
		}
	}
	return out
}
