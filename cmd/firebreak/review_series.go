package main

import (
	"encoding/json"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/poolexhaustion"
	"github.com/firebreak-sre/firebreak/handlers/replicationlag"
	"github.com/firebreak-sre/firebreak/handlers/retrystorm"
	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/review"
)

// shortest is how far two looks must be apart to make a rate: over less a single call more or less is a jump.
const shortest = 200 * time.Millisecond

// seriesOf are the numbers that the recorded looks of an incident tell over time, most telling first. What a look could not read is no
// point. None for a handler whose looks are not known here: the review then takes the numbers that its decisions rest on.
func seriesOf(handler string, events []incidents.Event) []review.Series {
	var out plots
	switch handler {
	case "retrystorm":
		var last *seen[retrystorm.Observation]
		for _, s := range looks[retrystorm.Observation](events) {
			if last != nil && s.at.Sub(last.at) < shortest {
				continue
			}
			out.storm(last, s)
			last = &s
		}
	case "poolexhaustion":
		for _, s := range looks[poolexhaustion.Observation](events) {
			out.pool(s.at, s.what)
		}
	case "replicationlag":
		for _, s := range looks[replicationlag.Observation](events) {
			out.lag(s.at, s.what)
		}
	case "sessiondrift":
		for _, s := range looks[sessiondrift.Observation](events) {
			out.drift(s.at, s.what)
		}
	}
	return out
}

// seen is one look that can be read.
type seen[O any] struct {
	at   time.Time
	what O
}

func looks[O any](events []incidents.Event) []seen[O] {
	var out []seen[O]
	for _, e := range events {
		var o O
		if e.Kind == incidents.Observed && len(e.Seen) > 0 && json.Unmarshal(e.Seen, &o) == nil {
			out = append(out, seen[O]{at: e.At, what: o})
		}
	}
	return out
}

// plots are series while points are added.
type plots []review.Series

func (p *plots) add(name, unit string, at time.Time, v float64) {
	for i := range *p {
		if s := &(*p)[i]; s.Name == name {
			s.Points = append(s.Points, review.Point{At: at, Value: v})
			return
		}
	}
	*p = append(*p, review.Series{Name: name, Unit: unit, Points: []review.Point{{At: at, Value: v}}})
}

// storm adds rates: Prometheus tells them, and two looks at counters do.
func (p *plots) storm(last *seen[retrystorm.Observation], now seen[retrystorm.Observation]) {
	calls, attempts, successes, ok := now.what.Edge.Calls.Value, now.what.Edge.Attempts.Value, now.what.Edge.Successes.Value, false
	switch e := now.what.Edge; {
	case now.what.Source == retrystorm.SourcePrometheus:
		ok = e.Calls.OK && e.Attempts.OK && e.Successes.OK
	case last != nil && now.what.Source == retrystorm.SourceJSON:
		calls, attempts, successes, ok = ratesOf(last.what.Instances, now.what.Instances)
	}
	if !ok {
		return
	}
	p.add("calls that end well", "1/s", now.at, successes)
	p.add("attempts at the dependency", "1/s", now.at, attempts)
	if calls > 0 {
		p.add("attempts per call", "", now.at, attempts/calls)
	}
}

// ratesOf are the rates of all instances that both looks have, by their own times. An instance that began anew in between is left out.
func ratesOf(before, after []retrystorm.Instance) (calls, attempts, successes float64, ok bool) {
	for _, b := range after {
		for _, a := range before {
			seconds := b.At.Sub(a.At).Seconds()
			if a.Name != b.Name || seconds <= 0 || !allCounted(a.Numbers) || !allCounted(b.Numbers) || b.Calls.Value < a.Calls.Value ||
				b.Attempts.Value < a.Attempts.Value || b.Successes.Value < a.Successes.Value {
				continue
			}
			calls += (b.Calls.Value - a.Calls.Value) / seconds
			attempts += (b.Attempts.Value - a.Attempts.Value) / seconds
			successes += (b.Successes.Value - a.Successes.Value) / seconds
			ok = true
		}
	}
	return calls, attempts, successes, ok
}

func allCounted(n retrystorm.Numbers) bool { return n.Calls.OK && n.Attempts.OK && n.Successes.OK }

// pool adds who waits for a connection, and what the server does.
func (p *plots) pool(at time.Time, o poolexhaustion.Observation) {
	waiting, longest, read := 0, 0.0, false
	for _, pooler := range o.Poolers {
		if pooler.Problem != "" {
			continue
		}
		read = true
		for _, db := range pooler.Databases {
			for _, pool := range db.Pools {
				waiting += pool.Waiting
				longest = max(longest, float64(pool.MaxWait))
			}
		}
	}
	if read {
		p.add("clients that wait at the poolers", "", at, float64(waiting))
		p.add("longest wait at the poolers", "s", at, longest)
	}
	if s := o.Server; s.Problem == "" && s.Node != "" {
		p.add("connections in use at "+s.Node, "", at, float64(s.Used))
		p.add("sessions idle in a transaction", "", at, float64(s.Leaked))
	}
}

// lag adds how far each standby is behind the primary, if there is exactly one.
func (p *plots) lag(at time.Time, o replicationlag.Observation) {
	var primary *replicationlag.Primary
	for _, n := range o.Nodes {
		if n.Primary == nil {
			continue
		}
		if primary != nil {
			return
		}
		primary = n.Primary
	}
	if primary == nil {
		return
	}
	for _, n := range o.Nodes {
		if n.Standby == nil || n.Standby.Replayed == nil {
			continue
		}
		behind := 0.0
		if primary.Current > *n.Standby.Replayed {
			behind = float64(primary.Current - *n.Standby.Replayed)
		}
		p.add(n.Name+" is behind by", "B", at, behind)
	}
}

// drift adds who has no owner, how many clients miss their session, and how far each replica is behind.
func (p *plots) drift(at time.Time, o sessiondrift.Observation) {
	if o.Problem != "" {
		return
	}
	if o.Orphans.Problem == "" && o.Orphans.Complete {
		p.add("orphans", "", at, float64(o.Orphans.Count))
		p.add("sessions that are overdue", "", at, float64(o.Orphans.Expired))
	}
	if n := o.Around.NotFound; n != nil {
		p.add("sessions not found", "1/s", at, *n)
	}
	if o.Replicas.Problem != "" {
		return
	}
	for _, r := range o.Replicas.Replicas {
		if r.Known {
			p.add(r.Name+" behind the primary", "s", at, r.LagSeconds)
		}
	}
}
