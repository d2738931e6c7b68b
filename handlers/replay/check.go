package replay

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
)

// Checker derives every recorded decision again and compares it with what is in the record, bit for bit.
type Checker struct {
	rules  Rules
	open   map[incidents.ID]*checked
	result Check
}

type checked struct {
	st   incidents.State
	memo think.Memo
}

// Check says how many decisions could be derived again.
type Check struct {
	Incidents int `json:"incidents"`
	Decisions int `json:"decisions"`
	// Identical are those that came out the same, bit for bit.
	Identical int `json:"identical"`
	// OtherPolicy and OtherBuild are those that were made under another policy, or by another build: they may differ for that. Unsaid are
	// those of builds that did not write down what a decision rested on besides the looks.
	OtherPolicy int `json:"other_policy,omitempty"`
	OtherBuild  int `json:"other_build,omitempty"`
	Unsaid      int `json:"unsaid,omitempty"`
	// Partial are the decisions in records whose beginning is no longer kept: they cannot be derived.
	Partial int `json:"partial,omitempty"`
	// Different are all others. Unexplained are those of them that were made under the same policy and by the same build, and
	// whose beginning is kept: there must be none.
	Different   int `json:"different"`
	Unexplained int `json:"unexplained"`
	// First is the first that is not explained; if all are, the first of them.
	First *Mismatch `json:"first,omitempty"`
}

// Mismatch is a decision that came out differently.
type Mismatch struct {
	Incident incidents.ID `json:"incident"`
	Seq      uint64       `json:"seq"`
	At       time.Time    `json:"at"`
	// Path is where in the decision, as evidence[2].value; Then is what is recorded there, Now what was derived.
	Path string `json:"path"`
	Then string `json:"then"`
	Now  string `json:"now"`
	// Why says what else is different, if that is known: another policy, another build.
	Why string `json:"why,omitempty"`
}

// String is the mismatch in one line.
func (m Mismatch) String() string {
	text := fmt.Sprintf("%s at %s (message %d): %s was %s, is %s", m.Incident, m.At.Format(time.RFC3339), m.Seq, m.Path, m.Then, m.Now)
	if m.Why != "" {
		text += " (" + m.Why + ")"
	}
	return text
}

// NewChecker makes a checker.
func NewChecker(r Rules) *Checker {
	return &Checker{rules: r, open: map[incidents.ID]*checked{}}
}

// Next takes the next message of the stream, in its order. Of one incident there may be any part, from its beginning on.
func (c *Checker) Next(m Message) {
	inc, known := c.open[m.ID]
	if !known {
		inc = &checked{st: incidents.State{Stage: incidents.Looking}}
		c.open[m.ID] = inc
		if len(m.Events) > 0 && m.Events[0].Kind == incidents.Opened {
			c.result.Incidents++
		}
	}
	for _, e := range m.Events {
		if e.Kind == incidents.Decided && e.Decision != nil {
			c.decided(inc, m, e)
		}
		inc.st.Apply(e)
	}
	if !inc.st.Open() {
		delete(c.open, m.ID)
	}
}

// Result is what has been found so far.
func (c *Checker) Result() Check { return c.result }

func (c *Checker) decided(inc *checked, m Message, e incidents.Event) {
	c.result.Decisions++
	if inc.st.ID == "" || len(inc.st.Looks) == 0 {
		c.result.Partial++
		return
	}
	busy, why := 0, ""
	switch b := e.Basis; {
	case b == nil:
		c.result.Unsaid++
		why = "the record does not say how many other targets were busy, nor under which policy it was decided"
	case b.Policy != c.rules.Hash:
		c.result.OtherPolicy++
		busy, why = b.Busy, "decided under policy "+b.Policy+", and this is "+c.rules.Hash
	case b.Build != c.rules.Build:
		c.result.OtherBuild++
		busy, why = b.Busy, "decided by build "+b.Build+", and this is "+c.rules.Build
	default:
		busy = b.Busy
	}
	now, err := c.derive(inc, busy)
	if err != nil {
		c.differ(m, e, "observation", "readable", err.Error(), why)
		return
	}
	path, then, is := difference(e.Decision, now)
	if path == "" {
		c.result.Identical++
		return
	}
	c.differ(m, e, path, then, is, why)
}

func (c *Checker) differ(m Message, e incidents.Event, path, then, now, why string) {
	c.result.Different++
	if why == "" {
		c.result.Unexplained++
	}
	if first := c.result.First; first == nil || first.Why != "" && why == "" {
		c.result.First = &Mismatch{Incident: m.ID, Seq: m.Seq, At: e.At, Path: path, Then: then, Now: now, Why: why}
	}
}

// derive decides again. What is derived goes through JSON as the recorded one did: a time keeps its instant there and nothing else.
func (c *Checker) derive(inc *checked, busy int) (incidents.Decision, error) {
	var out incidents.Decision
	h := c.rules.Thinkers[inc.st.ID.Handler()]
	if h == nil {
		return out, fmt.Errorf("there is no handler %q", inc.st.ID.Handler())
	}
	looked := inc.st.Looks[len(inc.st.Looks)-1].At
	d, err := h.Decide(think.Scene{Target: c.rules.target(h, &inc.st), State: &inc.st, Busy: busy, Now: looked, Memo: &inc.memo})
	if err != nil {
		return out, err
	}
	text, err := json.Marshal(d)
	if err != nil {
		return out, fmt.Errorf("write the decision: %w", err)
	}
	return out, json.Unmarshal(text, &out)
}
