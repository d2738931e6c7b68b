package stormtest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What follows is the API's JSON as a stranger reads it.

// summary is one line of /api/v1/incidents.
type summary struct {
	ID      string `json:"id"`
	Target  string `json:"target"`
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
	Kind    string    `json:"kind"`
	At      time.Time `json:"at"`
	Opening *struct {
		Alert alert `json:"alert"`
	} `json:"opening"`
	Alert *alert `json:"alert"`
	Order *struct {
		Action string `json:"action"`
	} `json:"order"`
	Refusal *struct {
		Reason string `json:"reason"`
	} `json:"refusal"`
	Closing *struct {
		Outcome string `json:"outcome"`
	} `json:"closing"`
}

// alert is an alert in a record, and a line of /api/v1/alerts.
type alert struct {
	Fingerprint string    `json:"fingerprint"`
	Status      string    `json:"status"`
	StartsAt    time.Time `json:"startsAt"`
	EndsAt      time.Time `json:"endsAt"`
	Copies      int       `json:"copies"`
}

func (a alert) key() string {
	if a.Status == "firing" {
		return fmt.Sprintf("%s.firing.%d", a.Fingerprint, a.StartsAt.UnixMilli())
	}
	return fmt.Sprintf("%s.resolved.%d.%d", a.Fingerprint, a.StartsAt.UnixMilli(), a.EndsAt.UnixMilli())
}

// told is the alert that an event brought into the record; nil if it brought none.
func (e event) told() *alert {
	if e.Opening != nil {
		return &e.Opening.Alert
	}
	return e.Alert
}

func (r record) count(kind string) int {
	n := 0
	for _, e := range r.Events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// block is a line of /api/v1/blocked, and budget one of /api/v1/budget.
type block struct {
	What   string    `json:"what"`
	Where  string    `json:"where"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
}

type budget struct {
	Scope    string `json:"scope"`
	Name     string `json:"name"`
	HourUsed int    `json:"hour_used"`
	Standing int    `json:"standing"`
}

// api reads from Firebreak.
type api struct {
	url    string
	client *http.Client
}

// get hands out the lines of one path.
func (a api) get(ctx context.Context, path string, each func([]byte) error) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
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
func list[T any](ctx context.Context, a api, path string) ([]T, error) {
	var all []T
	err := a.get(ctx, path, func(line []byte) error {
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			return err
		}
		all = append(all, v)
		return nil
	})
	return all, err
}

// incidents are all, oldest first.
func (a api) incidents(ctx context.Context) ([]summary, error) {
	all, err := list[summary](ctx, a, "/api/v1/incidents?since=1h")
	slices.Reverse(all)
	return all, err
}

// records are all incidents with their events, oldest first.
func (a api) records(ctx context.Context) ([]record, error) {
	sums, err := a.incidents(ctx)
	if err != nil {
		return nil, err
	}
	var all []record
	for _, s := range sums {
		found, err := list[record](ctx, a, "/api/v1/incidents/"+s.ID)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// metric is the values of a metric by one of its labels, or under "" if that is empty.
func (a api) metric(ctx context.Context, name, label string) (map[string]int, error) {
	found := map[string]int{}
	err := a.get(ctx, "/metrics", func(line []byte) error {
		series, value, ok := strings.Cut(strings.TrimSpace(string(line)), " ")
		if !ok || series != name && !strings.HasPrefix(series, name+"{") {
			return nil
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return err
		}
		of := ""
		if _, rest, ok := strings.Cut(series, label+`="`); ok && label != "" {
			of, _, _ = strings.Cut(rest, `"`)
		}
		found[of] += int(v)
		return nil
	})
	return found, err
}

func sum(m map[string]int) int {
	n := 0
	for _, v := range m {
		n += v
	}
	return n
}
