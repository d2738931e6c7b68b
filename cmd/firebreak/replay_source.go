package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/bus/stored"
	"github.com/firebreak-sre/firebreak/console"
	"github.com/firebreak-sre/firebreak/handlers/replay"
	"github.com/firebreak-sre/firebreak/handlers/replay/incidentfile"
	"github.com/firebreak-sre/firebreak/incidents"
)

// recorded is one message of the past. raw are its events as they were stored.
type recorded struct {
	replay.Message
	raw json.RawMessage
}

// records are messages of the past, given to fn in the order in which they were stored. They can be gone through once.
type records func(ctx context.Context, fn func(recorded) error) error

// filesAt reads incident files. Messages of several are put in the order of their times: their places in their records come from different
// servers and say nothing about each other.
func filesAt(paths []string) (records, error) {
	type entry struct {
		recorded
		order time.Time
	}
	var all []entry
	seen := map[incidents.ID]string{}
	for _, path := range paths {
		f, err := readFile(path)
		if err != nil {
			return nil, err
		}
		if other, twice := seen[f.ID]; twice {
			return nil, fmt.Errorf("%s and %s are both about incident %s: leave one out", other, path, f.ID)
		}
		seen[f.ID] = path
		messages, err := messagesOf(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		var last time.Time // the order within a record is its own, whatever the clock did
		for _, m := range messages {
			if m.At.After(last) {
				last = m.At
			}
			all = append(all, entry{m, last})
		}
	}
	slices.SortStableFunc(all, func(x, y entry) int { return x.order.Compare(y.order) })
	return func(_ context.Context, fn func(recorded) error) error {
		for _, e := range all {
			if err := fn(e.recorded); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// readFile reads one incident file.
func readFile(path string) (incidentfile.File, error) {
	in, err := os.Open(path)
	if err != nil {
		return incidentfile.File{}, fmt.Errorf("open the incident file: %w", err)
	}
	defer func() { _ = in.Close() }()
	f, err := incidentfile.Read(in)
	if err != nil {
		return incidentfile.File{}, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

func messagesOf(f incidentfile.File) ([]recorded, error) {
	list, err := f.Records()
	if err != nil {
		return nil, err
	}
	out := make([]recorded, len(list))
	for i := range list {
		out[i] = recorded{Message: list[i], raw: f.Messages[i].Events}
	}
	return out, nil
}

// imported reads an incident that somebody put on the server for reading.
func (s server) imported(ctx context.Context, id string) (records, error) {
	if _, err := incidents.ParseID(id); err != nil {
		return nil, err
	}
	body, err := s.get(ctx, "/api/v1/imports/"+url.PathEscape(id), nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	f, err := incidentfile.Read(body)
	if err != nil {
		return nil, err
	}
	list, err := messagesOf(f)
	return func(_ context.Context, fn func(recorded) error) error {
		for _, m := range list {
			if err := fn(m); err != nil {
				return err
			}
		}
		return nil
	}, err
}

// incident reads one incident's whole record, message by message. What cannot be read in it is an error: it would be told in part.
func (s server) incident(a *app, text string) (records, error) {
	id, err := incidents.ParseID(text)
	if err != nil {
		return nil, err
	}
	rec, err := s.record(a.ctx, text)
	if err != nil {
		return nil, err
	}
	// From the beginning of everything: who wrote the record and who stored it have clocks of their own.
	about := span{since: "1970-01-01T00:00:00Z", handler: id.Handler(), target: rec.Summary.Target}
	return func(ctx context.Context, fn func(recorded) error) error {
		found := false
		err := s.eachStored(ctx, about, func(line storedLine) error {
			if other, err := incidents.IDOfSubject(line.Subject); err != nil || other != id {
				return nil
			}
			m, err := line.read()
			if err != nil {
				return err
			}
			found = true
			return fn(m)
		})
		if err == nil && !found {
			err = fmt.Errorf("incident %s: the server has no messages of it", id)
		}
		return err
	}, nil
}

// span is which records are asked for.
type span struct{ since, until, handler, target string }

func (s span) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"since": s.since, "until": s.until, "handler": s.handler, "target": s.target} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// span reads all records of a time. A message that cannot be read is said and left out.
func (s server) span(a *app, about span) records {
	return func(ctx context.Context, fn func(recorded) error) error {
		return s.eachStored(ctx, about, func(line storedLine) error {
			m, err := line.read()
			if err != nil {
				fmt.Fprintf(a.stderr, "left out: %s\n", clean(err.Error(), 400))
				return nil
			}
			return fn(m)
		})
	}
}

// storedLine is a [console.Stored] whose events are as they were stored.
type storedLine struct {
	Subject string          `json:"subject"`
	Seq     uint64          `json:"seq"`
	At      time.Time       `json:"at"`
	Events  json.RawMessage `json:"events"`
	Error   string          `json:"error"`
}

func (l storedLine) read() (recorded, error) {
	if l.Error != "" {
		return recorded{}, fmt.Errorf("message %d of %s: %s", l.Seq, l.Subject, l.Error)
	}
	m, err := replay.Read(stored.Msg{Subject: l.Subject, Seq: l.Seq, At: l.At, Data: l.Events})
	return recorded{Message: m, raw: l.Events}, err
}

func (s server) eachStored(ctx context.Context, about span, fn func(storedLine) error) error {
	body, err := s.get(ctx, "/api/v1/records", about.query())
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	return eachLine(body, func(l storedLine, _ []byte) error { return fn(l) })
}

// gather gathers records by incident, in the order in which they begin. What is kept in part is left out, and told.
func gather(ctx context.Context, source records, partial func(incidents.ID)) ([]incidents.ID, map[incidents.ID][]recorded, error) {
	byID := map[incidents.ID][]recorded{}
	var order []incidents.ID
	err := source(ctx, func(m recorded) error {
		if byID[m.ID] == nil {
			order = append(order, m.ID)
		}
		byID[m.ID] = append(byID[m.ID], m)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	order = slices.DeleteFunc(order, func(id incidents.ID) bool {
		if byID[id][0].Events[0].Kind == incidents.Opened {
			return false
		}
		partial(id)
		return true
	})
	return order, byID, nil
}

// errNothing says that there was nothing to replay: a check of nothing must not pass for one that found nothing.
var errNothing = errors.New("there is nothing to replay: no incident was found")

// line is an event as "incidents watch --json" prints it.
func line(m recorded, e incidents.Event) console.Line {
	return console.Line{ID: m.ID, Seq: m.Seq, Event: e}
}

// byOpening orders results.
func byOpening(x, y replay.Result) int {
	return cmp.Or(x.OpenedAt.Compare(y.OpenedAt), cmp.Compare(x.ID, y.ID))
}
