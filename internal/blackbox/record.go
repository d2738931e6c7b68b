package blackbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What follows is the API's JSON as a stranger reads it.

// Summary is one line of /api/v1/incidents.
type Summary struct {
	ID      string `json:"id"`
	Stage   string `json:"stage"`
	Outcome string `json:"outcome"`
	Refused string `json:"refused"`
	Words   string `json:"words"`
}

// Record is one incident with all of its events.
type Record struct {
	Summary Summary `json:"summary"`
	Events  []Event `json:"events"`
}

// Event is one entry of a record. What is of another kind is nil.
type Event struct {
	Kind string    `json:"kind"`
	At   time.Time `json:"at"`
	// By names the process that wrote it: host name, "-", process id.
	By        string          `json:"by"`
	Opening   *Opening        `json:"opening"`
	Alert     *ToldAlert      `json:"alert"`
	Decision  *Decision       `json:"decision"`
	Refusal   *Refusal        `json:"refusal"`
	Order     *Order          `json:"order"`
	Receipt   *Receipt        `json:"receipt"`
	Judgement *Judgement      `json:"judgement"`
	Presence  *Presence       `json:"presence"`
	Seen      json.RawMessage `json:"seen"`
	Note      string          `json:"note"`
}

// Opening is what an incident began with.
type Opening struct {
	Alert ToldAlert `json:"alert"`
}

// Refusal says why something was not done.
type Refusal struct {
	Reason string `json:"reason"`
	Words  string `json:"words"`
}

// Order is a change that was about to be sent.
type Order struct {
	Action string `json:"action"`
	Fence  uint64 `json:"fence"`
	Step
}

// Receipt is what came back of a change.
type Receipt struct {
	Note string `json:"note"`
}

// Judgement is what became of a change.
type Judgement struct {
	Effect string `json:"effect"`
	Words  string `json:"words"`
}

// Presence says whether a change stands.
type Presence struct {
	State string `json:"state"`
}

// ToldAlert is an alert in a record, and a line of /api/v1/alerts.
type ToldAlert struct {
	Fingerprint string    `json:"fingerprint"`
	Status      string    `json:"status"`
	StartsAt    time.Time `json:"startsAt"`
	EndsAt      time.Time `json:"endsAt"`
	// Delivery is the first one.
	Delivery struct {
		At time.Time `json:"at"`
	} `json:"delivery"`
}

// Decision is what was decided after a look.
type Decision struct {
	Cause   string `json:"cause"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
	Step    *Step  `json:"step"`
}

// Step is a change, by what is changed and how.
type Step struct {
	Fix     string          `json:"fix"`
	Cluster string          `json:"cluster"`
	Node    string          `json:"node"`
	Params  json.RawMessage `json:"params"`
}

// Line is a decision in a few words: "snapshot_conflict act end_conflict pg2".
func (d Decision) Line() string {
	text := d.Cause + " " + d.Verdict
	if d.Step != nil {
		text += " " + d.Step.Fix + " " + d.Step.Node
	}
	return text
}

// Told is the alert that an event brought into the record; nil if it brought none.
func (e Event) Told() *ToldAlert {
	if e.Opening != nil {
		return &e.Opening.Alert
	}
	return e.Alert
}

// Action is the name of the order in an event; "" if there is none.
func (e Event) Action() string {
	if e.Order == nil {
		return ""
	}
	return e.Order.Action
}

// WrittenBy says whether the process of that id wrote the event.
func (e Event) WrittenBy(pid int) bool { return strings.HasSuffix(e.By, fmt.Sprintf("-%d", pid)) }

// text is what an event says to people.
func (e Event) text() string {
	switch {
	case e.Decision != nil:
		return e.Decision.Line() + ": " + e.Decision.Reason
	case e.Refusal != nil:
		return e.Refusal.Reason + ": " + e.Refusal.Words
	case e.Judgement != nil:
		return e.Judgement.Effect + ": " + e.Judgement.Words
	case e.Receipt != nil:
		return e.Receipt.Note
	case e.Order != nil:
		return e.Order.Fix + " on " + e.Order.Node + " " + string(e.Order.Params)
	}
	return e.Note
}

// Decisions are those of a record, of which several in a row that say the same are one.
func (r Record) Decisions() []string {
	var lines []string
	for _, e := range r.Events {
		if e.Decision != nil {
			lines = append(lines, e.Decision.Line())
		}
	}
	return slices.Compact(lines)
}

// Decided says that some decision was this.
func (r Record) Decided(cause, verdict string) bool {
	return slices.ContainsFunc(r.Events, func(e Event) bool {
		return e.Decision != nil && e.Decision.Cause == cause && e.Decision.Verdict == verdict
	})
}

// Has says that some event is of a kind.
func (r Record) Has(kind string) bool {
	_, ok := r.First(kind)
	return ok
}

// First is when the first event of a kind was.
func (r Record) First(kind string) (time.Time, bool) {
	for _, e := range r.Events {
		if e.Kind == kind {
			return e.At, true
		}
	}
	return time.Time{}, false
}

// Last is when the last event of a kind was.
func (r Record) Last(kind string) (at time.Time, ok bool) {
	for _, e := range r.Events {
		if e.Kind == kind {
			at, ok = e.At, true
		}
	}
	return at, ok
}

// Count is how many events are of a kind.
func (r Record) Count(kind string) int {
	n := 0
	for _, e := range r.Events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// Changes are the orders that were about to be sent, as "end_conflict pg2".
func (r Record) Changes() []string {
	var all []string
	for _, e := range r.Events {
		if e.Kind == "intended" && e.Order != nil {
			all = append(all, e.Order.Fix+" "+e.Order.Node)
		}
	}
	return all
}

// Story is the record for people who read why a run failed, with the last look.
func (r Record) Story() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s: %s)\n", r.Summary.ID, r.Summary.Stage, r.Summary.Words)
	var last json.RawMessage
	for _, e := range r.Events {
		if len(e.Seen) > 0 {
			last = e.Seen
		}
		if text := e.text(); e.Kind != "observed" || text != "" {
			fmt.Fprintf(&b, "  %s %-13s %s\n", e.At.Format("15:04:05.000"), e.Kind, text)
		}
	}
	fmt.Fprintf(&b, "  the last look: %s\n", last)
	return b.String()
}
