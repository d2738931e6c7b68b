package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
)

// Stored is one message of an incident's record: what was appended at once, all of it or none.
type Stored struct {
	Subject string `json:"subject"`
	// Seq is its place among all messages: it grows, and is never used again.
	Seq uint64 `json:"seq"`
	// At is when it was stored; events say themselves when they happened.
	At time.Time `json:"at"`
	// Events are as they were written: whoever passes them on keeps also what a newer build wrote.
	Events []incidents.Event `json:"events,omitempty"`
	// Error says that the message cannot be read. It has no events then.
	Error string `json:"error,omitempty"`
}

// storedLine is a [Stored] as it is sent: what this build does not know is handed on as well.
type storedLine struct {
	Subject string          `json:"subject"`
	Seq     uint64          `json:"seq"`
	At      time.Time       `json:"at"`
	Events  json.RawMessage `json:"events,omitempty"`
	Error   string          `json:"error,omitempty"`
}

const (
	// recordReaders is how many may read records at once. Each holds a reader of the bus and one message.
	recordReaders = 4
	// lineTimeout is how long a reader may take for one line before it is left: one that hangs would hold its place for ever.
	lineTimeout = 30 * time.Second
	// clockSlack is how far the clocks of those who store may be apart: messages are not quite in the order of their times.
	clockSlack = time.Minute
)

// span is which messages are asked for. A zero until is no end: whatever there is.
type span struct {
	since, until time.Time
	after        uint64
	subject      string
	// target is compared where only the handler is not given; empty: all.
	target string
}

// records streams messages of incidents in the order in which they were stored, up to the newest one there is when it is asked. An answer
// that is cut short breaks the connection: it never looks like a whole one.
func (a *API) records(w http.ResponseWriter, r *http.Request) error {
	s, err := a.span(r)
	if err != nil {
		return err
	}
	select {
	case a.readers <- struct{}{}:
		defer func() { <-a.readers }()
	default:
		refuse(w, http.StatusTooManyRequests, fmt.Sprintf("%d others read records now; ask again when they are done", recordReaders))
		return nil
	}
	last, err := a.bus.Last(r.Context(), bus.Incidents, s.subject)
	if err != nil && !errors.Is(err, bus.ErrNotFound) {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	if err != nil || last.At.Before(s.since) || last.Seq < s.after {
		return nil // nothing is there: an empty answer
	}
	sent, err := a.send(w, r, s, last.Seq)
	if err != nil && sent {
		panic(http.ErrAbortHandler) // the answer is 200 already, and must not seem whole
	}
	return err
}

// send writes everything up to the last message, and says whether it has begun to.
func (a *API) send(w http.ResponseWriter, r *http.Request, s span, last uint64) (sent bool, err error) {
	out := http.NewResponseController(w)
	defer func() { _ = out.SetWriteDeadline(time.Time{}) }()
	enc := json.NewEncoder(w)
	whole := false
	err = a.bus.Follow(r.Context(), bus.Past{Stream: bus.Incidents, Subject: s.subject, Since: s.since, FromSeq: s.after}, func(m bus.Msg) error {
		late := m.Seq > last || !s.until.IsZero() && m.At.After(s.until.Add(clockSlack))
		if whole = m.Seq >= last || late; late {
			return bus.ErrStop
		}
		if s.wants(m) {
			sent = true
			_ = out.SetWriteDeadline(a.now().Add(lineTimeout)) // where the server cannot, its own limits hold
			if err := enc.Encode(lineOf(m)); err != nil {
				return fmt.Errorf("send message %d: %w", m.Seq, err)
			}
		}
		if whole {
			return bus.ErrStop
		}
		return nil
	})
	if err == nil && !whole {
		err = errors.New("read records: they ended before the newest one")
	}
	return sent, err
}

// lineOf is a message as it is sent.
func lineOf(m bus.Msg) storedLine {
	line := storedLine{Subject: m.Subject, Seq: m.Seq, At: m.At.UTC(), Events: m.Data}
	if _, _, err := readMsg(m); err != nil {
		line.Events, line.Error = nil, err.Error()
	}
	return line
}

// wants says whether a message is of the time and of the target that are asked for.
func (s span) wants(m bus.Msg) bool {
	if m.At.Before(s.since) || !s.until.IsZero() && !m.At.Before(s.until) {
		return false
	}
	if s.target == "" {
		return true
	}
	id, err := incidents.IDOfSubject(m.Subject)
	return err == nil && incidents.NewID(id.Handler(), s.target, id.Number()) == id
}

// span reads what is asked for. What is written wrongly is refused: an answer to another question would be believed.
func (a *API) span(r *http.Request) (span, error) {
	q := r.URL.Query()
	now := a.now()
	s := span{since: now.Add(-7 * 24 * time.Hour), target: q.Get("target"), subject: "incidents.>"}
	for name, into := range map[string]*time.Time{"since": &s.since, "until": &s.until} {
		if text := q.Get(name); text != "" {
			t, err := instant(text, now)
			if err != nil {
				return span{}, fmt.Errorf("%w: %s=%q: %w", errBadRequest, name, text, err)
			}
			*into = t
		}
	}
	if !s.until.IsZero() && s.until.Before(s.since) {
		return span{}, fmt.Errorf("%w: until is before since", errBadRequest)
	}
	if text := q.Get("after"); text != "" {
		last, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return span{}, fmt.Errorf("%w: after=%q: write the seq of the last line that you have", errBadRequest, text)
		}
		s.after = last + 1
	}
	if handler := q.Get("handler"); handler != "" {
		id, err := incidents.ParseID(incidents.NewID(handler, s.target, 1).String())
		if err != nil || id.Handler() != handler {
			return span{}, fmt.Errorf("%w: handler=%q is no handler's name", errBadRequest, handler)
		}
		s.subject = "incidents." + handler + ".>"
		if s.target != "" {
			s.subject = "incidents." + incidents.KeyPrefix(handler, s.target) + "*"
		}
	}
	return s, nil
}

// instant reads a moment: how long ago it was, or when.
func instant(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	return time.Time{}, errors.New("write a duration back from now, such as 24h, or a time, such as 2026-11-22T12:00:00Z")
}
