package crashtest

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

// What follows is the API's JSON as a stranger reads it. This test imports nothing of the product: it is outside.

// summary is one line of /api/v1/incidents.
type summary struct {
	ID      string `json:"id"`
	Stage   string `json:"stage"`
	Outcome string `json:"outcome"`
	Refused string `json:"refused"`
	Words   string `json:"words"`
}

// record is one incident with all of its events.
type record struct {
	Summary summary `json:"summary"`
	Events  []event `json:"events"`
}

type event struct {
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
	Presence *struct {
		State string `json:"state"`
	} `json:"presence"`
	Note string `json:"note"`
}

// alert is an alert in a record, and a line of /api/v1/alerts.
type alert struct {
	Fingerprint string    `json:"fingerprint"`
	Status      string    `json:"status"`
	StartsAt    time.Time `json:"startsAt"`
	EndsAt      time.Time `json:"endsAt"`
	// Delivery is the first one.
	Delivery struct {
		At time.Time `json:"at"`
	} `json:"delivery"`
}

func (a alert) key() string {
	if a.Fingerprint != labels().Fingerprint().String() {
		return "foreign." + a.Fingerprint
	}
	return news{status: a.Status, starts: a.StartsAt, ends: a.EndsAt}.key()
}

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

// line is the record's course in one line, for people. Looks in a row are one.
func (r record) line() string {
	var kinds []string
	for _, e := range r.Events {
		kinds = append(kinds, e.Kind)
	}
	return r.Summary.ID + ": " + strings.Join(slices.Compact(kinds), " ")
}

// get reads one path of the API.
func (w *world) get(path string, each func([]byte) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+path, nil)
	if err != nil {
		return err
	}
	resp, err := w.am.client.Do(req)
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
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("get %s: %w", path, err)
		}
	}
}

// list reads one object a line.
func list[T any](w *world, path string) ([]T, error) {
	var all []T
	err := w.get(path, func(line []byte) error {
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			return err
		}
		all = append(all, v)
		return nil
	})
	return all, err
}

// records are all incidents, oldest first.
func (w *world) records() ([]record, error) {
	sums, err := list[summary](w, "/api/v1/incidents?since=1h")
	if err != nil {
		return nil, err
	}
	var all []record
	for _, s := range slices.Backward(sums) {
		found, err := list[record](w, "/api/v1/incidents/"+s.ID)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}
