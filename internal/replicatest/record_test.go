package replicatest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
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
	V    int       `json:"v"`
	Kind string    `json:"kind"`
	At   time.Time `json:"at"`
	// By names the process that wrote it: host name, "-", process id.
	By      string `json:"by"`
	Opening *struct {
		Alert alert `json:"alert"`
	} `json:"opening"`
	Alert *alert `json:"alert"`
	Order *struct {
		Action string `json:"action"`
		Fence  uint64 `json:"fence"`
	} `json:"order"`
	Refusal *struct {
		Reason string `json:"reason"`
	} `json:"refusal"`
	Note string `json:"note"`
}

// alert is an alert in a record, and a line of /api/v1/alerts.
type alert struct {
	Fingerprint string    `json:"fingerprint"`
	Status      string    `json:"status"`
	StartsAt    time.Time `json:"startsAt"`
	EndsAt      time.Time `json:"endsAt"`
}

func (a alert) key() string { return keyOf(a.Fingerprint, a.Status, a.StartsAt, a.EndsAt) }

// told is the alert that an event brought into the record; nil if it brought none.
func (e event) told() *alert {
	if e.Opening != nil {
		return &e.Opening.Alert
	}
	return e.Alert
}

func (e event) action() string {
	if e.Order == nil {
		return ""
	}
	return e.Order.Action
}

// by says whether the process of that id wrote the event.
func (e event) by(pid int) bool { return strings.HasSuffix(e.By, fmt.Sprintf("-%d", pid)) }

func (r record) count(kind string) int {
	n := 0
	for _, e := range r.Events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func (r record) last() event { return r.Events[len(r.Events)-1] }

// about says whether the incident is an edge's.
func (r record) about(e *edge) bool {
	opening := r.Events[0].Opening
	return opening != nil && opening.Alert.Fingerprint == e.fingerprint()
}

// line is the record's course in one line, for people. Looks in a row are one.
func (r record) line() string {
	var kinds []string
	for _, e := range r.Events {
		kinds = append(kinds, e.Kind)
	}
	return r.Summary.ID + ": " + strings.Join(slices.Compact(kinds), " ")
}

// story is the record with all that is needed to understand it.
func (r record) story() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s: %s)\n", r.Summary.ID, r.Summary.Stage, r.Summary.Words)
	for _, e := range r.Events {
		fmt.Fprintf(&b, "  %s %-15s by %s %s %s\n", e.At.Format("15:04:05.000"), e.Kind, e.By, e.action(), e.Note)
	}
	return b.String()
}

// api reads the API of one replica.
type api struct {
	url    string
	client *http.Client
}

// get reads one path, one JSON object a line.
func (a api) get(path string, each func([]byte) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+path, nil)
	if err != nil {
		return err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<12))
		return fmt.Errorf("get %s: %s: %s", path, resp.Status, text)
	}
	lines := bufio.NewReader(resp.Body)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			if err := each(line); err != nil {
				return fmt.Errorf("get %s: %w", path, err)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("get %s: %w", path, err)
		}
	}
}

// list reads one object a line.
func list[T any](a api, path string) ([]T, error) {
	var all []T
	err := a.get(path, func(line []byte) error {
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			return err
		}
		all = append(all, v)
		return nil
	})
	return all, err
}

// records are all incidents that want names, oldest first.
func (a api) records(want func(summary) bool) ([]record, error) {
	sums, err := list[summary](a, "/api/v1/incidents?since=2h")
	if err != nil {
		return nil, err
	}
	var all []record
	for _, s := range slices.Backward(sums) {
		if !want(s) {
			continue
		}
		found, err := list[record](a, "/api/v1/incidents/"+s.ID)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}
