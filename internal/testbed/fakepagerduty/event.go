package fakepagerduty

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The documented limits. Lengths are in characters, the size of a request in bytes.
const (
	keyLength   = 32
	maxDedupKey = 255
	maxSummary  = 1024
	maxBody     = 512 << 10
)

// Action is what an event does.
type Action string

const (
	Trigger     Action = "trigger"
	Acknowledge Action = "acknowledge"
	Resolve     Action = "resolve"
)

// Event is an alert event that was accepted.
type Event struct {
	// At is when it was accepted, by the account's clock.
	At         time.Time `json:"-"`
	RoutingKey string    `json:"routing_key"`
	Action     Action    `json:"event_action"`
	// DedupKey was made if the event had none.
	DedupKey  string   `json:"dedup_key"`
	Client    string   `json:"client"`
	ClientURL string   `json:"client_url"`
	Links     []Link   `json:"links"`
	Payload   *Payload `json:"payload"`
}

// Payload says what is the matter.
type Payload struct {
	Summary   string         `json:"summary"`
	Source    string         `json:"source"`
	Severity  string         `json:"severity"`
	Timestamp string         `json:"timestamp"`
	Component string         `json:"component"`
	Group     string         `json:"group"`
	Class     string         `json:"class"`
	Details   map[string]any `json:"custom_details"`
}

// Link is one beside an event.
type Link struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

// Change is a change event that was accepted.
type Change struct {
	At         time.Time     `json:"-"`
	RoutingKey string        `json:"routing_key"`
	Links      []Link        `json:"links"`
	Payload    ChangePayload `json:"payload"`
}

// ChangePayload says what was changed.
type ChangePayload struct {
	Summary   string         `json:"summary"`
	Source    string         `json:"source"`
	Timestamp string         `json:"timestamp"`
	Details   map[string]any `json:"custom_details"`
}

// problems are what is wrong with an event.
type problems []string

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

func (p *problems) key(key string) {
	if key == "" {
		p.add("'routing_key' is missing or blank")
		return
	}
	if utf8.RuneCountInString(key) != keyLength {
		p.add("Length of 'routing_key' is incorrect (should be %d characters)", keyLength)
	}
	if strings.ContainsFunc(key, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		p.add("'routing_key' cannot contain non-alphanumeric characters.")
	}
}

func (p *problems) summary(summary string) {
	switch {
	case summary == "":
		p.add("'payload.summary' is missing or blank")
	case utf8.RuneCountInString(summary) > maxSummary:
		p.add("'payload.summary' is too long (maximum %d characters)", maxSummary)
	}
}

func (p *problems) links(links []Link) {
	for i, l := range links {
		if l.Href == "" {
			p.add("'links[%d].href' is missing or blank", i)
		}
	}
}

func (p *problems) timestamp(text string) {
	if text == "" {
		return
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999"} {
		if _, err := time.Parse(layout, text); err == nil {
			return
		}
	}
	p.add("'payload.timestamp' is no ISO 8601 date")
}

// readEvent reads an alert event and says all that is wrong with it.
func readEvent(body []byte) (Event, problems) {
	var e Event
	var p problems
	if err := json.Unmarshal(body, &e); err != nil {
		p.add("%s", unreadable(err))
		return e, p
	}
	p.key(e.RoutingKey)
	switch e.Action {
	case Trigger:
		p.payload(e.Payload)
	case Acknowledge, Resolve:
		if e.DedupKey == "" {
			p.add("'dedup_key' is missing or blank")
		}
	case "":
		p.add("'event_action' is missing or blank")
	default:
		p.add("'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')")
	}
	if utf8.RuneCountInString(e.DedupKey) > maxDedupKey {
		p.add("'dedup_key' is too long (maximum %d characters)", maxDedupKey)
	}
	p.links(e.Links)
	return e, p
}

func (p *problems) payload(in *Payload) {
	if in == nil {
		p.add("'payload' is missing or blank")
		return
	}
	p.summary(in.Summary)
	if in.Source == "" {
		p.add("'payload.source' is missing or blank")
	}
	if !slices.Contains([]string{"critical", "error", "warning", "info"}, in.Severity) {
		p.add("'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')")
	}
	p.timestamp(in.Timestamp)
}

// readChange reads a change event and says all that is wrong with it.
func readChange(body []byte) (Change, problems) {
	var c Change
	var p problems
	if err := json.Unmarshal(body, &c); err != nil {
		p.add("%s", unreadable(err))
		return c, p
	}
	p.key(c.RoutingKey)
	if isRuleset(c.RoutingKey) {
		p.add("'routing_key' belongs to a ruleset, which takes no change events")
	}
	p.summary(c.Payload.Summary)
	p.timestamp(c.Payload.Timestamp)
	p.links(c.Links)
	return c, p
}

// unreadable says why a body is no event.
func unreadable(err error) string {
	if t, ok := err.(*json.UnmarshalTypeError); ok {
		return fmt.Sprintf("'%s' has the wrong type", t.Field)
	}
	return "body is no valid JSON"
}
