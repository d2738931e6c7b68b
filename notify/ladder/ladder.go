// Package ladder calls the next person when nobody has come.
//
//	a person is needed ─▶ rung 1 ─▶ rung 2 ─▶ … ─▶ the last rung
//	                        └──────────┴── a person takes it, or it closes: silence
//
// Which rungs are due is a function of the record and the time, see [Due]. Time counts from when a person was called (or from the
// opening, where the ladder says so), until a person takes the incident: they acknowledged, approved, overrode or recalled something. If
// one is called again after that, it begins anew, as another round.
//
// # Once
//
// A rung that is reached becomes an event of the incident's record, by compare-and-append: once over all replicas and restarts. It is
// appended only while the incident is open and nobody has taken it, since whoever takes it or closes it appends too, and the second of two
// that append at once must think again.
//
// # Telling
//
// Nobody is told here. Whoever tells places of the record tells those of the event that it names (see notify.Teller), as often as it takes.
//
// # Durable
//
// What is open stands on an agenda that outlives every process. Nothing is remembered here.
package ladder

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
)

// Start is what a ladder's time counts from.
type Start string

// The starts.
const (
	// FromEscalated counts from when Firebreak called a person. What it repairs by itself climbs no ladder. It is the default.
	FromEscalated Start = "escalated"
	// FromOpened counts from the first alert, whether or not Firebreak is at work on it.
	FromOpened Start = "opened"
)

// Ladder is who is told after how long.
type Ladder struct {
	From  Start
	Rungs []Rung
}

// Rung is one step of a ladder.
type Rung struct {
	// After is how long nobody may have taken the incident. 0: told at once.
	After time.Duration
	// To are the names of the places that are told, as the policy has them.
	To []string
	// Mention is who is named there, as Slack understands it.
	Mention string
}

// Rungs are the ladders by the alert's label severity, in lower case. The one of "" is for all other severities, and for none.
type Rungs map[string]Ladder

// Defaults are the ladders of the runbooks, all told to the same places.
func Defaults(to ...string) Rungs {
	rung := func(after time.Duration, who string) Rung { return Rung{After: after, To: to, Mention: who} }
	one := func(r ...Rung) Ladder { return Ladder{From: FromEscalated, Rungs: r} }
	high, medium := one(rung(time.Hour, "engineering manager")), one(rung(4*time.Hour, "tech lead"))
	return Rungs{
		"critical": one(rung(0, "on-call"), rung(5*time.Minute, "engineering manager"), rung(15*time.Minute, "head of engineering"),
			rung(30*time.Minute, "executives")),
		"high": high, "error": high, "page": high,
		"warning": medium, "medium": medium,
		"": one(rung(24*time.Hour, "developer")),
	}
}

// of is the ladder of a severity.
func (r Rungs) of(severity string) Ladder {
	if l, ok := r[strings.ToLower(severity)]; ok {
		return l
	}
	return r[""]
}

// check says everything that is wrong with the ladders. known are the names of the places.
func (r Rungs) check(known func(string) bool) error {
	var errs []error
	for _, severity := range slices.Sorted(maps.Keys(r)) {
		l := r[severity]
		add := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("ladder of severity %q: %w", severity, fmt.Errorf(format, args...)))
		}
		if severity != strings.ToLower(severity) {
			add("it is not in lower case")
		}
		if l.From != "" && l.From != FromEscalated && l.From != FromOpened {
			add("it counts from %q, which is neither %q nor %q", l.From, FromEscalated, FromOpened)
		}
		if !slices.IsSortedFunc(l.Rungs, func(a, b Rung) int { return cmp.Compare(a.After, b.After) }) {
			add("its rungs are not in the order of time")
		}
		for i, rung := range l.Rungs {
			if rung.After < 0 || len(rung.To) == 0 {
				add("rung %d is told to nobody, or before it began", i+1)
			}
			for _, to := range rung.To {
				if !known(to) {
					add("rung %d is told to %q, and there is no such place", i+1, to)
				}
			}
		}
	}
	return errors.Join(errs...)
}

// Step is one rung of one incident.
type Step struct {
	Rung
	// Round counts from 1 how often a person was called who came; Number counts the round's rungs from 1, Of are how many there are.
	Round, Number, Of int
	// Severity is the label's value, Since when the round began, At when the step was due.
	Severity  string
	Since, At time.Time
}

// event is the step as the record has it.
func (s Step) event(now time.Time) incidents.Event {
	return incidents.Event{V: incidents.Version, Kind: incidents.Rung, At: now, By: "ladder", Rung: &incidents.Calling{Round: s.Round,
		Number: s.Number, Of: s.Of, After: policy.Duration(s.After), Severity: s.Severity, To: s.To, Mention: s.Mention}}
}

// Due says which steps of a record's ladder are due and not in the record yet, oldest first, and when the next one is; zero if there is
// none. It is a function of what it is given.
func Due(rungs Rungs, events []incidents.Event, now time.Time) (due []Step, next time.Time) {
	c := climb(rungs, events)
	if !c.climbing {
		return nil, time.Time{}
	}
	for i, rung := range c.ladder.Rungs {
		s := Step{Rung: rung, Round: c.round, Number: i + 1, Of: len(c.ladder.Rungs), Severity: c.severity, Since: c.since, At: c.since.Add(rung.After)}
		if s.At.After(now) {
			return due, s.At
		}
		if !c.reached[s.Number] {
			due = append(due, s)
		}
	}
	return due, time.Time{}
}

// climbing is where an incident stands on its ladder.
type climbing struct {
	ladder   Ladder
	severity string
	climbing bool
	round    int
	since    time.Time
	// reached are the numbers of the round's rungs that are in the record.
	reached map[int]bool
}

func climb(rungs Rungs, events []incidents.Event) climbing {
	c := climbing{ladder: rungs.of("")}
	begin := func(e incidents.Event) {
		if !c.climbing {
			c.climbing, c.since = true, e.At
			c.round++
			c.reached = map[int]bool{}
		}
	}
	for _, e := range events {
		switch e.Kind {
		case incidents.Opened:
			if e.Opening != nil {
				c.severity = e.Opening.Alert.Labels["severity"]
				c.ladder = rungs.of(c.severity)
			}
			if c.ladder.From == FromOpened {
				begin(e)
			}
		case incidents.Escalated:
			begin(e)
		case incidents.Rung:
			if e.Rung != nil && e.Rung.Round == c.round {
				c.reached[e.Rung.Number] = true
			}
		case incidents.Acked, incidents.Approved, incidents.Overridden, incidents.Recalled:
			if e.Person != nil {
				c.climbing = false
			}
		case incidents.Closed:
			c.climbing = false
			return c // an acknowledgement may come behind the end; nobody is called there
		}
	}
	return c
}
