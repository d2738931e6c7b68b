package ladder

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
)

// at is a moment of a test's own time, in minutes.
func at(minutes int) time.Time {
	return time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC).Add(time.Duration(minutes) * time.Minute)
}

func event(minutes int, kind incidents.Kind) incidents.Event {
	return incidents.Event{V: incidents.Version, Kind: kind, At: at(minutes)}
}

func byPerson(minutes int, kind incidents.Kind) incidents.Event {
	e := event(minutes, kind)
	e.Person = &incidents.Person{Name: "ann", Via: "slack", ID: "U1"}
	return e
}

func opened(minutes, n int, severity string) incidents.Event {
	e := event(minutes, incidents.Opened)
	e.Opening = &incidents.Opening{ID: incidents.NewID("retrystorm", "checkout→payments", n), Handler: "retrystorm", Target: "checkout→payments",
		Alert: alerts.Alert{Fingerprint: "0123456789abcdef", Status: alerts.Firing, Labels: map[string]string{"alertname": "RetryStorm", "severity": severity}}}
	return e
}

func rung(round, number int) incidents.Event {
	e := event(3, incidents.Rung)
	e.Rung = &incidents.Calling{Round: round, Number: number}
	return e
}

// shown is what is due, and the minutes until the next step.
func shown(due []Step, next time.Time) string {
	var s []string
	for _, d := range due {
		s = append(s, fmt.Sprintf("%d.%d %s", d.Round, d.Number, d.Mention))
	}
	if !next.IsZero() {
		s = append(s, fmt.Sprint("next at ", next.Sub(at(0)).Minutes()))
	}
	return strings.Join(s, "; ")
}

// Who is called, and when, is what the record and the time say.
func TestDue(t *testing.T) {
	t.Parallel()
	rungs := Defaults("slack")
	rungs["outage"] = Ladder{From: FromOpened, Rungs: rungs["critical"].Rungs[:2]}
	critical, escalated := opened(0, 1, "critical"), event(2, incidents.Escalated)
	for name, c := range map[string]struct {
		events []incidents.Event
		now    int
		want   string
	}{
		"nothing":                {nil, 99, ""},
		"nobody was called":      {[]incidents.Event{critical, event(1, incidents.Applied)}, 99, ""},
		"called":                 {[]incidents.Event{critical, escalated}, 2, "1.1 on-call; next at 7"},
		"before it was called":   {[]incidents.Event{critical, escalated}, 1, "next at 2"},
		"a minute too early":     {[]incidents.Event{critical, escalated}, 6, "1.1 on-call; next at 7"},
		"on the minute":          {[]incidents.Event{critical, escalated}, 7, "1.1 on-call; 1.2 engineering manager; next at 17"},
		"called twice":           {[]incidents.Event{critical, escalated, event(6, incidents.Escalated)}, 7, "1.1 on-call; 1.2 engineering manager; next at 17"},
		"at the top":             {[]incidents.Event{critical, escalated}, 32, "1.1 on-call; 1.2 engineering manager; 1.3 head of engineering; 1.4 executives"},
		"acknowledged":           {[]incidents.Event{critical, escalated, byPerson(3, incidents.Acked)}, 99, ""},
		"approved":               {[]incidents.Event{critical, escalated, byPerson(3, incidents.Approved)}, 99, ""},
		"overridden":             {[]incidents.Event{critical, escalated, byPerson(3, incidents.Overridden)}, 99, ""},
		"recalled":               {[]incidents.Event{critical, escalated, byPerson(3, incidents.Recalled)}, 99, ""},
		"acknowledged by nobody": {[]incidents.Event{critical, escalated, event(3, incidents.Acked)}, 4, "1.1 on-call; next at 7"},
		"denied is not taken":    {[]incidents.Event{critical, escalated, byPerson(3, incidents.Denied)}, 4, "1.1 on-call; next at 7"},
		"closed":                 {[]incidents.Event{critical, escalated, event(3, incidents.Closed)}, 99, ""},
		"closed, and acked":      {[]incidents.Event{critical, escalated, event(3, incidents.Closed), byPerson(4, incidents.Acked), event(5, incidents.Escalated)}, 99, ""},
		"the first is reached":   {[]incidents.Event{critical, escalated, rung(1, 1)}, 7, "1.2 engineering manager; next at 17"},
		"all are reached":        {[]incidents.Event{critical, escalated, rung(1, 1), rung(1, 2), rung(1, 3), rung(1, 4)}, 99, ""},
		"one between is not":     {[]incidents.Event{critical, escalated, rung(1, 1), rung(1, 3), {Kind: incidents.Rung}}, 17, "1.2 engineering manager; next at 32"},
		"those of another round": {[]incidents.Event{critical, escalated, rung(1, 1), rung(1, 2), byPerson(3, incidents.Acked), event(60, incidents.Escalated),
			rung(2, 1)}, 66, "2.2 engineering manager; next at 75"},
		"called again": {[]incidents.Event{critical, escalated, byPerson(3, incidents.Acked), event(60, incidents.Escalated)}, 66,
			"2.1 on-call; 2.2 engineering manager; next at 75"},
		"high":                  {[]incidents.Event{opened(0, 1, "HIGH"), escalated}, 62, "1.1 engineering manager"},
		"high, too early":       {[]incidents.Event{opened(0, 1, "page"), escalated}, 61, "next at 62"},
		"warning":               {[]incidents.Event{opened(0, 1, "warning"), escalated}, 242, "1.1 tech lead"},
		"unheard of":            {[]incidents.Event{opened(0, 1, "chartreuse"), escalated}, 1442, "1.1 developer"},
		"without a label":       {[]incidents.Event{opened(0, 1, ""), escalated}, 3, "next at 1442"},
		"from the opening":      {[]incidents.Event{opened(0, 1, "outage"), escalated}, 5, "1.1 on-call; 1.2 engineering manager"},
		"its beginning is gone": {[]incidents.Event{escalated}, 3, "next at 1442"},
	} {
		if got := shown(Due(rungs, c.events, at(c.now))); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	if due, next := Due(Rungs{}, []incidents.Event{critical, escalated}, at(99)); due != nil || !next.IsZero() {
		t.Errorf("got %v, %s, want nothing without ladders", due, next)
	}
}

// Ladders that cannot work are refused before anything starts, with all that is wrong with them.
func TestCheck(t *testing.T) {
	t.Parallel()
	known := func(name string) bool { return name == "slack" }
	if err := Defaults("slack").check(known); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	to := []string{"slack"}
	for want, r := range map[string]Rungs{
		`told to "pager"`:      Defaults("pager"),
		"told to nobody":       {"": {Rungs: []Rung{{After: time.Minute}}}},
		"before it began":      {"": {Rungs: []Rung{{After: -time.Minute, To: to}}}},
		"in the order of time": {"": {Rungs: []Rung{{After: time.Hour, To: to}, {To: to}}}},
		"not in lower case":    {"Page": {}},
		`counts from "acked"`:  {"": {From: "acked"}},
	} {
		if err := r.check(known); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}
