package policy

import (
	"encoding/json"
	"slices"
)

// checkAlerts holds that a handler answers something, and nothing twice. otherwise are the alertnames without the key.
func (d *document) checkAlerts(path string, alerts []string, otherwise string) {
	if d.has(path) && len(alerts) == 0 && d.sound(path) {
		d.wrong(path, "is empty, so no alert would be answered: name one, take the key out for %s, or set mode: off", otherwise)
	}
	for i, name := range alerts {
		if here := at(path, i); blank(name) && d.sound(here) {
			d.wrong(here, "is empty: write an alertname, or take it out")
		}
	}
	d.uniqueTexts(path, alerts)
}

// checkAnswers holds that no alert is answered by two handlers: one fault would be two incidents, each with a fix of its own. Handlers that
// are off, or have no targets, answer nothing.
func (d *document) checkAnswers(p *Policy) {
	first := map[string]string{} // the handler that answers an alertname, and where it says so
	where := map[string]string{}
	for _, handler := range handlerNames() {
		if p.mode(handler) == Off || len(p.targets(handler)) == 0 {
			continue
		}
		path := join("handlers", handler) + ".alerts"
		for i, name := range p.alerts(handler) {
			here, other := at(path, i), first[name]
			switch {
			case name == "" || !d.sound(here):
			case other == "":
				first[name], where[name] = handler, here
			case other == handler: // which is said already
			case d.has(here):
				d.wrong(here, "is answered by handlers.%s too, and one alert is one incident: take it out of one of the two", other)
			default:
				d.wrong(where[name], "is answered by handlers.%s too (by default), and one alert is one incident: take it out of one of the two", handler)
			}
		}
	}
}

// alerts are the alertnames that a handler answers.
func (p Policy) alerts(handler string) []string {
	switch handler {
	case retryStorm:
		return p.Handlers.RetryStorm.Alerts
	case replicationLag:
		return p.Handlers.ReplicationLag.Alerts
	case poolExhaustion:
		return p.Handlers.PoolExhaustion.Alerts
	case sessionDrift:
		return p.Handlers.SessionDrift.Alerts
	}
	return nil
}

// checkMode holds that a target allows no more than its handler. whose is what the target is: "an edge".
func (d *document) checkMode(path string, mode Mode, theirs string, handler Mode, whose string) {
	if d.sound(path, theirs) && handler.stricter(mode) {
		d.wrong(path, "%s is looser than the handler's mode %s: %s can only be stricter: write %s, or raise %s",
			mode, handler, whose, alternatives(modes()[:slices.Index(modes(), string(handler))+1]), theirs)
	}
}

// checkVerify holds that an effect is looked for at least twice.
func (d *document) checkVerify(path string, within, every Duration) {
	if !d.sound(path+".verify_within", path+".sample_every") || within >= 2*every {
		return
	}
	key := "verify_within"
	if !d.has(path + ".verify_within") {
		key = "sample_every"
	}
	d.wrong(path+"."+key, "verify_within (%s) must be at least twice sample_every (%s), so that two looks tell what a fix did: raise the one, or lower the other",
		within.short(), every.short())
}

// checkLabels looks at the labels that an alert must carry.
func (d *document) checkLabels(path string, match map[string]string) {
	for label, value := range match {
		if here := join(path, label); d.has(here) && d.sound(here) && blank(value) {
			d.wrong(here, "is empty: write the value that the alert's label has")
		}
	}
}

// labels are labels as one text, whatever their order, or "" if there are none.
func labels(match map[string]string) string {
	if len(match) == 0 {
		return ""
	}
	text, err := json.Marshal(match) // sorts the keys
	if err != nil {
		return ""
	}
	return string(text)
}

// entry is one value, and where it stands.
type entry struct{ path, value string }

// distinct reports values that are there twice, wherever they stand; advice is what to do about it. Empty ones are none.
func (d *document) distinct(list []entry, advice string) { d.distinctFrom(0, list, advice) }

// distinctFrom is distinct for a list whose first n entries were looked at before.
func (d *document) distinctFrom(n int, list []entry, advice string) {
	first := map[string]string{}
	for i, e := range list {
		if e.value == "" || !d.sound(e.path) {
			continue
		}
		other, twice := first[e.value]
		switch {
		case !twice:
			first[e.value] = e.path
		case i >= n:
			d.wrong(e.path, "is the same as %s: %s", other, advice)
		}
	}
}
