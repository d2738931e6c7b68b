package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

// limits are so wide that no test meets one that it does not set.
func limits(change func(*policy.Limits)) policy.Limits {
	none, noneRisky := policy.Duration(0), policy.Duration(0)
	wide := policy.Budget{Hour: 1000, Day: 1000, Concurrent: 1000}
	l := policy.Limits{PerDomain: wide, PerAction: wide, Global: wide, Cooldown: &none, CooldownRisky: &noneRisky,
		Chain: policy.Chain{Fixes: 1000}}
	if change != nil {
		change(&l)
	}
	return l
}

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// after is so many minutes after noon.
func after(minutes float64) time.Time {
	return noon().Add(time.Duration(minutes * float64(time.Minute)))
}

// ask is for a fix in a domain of its own zone, with a target that is named for the domain.
func ask(incident, domain string, change func(*ledger.Ask)) ledger.Ask {
	a := ledger.Ask{Incident: incident, Domain: domain, Zone: "eu", Target: "pool:" + domain, Action: "breaker/open",
		Class: remediations.ClassA, Sick: 1, Known: 10}
	if change != nil {
		change(&a)
	}
	return a
}

func emptyBook(t *testing.T) *ledger.Book {
	t.Helper()
	b, err := ledger.ReadBook(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// through is the book as the next replica reads it.
func through(t *testing.T, b *ledger.Book) *ledger.Book {
	t.Helper()
	doc, err := b.JSON()
	if err != nil {
		t.Fatal(err)
	}
	next, err := ledger.ReadBook(doc)
	if err != nil {
		t.Fatalf("%v of %s", err, doc)
	}
	return next
}

// kind is what a step does.
type kind int

const (
	reserve kind = iota
	release
	ack
	surge
)

// step is one thing that is done to a book, and what an ask must be answered: a reason, or "" for yes.
type step struct {
	at       float64 // minutes
	kind     kind
	incident string
	domain   string
	action   string
	class    remediations.Class
	sick     int
	override bool
	doubt    bool
	want     remediations.Reason
	until    time.Time
	by       string
}

func (s step) ask() ledger.Ask {
	return ask(s.incident, s.domain, func(a *ledger.Ask) {
		a.Override = s.override
		if s.action != "" {
			a.Action = s.action
		}
		if s.class != "" {
			a.Class = s.class
		}
		if s.sick != 0 {
			a.Sick = s.sick
		}
	})
}

// scenario is one book under one policy. The book is written and read again after every step.
type scenario struct {
	name   string
	limits policy.Limits
	steps  []step
}

func (c scenario) run(t *testing.T) {
	t.Helper()
	b := emptyBook(t)
	for i, s := range c.steps {
		name := fmt.Sprintf("%s, step %d", c.name, i)
		switch s.kind {
		case release:
			b.Release(c.limits, ledger.End{Incident: s.incident, Domain: s.domain, Class: s.class, Doubt: s.doubt}, after(s.at))
		case ack:
			if _, err := b.Ack(c.limits, s.incident, s.domain, "pool:"+s.domain, after(s.at)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case surge:
			b.Surge(c.limits, s.domain, after(s.at))
		default:
			grant, no, _ := b.Reserve(c.limits, s.ask(), after(s.at))
			s.judge(t, name, grant, no)
		}
		b = through(t, b)
	}
}

func (s step) judge(t *testing.T, name string, grant remediations.Grant, no *remediations.NoError) {
	t.Helper()
	switch {
	case s.want == "" && no != nil:
		t.Errorf("%s: got %v, want a grant", name, no)
	case s.want == "" && grant.Fence == 0:
		t.Errorf("%s: got a grant without a fence", name)
	case s.want == "":
	case no == nil:
		t.Errorf("%s: got %+v, want %s", name, grant, s.want)
	case no.Reason != s.want || no.By != s.by || !no.Until.Equal(s.until) || no.Words == "" || grant != (remediations.Grant{}):
		t.Errorf("%s: got %+v with grant %+v, want %s by %q until %s", name, *no, grant, s.want, s.by, s.until)
	}
}
