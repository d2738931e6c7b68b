package retrystorm

import "github.com/firebreak-sre/firebreak/incidents"

// facts collects evidence. A value that cannot be written as JSON is left out.
type facts []incidents.Evidence

func (f *facts) add(name string, value float64, unit, text string) {
	if finite(value) {
		*f = append(*f, incidents.Evidence{Name: name, Value: value, Unit: unit, Words: text})
	}
}

// edge adds what one sample says. The suffix tells samples apart, e.g. "_before".
func (f *facts) edge(r rates, suffix string) {
	if len(r.parts) == 0 {
		return
	}
	f.add("calls"+suffix, r.Calls, "1/s", words("%.1f calls/s, %.0f covered in %.1f s", r.Calls, r.Covered, r.seconds()))
	f.add("attempts"+suffix, r.Attempts, "1/s", words("%.1f attempts/s at the dependency", r.Attempts))
	f.add("goodput"+suffix, r.Successes, "1/s", words("%.1f calls/s end well, %s of them all", r.Successes, percent(r.served())))
	f.add("ratio"+suffix, r.ratio(), "", words("%.2f attempts per call", r.ratio()))
	f.add("error_share"+suffix, r.errorShare(), "", words("%s of the attempts fail", percent(r.errorShare())))
}

// evidence is what a decision rests on: the newest sample, the goodput of the first one, the gauges and what was read.
func (r reading) evidence() []incidents.Evidence {
	var f facts
	if n := len(r.samples); n > 0 {
		f.edge(r.samples[n-1], "")
		if n > 1 {
			first, newest, _ := common(r.samples[0], r.samples[n-1])
			f.add("goodput_first", first.Successes, "1/s", words("the goodput was %.1f/s and is %.1f/s", first.Successes, newest.Successes))
			f.add("attempts_first", first.Attempts, "1/s", words("the attempts were %.1f/s and are %.1f/s", first.Attempts, newest.Attempts))
		}
	}
	if n := len(r.looks); n > 0 {
		f.gauges(r.looks[n-1].Seen)
	}
	f.add("looks", float64(len(r.looks)), "", words("%d looks without a long pause between them", len(r.looks)))
	f.add("busy", float64(r.Busy), "", words("%d other edges have an open incident", r.Busy))
	return f
}

// gauges adds what the last look says about now, and how many instances it could read.
func (f *facts) gauges(o Observation) {
	if n := o.poolWaiting(); n.usable() {
		f.add("pool_waiting", n.Value, "", words("%.0f callers wait for a database connection", n.Value))
	}
	if n := o.queueAge(); n.usable() {
		f.add("queue_age", n.Value, "s", words("the oldest request has waited %.1f s", n.Value))
	}
	if o.Source == SourceJSON {
		text := words("%d of %d instances could be read", o.Readable(), len(o.Instances))
		if o.Readable() < len(o.Instances) {
			text += "; " + o.firstBad()
		}
		f.add("instances", float64(o.Readable()), "", text)
	}
}

// evidence is what a judgement rests on: both samples and the gauges of the last look.
func (j *judging) evidence() []incidents.Evidence {
	var f facts
	f.edge(j.after, "")
	f.edge(j.before, "_before")
	if n := len(j.After); n > 0 {
		f.gauges(j.After[n-1].Seen)
	}
	return f
}
