package retrystorm

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/think"
)

// look is one recorded observation of an edge.
type look = think.Look[Observation]

// rates are what an edge did over one span: between two looks at counters, or in the window of one look at Prometheus.
type rates struct {
	From, To time.Time
	// Calls, Attempts, Successes and Failures are per second, summed over the instances that could be compared.
	Calls, Attempts, Successes, Failures float64
	// Covered are the calls that the span covers: what its statistics rest on.
	Covered float64
	// Read of Of instances could be compared. Both are 1 for Prometheus.
	Read, Of int
	// windowed says that Prometheus computed them: they overlap with those of the neighbouring looks.
	windowed bool
	parts    []part
}

// part is what one instance did: counts, and the seconds that they took.
type part struct {
	name                                 string
	seconds                              float64
	calls, attempts, successes, failures float64
}

// newRates sums parts up.
func newRates(from, to time.Time, of int, parts []part) rates {
	r := rates{From: from, To: to, Read: len(parts), Of: of, parts: parts}
	for _, p := range parts {
		r.Calls += p.calls / p.seconds
		r.Attempts += p.attempts / p.seconds
		r.Successes += p.successes / p.seconds
		r.Failures += p.failures / p.seconds
		r.Covered += p.calls
	}
	return r
}

// ratio is attempts per call: 1 when nobody retries. Without any call it is 0.
func (r rates) ratio() float64 { return share(r.Attempts, r.Calls) }

// errorShare is the share of the attempts that failed at the dependency.
func (r rates) errorShare() float64 { return min(share(r.Failures, r.Attempts), 1) }

// served is the share of the calls that ended well.
func (r rates) served() float64 { return share(r.Successes, r.Calls) }

// seconds is how long the span is.
func (r rates) seconds() float64 {
	longest := 0.0
	for _, p := range r.parts {
		longest = max(longest, p.seconds)
	}
	return longest
}

func share(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return part / whole
}

// common restricts two spans to the instances that are in both, so that an instance which could not be read, or
// was restarted, is not taken for a change of the load.
func common(a, b rates) (rates, rates, bool) {
	only := func(r, other rates) rates {
		kept := slices.DeleteFunc(slices.Clone(r.parts), func(p part) bool {
			return !slices.ContainsFunc(other.parts, func(q part) bool { return q.name == p.name })
		})
		return newRates(r.From, r.To, r.Of, kept)
	}
	x, y := only(a, b), only(b, a)
	return x, y, len(x.parts) > 0
}

// madeAt is when a look began: the earlier of what the observation and the record say.
func madeAt(l look) time.Time {
	if !l.Seen.At.IsZero() && (l.At.IsZero() || l.Seen.At.Before(l.At)) {
		return l.Seen.At
	}
	return l.At
}

// maxGap is the longest pause between two looks that are still one story. After a longer one, e.g. a restart of
// Firebreak, the looks before it are too old to agree with anything.
func (h *Handler) maxGap() time.Duration {
	return max(30*time.Second, 6*h.thresholds.SampleEvery.D())
}

// recent are the last looks without a long pause, a step back in time or a change of source between them, oldest first.
func (h *Handler) recent(looks []look) []look {
	start := len(looks)
	source := Source("")
	for start > 0 {
		l := looks[start-1]
		if start < len(looks) {
			gap := madeAt(looks[start]).Sub(madeAt(l))
			if gap < 0 || gap > h.maxGap() {
				break
			}
		}
		if s := l.Seen.Source; s != "" {
			if source != "" && s != source {
				break
			}
			source = s
		}
		start--
	}
	return looks[start:]
}

// spans turns looks into rates, oldest first: one for each readable look at Prometheus, one for each two
// neighbouring readable looks at counters. Looks that cannot be judged are left out.
func (h *Handler) spans(looks []look) []rates {
	var spans []rates
	var last *look
	for i := range looks {
		l := &looks[i]
		if l.Seen.Problem() != "" {
			continue
		}
		switch {
		case l.Seen.Source == SourcePrometheus:
			spans = append(spans, h.window(*l))
		case last != nil:
			if r := between(*last, *l); majority(r.Read, r.Of) {
				spans = append(spans, r)
			}
		}
		last = l
	}
	return spans
}

// window is what one look at Prometheus tells. Without a known window it is taken to cover one pause between looks.
func (h *Handler) window(l look) rates {
	length := l.Seen.Window.D()
	if length <= 0 {
		length = h.thresholds.SampleEvery.D()
	}
	s, n, at := length.Seconds(), l.Seen.Edge, madeAt(l)
	r := newRates(at.Add(-l.Seen.Window.D()), at, 1, []part{{
		seconds: s, calls: n.Calls.Value * s, attempts: n.Attempts.Value * s,
		successes: n.Successes.Value * s, failures: n.Failures.Value * s,
	}})
	r.windowed = true
	return r
}

// between is the difference of two looks at counters. An instance is left out if it is not in both, or if one of its
// counters fell: it was restarted in between, and what it did is not known.
func between(a, b look) rates {
	var parts []part
	for _, new := range b.Seen.Instances {
		i := slices.IndexFunc(a.Seen.Instances, func(x Instance) bool { return x.Name == new.Name })
		if i < 0 || new.problem() != "" || a.Seen.Instances[i].problem() != "" {
			continue
		}
		if p, ok := difference(a.Seen.Instances[i], new); ok {
			parts = append(parts, p)
		}
	}
	return newRates(madeAt(a), madeAt(b), len(b.Seen.Instances), parts)
}

// difference is what one instance did between two looks; false if it was restarted, or if no time passed.
func difference(a, b Instance) (part, bool) {
	p := part{name: b.Name, seconds: b.At.Sub(a.At).Seconds()}
	if p.seconds <= 0 {
		return part{}, false
	}
	old, new := a.required(), b.required()
	var d [4]float64
	for i := range d {
		if d[i] = new[i].Value - old[i].Value; d[i] < 0 {
			return part{}, false
		}
	}
	p.calls, p.attempts, p.successes, p.failures = d[0], d[1], d[2], d[3]
	return p, true
}

// samples are up to n independent samples, oldest first. Two of them are never closer than half of sample_every. Counters
// of a slow edge are added up over more looks until a sample covers min_calls; if there are not enough, the oldest
// sample covers less. Prometheus' windows are never added up, since they overlap.
func (h *Handler) samples(looks []look, n int) []rates {
	spans := h.spans(looks)
	apart := h.thresholds.SampleEvery.D() / 2
	var found []rates
	for i := len(spans) - 1; i >= 0 && len(found) < n; i-- {
		r := spans[i]
		if r.windowed {
			if len(found) == 0 || found[len(found)-1].To.Sub(r.To) >= apart {
				found = append(found, r)
			}
			continue
		}
		for i > 0 && (r.Covered < h.thresholds.MinCalls || r.To.Sub(r.From) < apart) {
			i--
			r = joined(spans[i], r)
		}
		found = append(found, r)
	}
	slices.Reverse(found)
	return found
}

// joined adds two neighbouring spans up, instance by instance.
func joined(a, b rates) rates {
	parts := slices.Clone(b.parts)
	for _, p := range a.parts {
		i := slices.IndexFunc(parts, func(q part) bool { return q.name == p.name })
		if i < 0 {
			parts = append(parts, p)
			continue
		}
		q := &parts[i]
		q.seconds += p.seconds
		q.calls += p.calls
		q.attempts += p.attempts
		q.successes += p.successes
		q.failures += p.failures
	}
	r := newRates(a.From, b.To, b.Of, parts)
	r.Of = max(r.Of, r.Read)
	return r
}

// finite says that a number can be written as JSON.
func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// words formats a sentence for people.
func words(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// percent is a share for people.
func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }
