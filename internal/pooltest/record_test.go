package pooltest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// What follows is the API's JSON as a stranger reads it.

// summary is one line of /api/v1/incidents.
type summary struct {
	ID      string `json:"id"`
	Stage   string `json:"stage"`
	Outcome string `json:"outcome"`
	Words   string `json:"words"`
}

// record is one incident with all of its events.
type record struct {
	Summary summary `json:"summary"`
	Events  []event `json:"events"`
}

type event struct {
	Kind     string    `json:"kind"`
	At       time.Time `json:"at"`
	Decision *decision `json:"decision"`
	Refusal  *struct {
		Reason string `json:"reason"`
		Words  string `json:"words"`
	} `json:"refusal"`
	Order *struct {
		Action string `json:"action"`
		step
	} `json:"order"`
	Receipt *struct {
		Note string `json:"note"`
	} `json:"receipt"`
	Judgement *struct {
		Effect string `json:"effect"`
		Words  string `json:"words"`
	} `json:"judgement"`
	Seen json.RawMessage `json:"seen"`
	Note string          `json:"note"`
}

type decision struct {
	Cause   string `json:"cause"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
	Step    *step  `json:"step"`
}

type step struct {
	Fix    string          `json:"fix"`
	Node   string          `json:"node"`
	Params json.RawMessage `json:"params"`
}

// line is a decision in a few words: "leak act end_leaked pg1".
func (d decision) line() string {
	text := d.Cause + " " + d.Verdict
	if d.Step != nil {
		text += " " + d.Step.Fix + " " + d.Step.Node
	}
	return text
}

// decisions are those of a record, of which several in a row that say the same are one.
func (r record) decisions() []string {
	var lines []string
	for _, e := range r.Events {
		if e.Decision != nil {
			lines = append(lines, e.Decision.line())
		}
	}
	return slices.Compact(lines)
}

// decided says that some decision was this.
func (r record) decided(cause, verdict string) bool {
	return slices.ContainsFunc(r.Events, func(e event) bool {
		return e.Decision != nil && e.Decision.Cause == cause && e.Decision.Verdict == verdict
	})
}

// has says that some event is of a kind.
func (r record) has(kind string) bool {
	_, ok := r.first(kind)
	return ok
}

// first is when the first event of a kind was.
func (r record) first(kind string) (time.Time, bool) {
	for _, e := range r.Events {
		if e.Kind == kind {
			return e.At, true
		}
	}
	return time.Time{}, false
}

// count is how many events are of a kind.
func (r record) count(kind string) int {
	n := 0
	for _, e := range r.Events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// changes are the orders that were about to be sent, as "end_leaked pg1".
func (r record) changes() []string {
	var all []string
	for _, e := range r.Events {
		if e.Kind == "intended" && e.Order != nil {
			all = append(all, e.Order.Fix+" "+e.Order.Node)
		}
	}
	return all
}

// story is the record for people who read why a run failed, with the last look.
func (r record) story() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s: %s)\n", r.Summary.ID, r.Summary.Stage, r.Summary.Words)
	var last json.RawMessage
	for _, e := range r.Events {
		text := e.Note
		switch {
		case e.Decision != nil:
			text = e.Decision.line() + ": " + e.Decision.Reason
		case e.Refusal != nil:
			text = e.Refusal.Reason + ": " + e.Refusal.Words
		case e.Judgement != nil:
			text = e.Judgement.Effect + ": " + e.Judgement.Words
		case e.Receipt != nil:
			text = e.Receipt.Note
		case e.Order != nil:
			text = e.Order.Fix + " on " + e.Order.Node + " " + string(e.Order.Params)
		}
		if len(e.Seen) > 0 {
			last = e.Seen
		}
		if e.Kind != "observed" || text != "" {
			fmt.Fprintf(&b, "  %s %-13s %s\n", e.At.Format("15:04:05.000"), e.Kind, text)
		}
	}
	fmt.Fprintf(&b, "  the last look: %s\n", last)
	return b.String()
}

// list reads one object a line.
func list[T any](p *product, path string) ([]T, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+operatorToken)
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<12))
		return nil, fmt.Errorf("get %s: %s: %s", path, resp.Status, text)
	}
	var all []T
	for lines := bufio.NewReader(resp.Body); ; {
		line, end := lines.ReadBytes('\n')
		if len(line) > 0 {
			var v T
			if err := json.Unmarshal(line, &v); err != nil {
				return nil, fmt.Errorf("get %s: %w", path, err)
			}
			all = append(all, v)
		}
		if end == io.EOF {
			return all, nil
		}
		if end != nil {
			return nil, fmt.Errorf("get %s: %w", path, end)
		}
	}
}

// records are all incidents, oldest first.
func (p *product) records() ([]record, error) {
	sums, err := list[summary](p, "/api/v1/incidents?since=1h")
	if err != nil {
		return nil, err
	}
	var all []record
	for _, s := range slices.Backward(sums) {
		found, err := list[record](p, "/api/v1/incidents/"+s.ID)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}
