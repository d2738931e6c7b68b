// Package hold is the fix of the example: a batch job is told to wait, for a time that it keeps itself.
//
//	GET    /hold   what stands: {"action":"…","until":"…","revision":7}; an empty action is nothing
//	PUT    /hold   holds the job, if the revision is still the one in If-Match, and "deadline" has not passed
//	DELETE /hold   lets it go, under the same condition
//
// The condition is what makes it safe: between the look and the command anything can happen, and only the target can compare.
package hold

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/firebreak-sre/firebreak/remediations"
)

// longest is how long a job may be held.
const longest = 10 * time.Minute

// Hold holds jobs.
type Hold struct {
	// urls are where jobs listen, by place.
	urls   map[string]string
	client *http.Client
}

var _ remediations.Remediation = (*Hold)(nil)

// New holds the jobs at these places, such as "export/scratch".
func New(urls map[string]string, client *http.Client) *Hold { return &Hold{urls: urls, client: client} }

// Bounds are the same at every job that there is. Any other place has none: nothing is within them.
func (h *Hold) Bounds(s remediations.Step) remediations.Bounds {
	if _, ok := h.urls[s.Place()]; !ok {
		return remediations.Bounds{Class: remediations.ClassN}
	}
	return remediations.Bounds{Class: remediations.ClassA, MaxLimit: longest, ExpiresItself: true, Never: []string{"a job that somebody else holds"}}
}

// standing is what a job answers.
type standing struct {
	Action   string    `json:"action"`
	Until    time.Time `json:"until,omitzero"`
	Deadline time.Time `json:"deadline,omitzero"`
	Revision uint64    `json:"revision"`
}

// Check asks the job what stands. No answer is not "nothing".
func (h *Hold) Check(ctx context.Context, o remediations.Order) (remediations.Presence, error) {
	var s standing
	if err := h.call(ctx, o, http.MethodGet, 0, nil, &s); err != nil {
		return remediations.Presence{State: remediations.Unknown}, fmt.Errorf("check %s: %w", o.Place(), err)
	}
	p := remediations.Presence{State: remediations.Absent, Revision: s.Revision, Until: s.Until}
	switch s.Action {
	case "":
	case o.Action:
		p.State = remediations.Ours
	default:
		p.State, p.Detail = remediations.Foreign, "held by "+s.Action
	}
	return p, nil
}

// Apply holds the job if it is as it was seen. It tries once: whether to try again is not for whoever sends to decide.
func (h *Hold) Apply(ctx context.Context, o remediations.Order) (remediations.Receipt, error) {
	if o.Seen.State != remediations.Absent || !time.Now().Before(o.Deadline) {
		return remediations.Receipt{}, fmt.Errorf("hold %s: %w: seen %q, deadline %s",
			o.Place(), remediations.ErrRefused, o.Seen.State, o.Deadline.Format(time.RFC3339))
	}
	// Who repeats an order finds its own hold. If nothing can be read now the condition below still holds: it is the job that compares.
	now, err := h.Check(ctx, o)
	if err == nil && now.State == remediations.Ours {
		return remediations.Receipt{Revision: now.Revision, Until: now.Until, Note: "it was held already"}, nil
	}
	var s standing
	body := standing{Action: o.Action, Until: o.Until, Deadline: o.Deadline}
	if err := h.call(ctx, o, http.MethodPut, o.Seen.Revision, &body, &s); err != nil {
		return remediations.Receipt{}, fmt.Errorf("hold %s: %w", o.Place(), err)
	}
	return remediations.Receipt{Revision: s.Revision, Until: s.Until, Note: "the job waits"}, nil
}

// Revert lets the job go if it is still ours. It needs no receipt: the job knows whose hold it is.
func (h *Hold) Revert(ctx context.Context, o remediations.Order, _ remediations.Receipt) error {
	p, err := h.Check(ctx, o)
	switch {
	case err != nil:
		return err
	case p.State == remediations.Absent:
		return nil
	case p.State == remediations.Foreign:
		return fmt.Errorf("let %s go: %w: %s", o.Place(), remediations.ErrNotOurs, p.Detail)
	}
	if err := h.call(ctx, o, http.MethodDelete, p.Revision, nil, nil); err != nil {
		return fmt.Errorf("let %s go: %w", o.Place(), err)
	}
	return nil
}

// call asks the job once. An answer 4xx proves that nothing changed; everything else that is no success leaves it in doubt.
func (h *Hold) call(ctx context.Context, o remediations.Order, method string, revision uint64, body, into *standing) error {
	url, ok := h.urls[o.Place()]
	if !ok {
		return fmt.Errorf("%w: there is no such job", remediations.ErrRefused)
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout.D())
	defer cancel()
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, url+"/hold", bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("If-Match", strconv.FormatUint(revision, 10))
	resp, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	switch {
	case resp.StatusCode >= 400 && resp.StatusCode < 500:
		return fmt.Errorf("%w: answered %s", remediations.ErrRefused, resp.Status)
	case resp.StatusCode != http.StatusOK:
		return errors.New("in doubt: answered " + resp.Status)
	case err != nil || into == nil:
		return err
	}
	return json.Unmarshal(answer, into)
}
