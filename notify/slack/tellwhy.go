package slack

import (
	"context"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/desk"
)

// words is why an answer was not taken, for whoever gave it.
func (c *clicks) words(ctx context.Context, k click, err error) string {
	var no *desk.No
	if !errors.As(err, &no) {
		return "Your answer may not have been recorded: the record could not be written. Look at the message in a moment, and press again if it still asks."
	}
	switch no.Code {
	case desk.NoSuchIncident:
		return "There is no incident " + k.ref.Incident.String() + ". Nothing was decided."
	case desk.Over, desk.NothingAsked:
		return "Nothing is asked for any more. " + sentence(c.fate(ctx, k, no))
	case desk.OtherAsking:
		return "The plan is another one by now, so your answer counts for nothing. Look again: the message shows the plan that is asked about now."
	case desk.TooLate:
		return "Too late: " + no.Words + ". Nothing was decided by your answer."
	case desk.NotApprover:
		return "You cannot approve or deny this: " + no.Words + "."
	case desk.OwnRequest:
		return "You asked for this change, so somebody else has to approve it."
	case desk.SaidAlready:
		return "You have approved this already. " + sentence(no.Words)
	case desk.ReasonTooLong:
		return "Nothing was decided: " + no.Words + "."
	}
	return "Your answer was not taken. " + sentence(no.Words)
}

// fate is what became of the asking that somebody answered too late.
func (c *clicks) fate(ctx context.Context, k click, no *desk.No) string {
	events, err := c.sink.record.Events(ctx, k.ref.Incident)
	if err != nil {
		return no.Words
	}
	for i := len(events) - 1; i >= 0; i-- {
		if a := events[i].Asking; events[i].Kind == incidents.Asked && a != nil && a.ID == k.ref.Asking {
			last := lastAsking(events[i:endOf(events, i)])
			switch words := last.words(); {
			case words == "":
				return no.Words
			case last.end == incidents.Expired:
				return "It " + words
			default:
				return "It was " + words
			}
		}
	}
	return no.Words
}

// endOf is where the next asking after the i-th event begins.
func endOf(events []incidents.Event, i int) int {
	for j := i + 1; j < len(events); j++ {
		if events[j].Kind == incidents.Asked {
			return j
		}
	}
	return len(events)
}

// sentence begins with a capital letter and ends with a full stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	r, n := utf8.DecodeRuneInString(s)
	s = string(unicode.ToUpper(r)) + s[n:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}
