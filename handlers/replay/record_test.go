package replay_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/handlers/replay"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// family finds a target sick whose reading is above its limit, and judges a change by the same.
type family struct {
	limit float64
	cause string
	mode  policy.Mode
	hold  time.Duration
	fix   string
}

type reading struct {
	Value float64 `json:"value"`
}

func (f family) Name() string { return "family" }

func (f family) Target(a alerts.Alert) (think.Target, bool) {
	return think.Target{Name: a.Labels["target"], Domain: "domain", Zone: "zone", Mode: f.mode}, true
}

func (f family) Targets() []think.Target {
	var list []think.Target
	for i := range 10 {
		list = append(list, think.Target{Name: fmt.Sprint("t", i), Domain: "domain", Zone: "zone", Mode: f.mode})
	}
	return list
}

func (f family) Decide(c think.Case[reading]) incidents.Decision {
	last := c.Before[len(c.Before)-1].Seen.Value
	d := incidents.Decision{Cause: "well", Verdict: incidents.FalsePositive, Evidence: []incidents.Evidence{{Name: "value", Value: last}}}
	if last > f.limit {
		d.Cause, d.Verdict = f.cause, incidents.Act
		d.Until = c.Now.Add(5 * time.Second)
		d.Step = &remediations.Step{Remediation: "world", Service: "s", Edge: c.Target.Name, Fix: f.fix, TTL: policy.Duration(f.hold), Limit: policy.Duration(f.hold), Timeout: policy.Duration(time.Second)}
		d.Verify = &incidents.Verify{Every: policy.Duration(time.Second), Within: policy.Duration(time.Minute)}
	}
	return d
}

func (f family) Judge(c think.Case[reading]) incidents.Judgement {
	if n := len(c.After); n > 0 && c.After[n-1].Seen.Value <= f.limit {
		return incidents.Judgement{Effect: incidents.Improved}
	}
	return incidents.Judgement{Effect: incidents.Worse}
}

// sickAbove is a family that acts by itself above a limit.
func sickAbove(limit float64) family {
	return family{limit: limit, cause: "sick", mode: policy.Auto, hold: 5 * time.Minute, fix: "open"}
}

func rules(f family) replay.Rules {
	limits := policy.Default().Limits
	limits.AlertMaxAge = policy.Duration(10 * time.Minute)
	class := remediations.ClassA
	if f.fix == "risky" {
		class = remediations.ClassP
	}
	return replay.Rules{Hash: "h1", Build: "b1", Thinkers: map[string]*think.Bound{"family": think.Bind(f)},
		Permits: func(string, string, string, string) bool { return true }, Anyone: func(string, string, string) bool { return true },
		Bounds: func(remediations.Step) (remediations.Bounds, bool) {
			return remediations.Bounds{Class: class, MaxLimit: time.Hour}, true
		},
		Windows: func(string, string, time.Time) *remediations.NoError { return nil }, Limits: limits}
}

// course writes a record as the loop would, by the family that it runs.
type course struct {
	t     *testing.T
	f     family
	id    incidents.ID
	st    incidents.State
	seq   *uint64
	out   *[]replay.Message
	class remediations.Class
	name  string
}

func at(seconds int) time.Time {
	return time.Date(2026, 11, 23, 3, 0, seconds, 0, time.UTC)
}

type tape struct {
	t    *testing.T
	seq  uint64
	list []replay.Message
}

// open opens the n-th incident of a target.
func (p *tape) open(f family, target string, seconds int) *course {
	c := &course{t: p.t, f: f, id: incidents.NewID("family", target, 1), st: incidents.State{Stage: incidents.Looking}, seq: &p.seq, out: &p.list, class: remediations.ClassA, name: target}
	if f.fix == "risky" {
		c.class = remediations.ClassP
	}
	c.put(seconds, incidents.Event{Kind: incidents.Opened, Opening: &incidents.Opening{ID: c.id, Handler: "family", Target: target, Domain: "domain", Alert: c.alert(alerts.Firing, seconds)}})
	return c
}

func (c *course) alert(s alerts.Status, seconds int) alerts.Alert {
	a := alerts.Alert{Status: s, Fingerprint: "f", Labels: map[string]string{"target": c.name, "alertname": "Sick"}, StartsAt: at(0)}
	a.Delivery.At = at(seconds)
	return a
}

func (c *course) put(seconds int, events ...incidents.Event) {
	for i := range events {
		events[i].V, events[i].At = incidents.Version, at(seconds)
		c.st.Apply(events[i])
	}
	*c.seq++
	*c.out = append(*c.out, replay.Message{ID: c.id, Seq: *c.seq, At: at(seconds), Events: events})
}

func (c *course) observed(value float64) incidents.Event {
	seen, err := json.Marshal(reading{value})
	if err != nil {
		c.t.Fatal(err)
	}
	return incidents.Event{Kind: incidents.Observed, Seen: seen}
}

// look looks and decides, with what follows in the same message.
func (c *course) look(seconds int, value float64, rest ...incidents.Event) incidents.Decision {
	seen := c.st
	observed := c.observed(value)
	observed.At = at(seconds)
	seen.Apply(observed)
	d, err := think.Bind(c.f).Decide(think.Scene{Target: think.Target{Name: c.st.Target, Mode: c.f.mode}, State: &seen, Now: at(seconds)})
	if err != nil {
		c.t.Fatal(err)
	}
	decided := incidents.Event{Kind: incidents.Decided, Decision: &d, Plan: incidents.PlanOf(&seen, "domain", c.class, d).Hash(),
		Basis: &incidents.Basis{Policy: "h1", Build: "b1"}}
	for i := range rest {
		switch rest[i].Kind {
		case incidents.Intended:
			rest[i].Order = &remediations.Order{Step: *d.Step, Plan: decided.Plan, Action: "a"}
		case incidents.Asked:
			rest[i].Plan = decided.Plan
			rest[i].Asking = &incidents.Asking{ID: "x", Plan: decided.Plan, Class: c.class, Step: *d.Step, Need: 1, Until: at(seconds + 600)}
		}
	}
	c.put(seconds, append([]incidents.Event{observed, decided}, rest...)...)
	return d
}

// act confirms and makes the change, which is judged improved and taken back at the end.
func (c *course) act(seconds int, value float64) {
	c.look(seconds, value)
	c.look(seconds+5, value, incidents.Event{Kind: incidents.Intended})
	c.stand(seconds + 5)
}

func (c *course) stand(seconds int) {
	o := c.st.Fix().Order
	c.put(seconds, incidents.Event{Kind: incidents.Issuing, Order: &o})
	c.put(seconds, incidents.Event{Kind: incidents.Applied, Receipt: &remediations.Receipt{}})
	c.put(seconds+10, c.observed(1), incidents.Event{Kind: incidents.Verified, Judgement: &incidents.Judgement{Effect: incidents.Improved}}, incidents.Event{Kind: incidents.Held})
	c.put(seconds+20, incidents.Event{Kind: incidents.Reverting})
	c.put(seconds+20, incidents.Event{Kind: incidents.Reverted})
}

func refusal(r remediations.Reason) incidents.Event {
	return incidents.Event{Kind: incidents.Refused, Refusal: &incidents.Refusal{Reason: r, Words: "no"}}
}

func (c *course) close(seconds int) {
	a := c.alert(alerts.Resolved, seconds)
	c.put(seconds, incidents.Event{Kind: incidents.AlertSeen, Alert: &a})
	c.put(seconds, incidents.Event{Kind: incidents.Closed, Closing: &incidents.Closing{Outcome: incidents.OutcomeFixed}})
}
