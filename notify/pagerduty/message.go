package pagerduty

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/PagerDuty/go-pagerduty"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/notify"
)

const (
	// maxSummary is in runes, maxBody in bytes: PagerDuty takes 512 KB, and says not which.
	maxSummary = 1024
	maxBody    = 512_000
	// maxLines is how many lines of a kind are shown at first; half as many each time that it does not fit.
	maxLines = 200
)

// The paths of the Events API.
const (
	eventPath  = "/v2/enqueue"
	changePath = "/v2/change/enqueue"
)

// told is what there is to tell.
type told struct {
	action  action
	outcome notify.Outcome
	// till are the events up to the one that is told of, and with it; then is the state that they make.
	till []incidents.Event
	then *incidents.State
	// now is the newest state, which may be an hour ahead.
	now *incidents.State
}

// message is the request's path and body.
func (c Config) message(t told) (path string, body []byte, err error) {
	path = eventPath
	if t.action == change {
		path = changePath
	}
	for lines := maxLines; ; lines /= 2 {
		if body, err = json.Marshal(c.event(t, lines)); err != nil {
			return "", nil, fmt.Errorf("encode an event of %s: %w", t.outcome.Incident, err)
		}
		if len(body) <= maxBody || lines == 0 {
			return path, body, nil
		}
	}
}

func (c Config) event(t told, lines int) any {
	o := t.outcome
	switch t.action {
	case acknowledge, resolve:
		return pagerduty.V2Event{RoutingKey: c.RoutingKey.Reveal(), Action: string(t.action), DedupKey: DedupKey(o.Incident)}
	case change:
		return pagerduty.ChangeEvent{RoutingKey: c.RoutingKey.Reveal(), Links: c.links(t.then), Payload: pagerduty.ChangeEventPayload{
			Summary: c.summary(t), Source: source(o), Timestamp: stamp(o.At), CustomDetails: c.details(t, lines).asMap()}}
	}
	e := pagerduty.V2Event{
		RoutingKey: c.RoutingKey.Reveal(), Action: string(trigger), DedupKey: DedupKey(o.Incident), Client: c.Client, ClientURL: c.ClientURL,
		Payload: &pagerduty.V2Payload{Summary: c.summary(t), Source: source(o), Severity: c.severity(o.Labels["severity"]), Timestamp: stamp(o.At),
			Component: plain(o.Labels["service"], maxName), Group: plain(o.Handler, maxName), Class: plain(o.Alert, maxName),
			Details: c.details(t, lines)},
	}
	if !t.now.Open() {
		e.Payload.Severity = severityInfo // it is told late, and over: nobody is to get up for it
	}
	for _, l := range c.links(t.then) {
		e.Links = append(e.Links, l)
	}
	return e
}

func (c Config) details(t told, lines int) details {
	d := detailsOf(t.then, t.till, lines)
	d.Event, d.ID = plain(t.outcome.Words, maxWords), t.outcome.ID
	if !t.now.Open() && t.action == trigger {
		d.Late = "this is told late; by now the incident has ended: " + now(t.now)
	}
	return d
}

// summary is the line that people are woken with.
func (c Config) summary(t told) string {
	o := t.outcome
	about := plain(o.Alert, maxName)
	if about == "" {
		about = o.Handler
	}
	s := fmt.Sprintf("%s on %s: %s", about, plain(o.Target, maxName), o.Words)
	switch {
	case t.action == change:
		s = fmt.Sprintf("Firebreak on %s: %s", plain(o.Target, maxName), o.Words)
		if plan := planWords(t.then); plan != "" {
			s += " (" + plan + ")"
		}
	case !t.now.Open():
		s = "[already ended] " + s
	}
	return plain(s, maxSummary)
}

// source is what is broken. It must not be empty.
func source(o notify.Outcome) string {
	if s := plain(o.Target, maxName); s != "" {
		return s
	}
	return "firebreak"
}

// stamp is when it happened, in the form that PagerDuty takes. It may have happened long before it is told.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// links are where people find more. Those of the alert were written by strangers.
func (c Config) links(st *incidents.State) []pagerduty.ChangeEventLink {
	var out []pagerduty.ChangeEventLink
	add := func(name, to string) {
		if a, ok := address(to); ok {
			out = append(out, pagerduty.ChangeEventLink{Href: a, Text: name})
		}
	}
	if c.Console != "" {
		add("The incident in Firebreak", consoleURL(c.Console, st.ID.String()))
	}
	add("Runbook", st.Opening.Alert.Annotations["runbook_url"])
	add("The alert's expression", st.Opening.Alert.GeneratorURL)
	return out
}
