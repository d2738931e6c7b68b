package pagerduty

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
)

// selfHandler is the handler of our own incidents, e.g. that no alerts reach us any more.
const selfHandler = "firebreak"

// DedupKey is the key of all alert events of an incident: SHA-256 in hex, so that it is short whatever the id is.
func DedupKey(id incidents.ID) string {
	sum := sha256.Sum256([]byte("firebreak\x00" + string(id)))
	return hex.EncodeToString(sum[:])
}

// action is what an event of the record becomes.
type action string

const (
	nothing     action = ""
	trigger     action = "trigger"
	acknowledge action = "acknowledge"
	resolve     action = "resolve"
	change      action = "change"
)

// plan says what becomes of an event, by what the record held before it. It is a function of both and of nothing else.
func plan(past []incidents.Event, e incidents.Event, doubtAfter time.Duration) action {
	p := story{doubtAfter: doubtAfter, called: map[string]bool{}, changed: map[string]bool{}}
	for _, before := range past {
		p.tell(before)
	}
	return p.tell(e)
}

// story is what a record has come to.
type story struct {
	doubtAfter time.Duration
	own        bool
	// called are the reasons for which a person was called; one reason calls once.
	called map[string]bool
	over   bool
	// fix is the present change's action; changed are those that were said to stand.
	fix      string
	changed  map[string]bool
	doubtful time.Time
}

// tell takes one more event in and says what becomes of it.
func (p *story) tell(e incidents.Event) action {
	if e.Kind == incidents.Opened && e.Opening != nil {
		p.own = e.Opening.Handler == selfHandler
	}
	switch e.Kind {
	case incidents.Intended, incidents.Issuing:
		if e.Order != nil {
			p.fix = e.Order.Action
		}
		p.doubtful = time.Time{}
	case incidents.Applied:
		p.doubtful = time.Time{}
		if p.changed[p.fix] {
			return nothing
		}
		p.changed[p.fix] = true
		return change
	case incidents.Reverted:
		return change
	case incidents.Closed:
		return p.close()
	case incidents.Acked, incidents.Overridden, incidents.Recalled, incidents.Approved:
		// Said again, it is sent again: an acknowledgement can lapse at PagerDuty.
		if e.Person == nil || len(p.called) == 0 || p.over {
			return nothing
		}
		return acknowledge
	}
	return p.call(p.reason(e))
}

func (p *story) close() action {
	if p.over || len(p.called) == 0 {
		return nothing
	}
	p.over = true
	return resolve
}

// call triggers for a reason that nobody was called for yet.
func (p *story) call(reason string) action {
	if reason == "" || p.called[reason] || p.over {
		return nothing
	}
	p.called[reason] = true
	return trigger
}

// reason is why an event calls a person; "" if it does not.
func (p *story) reason(e incidents.Event) string {
	switch e.Kind {
	case incidents.Opened:
		if p.own {
			return "own"
		}
	case incidents.Verified:
		if e.Judgement != nil && (e.Judgement.Effect == incidents.NoEffect || e.Judgement.Effect == incidents.Worse) {
			return string(e.Judgement.Effect) + " " + p.fix
		}
	case incidents.InDoubt:
		if p.doubtful.IsZero() {
			p.doubtful = e.At
		}
		if e.At.Sub(p.doubtful) >= p.doubtAfter {
			return "in_doubt " + p.fix
		}
	case incidents.Regressed, incidents.GaveUp, incidents.RevertInDoubt:
		return string(e.Kind) + " " + p.fix
	case incidents.Expired:
		return "expired " + e.Plan
	case incidents.Escalated:
		return "escalated " + e.Note
	case incidents.Rung:
		// It is triggered again if it is triggered already: a line in its log there. One that names others calls nobody here.
		if e.Rung.Names(Name) {
			return fmt.Sprintf("rung %d of round %d", e.Rung.Number, e.Rung.Round)
		}
	case incidents.Refused:
		if e.Refusal != nil && calls(string(e.Refusal.Reason)) {
			return "refused " + string(e.Refusal.Reason)
		}
	}
	return ""
}

// idle says that an event becomes nothing whatever was before it, so that its record need not be read. Most events are idle.
func idle(handler string, e incidents.Event) bool {
	switch e.Kind {
	case incidents.Opened, incidents.Verified, incidents.Refused:
		p := story{own: handler == selfHandler}
		return p.reason(e) == ""
	}
	return false
}

// calls says whether a refusal of this name needs a person: the fault is larger than what may be fixed here, or comes back for ever.
func calls(reason string) bool {
	switch reason {
	case "ineffective_chain", "storm", "blast_radius":
		return true
	}
	return false
}

// Kinds are the kinds of events that become something: what a [notify.Teller] of this sink is to be told of.
func Kinds() []incidents.Kind {
	return []incidents.Kind{incidents.Opened, incidents.Refused, incidents.Applied, incidents.InDoubt, incidents.GaveUp, incidents.Verified,
		incidents.Regressed, incidents.Reverted, incidents.RevertInDoubt, incidents.Escalated, incidents.Rung, incidents.Expired,
		incidents.Approved, incidents.Acked, incidents.Overridden, incidents.Recalled, incidents.Closed}
}

// till is the part of a record before an event, and whether the event is in it. Two events that are the same to the last digit are
// taken for the first of them: then a person is called once too often rather than not at all.
func till(record []incidents.Event, same func(incidents.Event) bool) ([]incidents.Event, bool) {
	for i, e := range record {
		if same(e) {
			return record[:i], true
		}
	}
	return record, false
}
