package pagerduty

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/notify"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

// Record reads what happened: see incidents.Store.
type Record interface {
	Events(ctx context.Context, id incidents.ID) ([]incidents.Event, error)
}

// Sink tells PagerDuty. It is safe for concurrent use; [notify.Teller] sends one event at a time over all replicas.
type Sink struct {
	config    Config
	record    Record
	transport http.RoundTripper
	pace      *pace
	// missing says that a record is not there any more.
	missing func(error) bool
}

var _ notify.Sink = (*Sink)(nil)

// New checks the configuration. missing says of an error of the record that there is none (see bus.ErrNotFound). Of the client only its
// transport is used; nil, or none in it, is http.DefaultTransport.
func New(c Config, record Record, missing func(error) bool, client *http.Client) (*Sink, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	if record == nil || missing == nil {
		return nil, errors.New("configure pagerduty: there is no record to read")
	}
	s := &Sink{config: c, record: record, missing: missing, transport: http.DefaultTransport, pace: &pace{now: c.Now}}
	if client != nil && client.Transport != nil {
		s.transport = client.Transport
	}
	return s, nil
}

// Name is what the policy calls this place.
const Name = "pagerduty"

// Name is "pagerduty".
func (*Sink) Name() string { return Name }

// Send tells PagerDuty what an event becomes; most events are nothing. An error that wraps notify.ErrPermanent says that PagerDuty will
// never take it; after any other one it is to be sent again, and is the same then.
func (s *Sink) Send(ctx context.Context, o notify.Outcome) error {
	if idle(o.Handler, o.Event) {
		return nil
	}
	t, err := s.look(ctx, o)
	if err != nil {
		return err
	}
	if t.action == nothing || t.action == change && !s.config.changes() {
		return nil
	}
	path, body, err := s.config.message(t)
	if err != nil {
		return fmt.Errorf("%w: %w", notify.ErrPermanent, err)
	}
	if err := s.pace.wait(ctx); err != nil {
		return err
	}
	err = s.post(ctx, path, body)
	var bad *Error
	if !errors.As(err, &bad) {
		return err
	}
	if bad.Status == http.StatusTooManyRequests {
		s.pace.rest(bad.RetryAfter)
	}
	if bad.Permanent {
		return fmt.Errorf("%w: %w", notify.ErrPermanent, err)
	}
	return err
}

// look finds the event in its record, and what it becomes.
func (s *Sink) look(ctx context.Context, o notify.Outcome) (told, error) {
	record, err := s.record.Events(ctx, o.Incident)
	whole := err == nil
	if err != nil && !errors.Is(err, incidents.ErrDamaged) && !s.missing(err) {
		return told{}, fmt.Errorf("read the record of %s: %w", o.Incident, err)
	}
	want, err := json.Marshal(o.Event)
	if err != nil {
		return told{}, fmt.Errorf("%w: encode an event of %s: %w", notify.ErrPermanent, o.Incident, err)
	}
	past, _ := till(record, func(e incidents.Event) bool {
		if e.Kind != o.Event.Kind || !e.At.Equal(o.Event.At) {
			return false
		}
		got, err := json.Marshal(e)
		return err == nil && bytes.Equal(got, want)
	})
	t := told{action: plan(past, o.Event, s.config.DoubtAfter), outcome: o, till: append(past[:len(past):len(past)], o.Event)}
	if !whole {
		t.action = blind(o.Event, t.action)
	}
	t.then = incidents.Fold(t.till)
	t.now = t.then
	if len(record) > len(t.till) {
		t.now = incidents.Fold(record)
	}
	if t.then.ID == "" { // the record's beginning is gone
		t.then.ID, t.then.Handler, t.then.Target = o.Incident, o.Handler, o.Target
	}
	return t, nil
}

// blind is for a record that cannot be read. Nobody knows whether a person was called, so they count as called: PagerDuty drops what is
// meant for an incident that it does not have.
func blind(e incidents.Event, planned action) action {
	switch e.Kind {
	case incidents.Closed:
		return resolve
	case incidents.Acked, incidents.Overridden, incidents.Recalled, incidents.Approved:
		if e.Person != nil {
			return acknowledge
		}
	}
	return planned
}

// post tries once. Its error is an [*Error]; unless it is permanent, the event may have arrived nevertheless.
func (s *Sink) post(ctx context.Context, path string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.config.URL+path, bytes.NewReader(body))
	if err != nil {
		return &Error{Permanent: true, Cause: withoutURL(err)}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Firebreak")
	// The transport follows no redirects: the body holds the key, and goes nowhere but to the address of the policy.
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		return &Error{Cause: withoutURL(err)}
	}
	defer resp.Body.Close()
	// What counts is the status. Words that are cut off are only fewer words.
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return judge(resp.StatusCode, resp.Header, answer, s.config.Now(), s.config.RoutingKey.Reveal())
}
