package slack

import (
	"fmt"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
)

// asked is the last asking of a record and what became of it.
type asked struct {
	asking *incidents.Asking
	yes    []incidents.Said
	// end is denied, expired, voided, or intended for "it was carried out"; empty while it is open.
	end  incidents.Kind
	at   time.Time
	by   *incidents.Person
	note string
}

// lastAsking reads a record; the state alone forgets an asking when it ends.
func lastAsking(events []incidents.Event) asked {
	var last asked
	for _, e := range events {
		switch e.Kind {
		case incidents.Asked:
			if e.Asking != nil {
				last = asked{asking: e.Asking}
			}
		case incidents.Approved:
			if e.Person != nil && last.asking != nil && last.end == "" {
				last.yes = append(last.yes, incidents.Said{Person: *e.Person, At: e.At})
			}
		case incidents.Denied, incidents.Expired, incidents.Voided, incidents.Intended:
			if last.asking != nil && last.end == "" {
				last.end, last.at, last.by, last.note = e.Kind, e.At, e.Person, e.Note
			}
		}
	}
	return last
}

// words is what became of an asking.
func (a asked) words() string {
	who := "somebody"
	if a.by != nil {
		who = a.by.String()
	}
	note := func(s string) string {
		if a.note != "" {
			s += ": " + a.note
		}
		return s
	}
	switch a.end {
	case incidents.Denied:
		return note("denied by " + who + " at " + clock(a.at))
	case incidents.Expired:
		return note("expired at " + clock(a.at))
	case incidents.Voided:
		if rest, ok := strings.CutPrefix(a.note, "withdrawn: "); ok {
			return "withdrawn at " + clock(a.at) + ": " + rest
		}
		return note("withdrawn at " + clock(a.at))
	case incidents.Intended:
		return "approved by " + a.names()
	}
	if len(a.yes) > 0 {
		return "approved by " + a.names()
	}
	return ""
}

func (a asked) names() string {
	names := make([]string, len(a.yes))
	for i, s := range a.yes {
		names[i] = s.Person.String() + " at " + clock(s.At)
	}
	if len(names) == 0 {
		return "nobody" // an override made it pass without
	}
	return strings.Join(names, ", ")
}

// askedWords is what is asked of people, or was, and what they said.
func askedWords(st *incidents.State, last asked, v View) string {
	a := st.Asking
	if a == nil || st.Stage != incidents.Waiting {
		return last.words()
	}
	var lines []string
	need := "one person"
	if a.Need > 1 {
		need = fmt.Sprintf("%d different people", a.Need)
	}
	lines = append(lines, fmt.Sprintf("Needs %s, until %s", need, clock(a.Until)))
	if len(last.yes) > 0 {
		lines = append(lines, fmt.Sprintf("%d of %d: approved by %s", len(st.Approvals), a.Need, last.names()))
	}
	if a.By != nil {
		lines = append(lines, "Asked for by "+a.By.String()+", who cannot approve it")
	}
	for _, change := range a.Changed {
		lines = append(lines, "Different from the plan before: "+change)
	}
	switch {
	case !answerable(st):
		lines = append(lines, "The plan is built again from a fresh look before anything is changed")
	case !v.Buttons:
		lines = append(lines, "Answer it with the command line or the API: presses do not reach Firebreak here")
	}
	return strings.Join(lines, "\n")
}
