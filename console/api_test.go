package console_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/console"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/rs/zerolog"
)

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// desk is the console with a real bus behind it.
type desk struct {
	bus *bus.Bus
	url string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	b, err := bus.Open(within(t), bus.Config{Dir: t.TempDir(), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	srv := httptest.NewServer(console.NewAPI(b))
	t.Cleanup(srv.Close)
	return &desk{bus: b, url: srv.URL}
}

func alert(name string) alerts.Alert {
	return alerts.Alert{Fingerprint: fmt.Sprintf("%016x", len(name)), Status: alerts.Firing, Labels: map[string]string{"alertname": name},
		StartsAt: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
}

// opens begins the n-th incident of a target and returns its state.
func (d *desk) opens(t *testing.T, target string, n int) *incidents.State {
	t.Helper()
	st := incidents.Fold(nil)
	d.append(t, st, incidents.Event{Kind: incidents.Opened, Opening: &incidents.Opening{
		ID: incidents.NewID("retrystorm", target, n), Handler: "retrystorm", Target: target, Alert: alert("RetryStorm")}})
	return st
}

func (d *desk) append(t *testing.T, st *incidents.State, events ...incidents.Event) {
	t.Helper()
	for i := range events {
		events[i].V, events[i].At = incidents.Version, time.Now().UTC()
	}
	if err := incidents.NewStore(d.bus).Append(within(t), st, events...); err != nil {
		t.Fatal(err)
	}
}

func (d *desk) closes(t *testing.T, st *incidents.State) {
	t.Helper()
	d.append(t, st, incidents.Event{Kind: incidents.Escalated}, incidents.Event{Kind: incidents.Closed, Closing: &incidents.Closing{Outcome: incidents.OutcomePaged, Words: "told"}})
}

// damages writes what is no record under an incident's subject, and what is no incident.
func (d *desk) damages(t *testing.T, st *incidents.State) {
	t.Helper()
	for subject, last := range map[string]uint64{"incidents." + st.ID.Key(): st.Seq, "incidents.stranger": 0} {
		if _, err := d.bus.AppendIf(within(t), subject, last, []byte("garbage")); err != nil {
			t.Fatal(err)
		}
	}
}

func (d *desk) ask(t *testing.T, ctx context.Context, method, path string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, d.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req) // follows no redirect
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// get reads an answer of one T a line.
func get[T any](t *testing.T, d *desk, path string) []T {
	t.Helper()
	resp := d.ask(t, within(t), http.MethodGet, path)
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || got != "application/x-ndjson" {
		t.Fatalf("%s: got %d of %s, want 200", path, resp.StatusCode, got)
	}
	var out []T
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		var v T
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatalf("%s: got line %q: %v", path, lines.Text(), err)
		}
		out = append(out, v)
	}
	return out
}

// The list has each incident once, newest first, as it stands; a damaged record hides no other.
func TestList(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if got := get[incidents.Summary](t, d, "/api/v1/incidents"); len(got) != 0 {
		t.Errorf("got %+v of an empty bus, want nothing", got)
	}
	first := d.opens(t, "a", 1)
	broken := d.opens(t, "b", 1)
	d.damages(t, broken)
	last := d.opens(t, "c", 1)
	d.closes(t, first)
	got := get[incidents.Summary](t, d, "/api/v1/incidents/")
	ids := func(all []incidents.Summary) (out []incidents.ID) {
		for _, s := range all {
			out = append(out, s.ID)
		}
		return out
	}
	if want := []incidents.ID{last.ID, broken.ID, first.ID}; !slices.Equal(ids(got), want) {
		t.Fatalf("got %v, want %v", ids(got), want)
	}
	if s := got[2]; s.Outcome != incidents.OutcomePaged || s.Stage != incidents.Ended || !s.Escalated || s.Words != "told" || s.Target != "a" {
		t.Errorf("got %+v, want the closed incident", s)
	}
	if s := got[0]; s.Stage != incidents.Looking || !s.Firing || s.Outcome != "" {
		t.Errorf("got %+v, want an open incident", s)
	}
}

// An incident that was opened before the time that is asked for is whole in the list if anything happened to it since.
func TestListSince(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	old, quiet, broken := d.opens(t, "old", 1), d.opens(t, "quiet", 1), d.opens(t, "broken", 1)
	d.damages(t, broken)
	m, err := d.bus.Last(within(t), bus.Incidents, "incidents.>")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "what comes is told apart from what was", func() bool { return time.Since(m.At) > 300*time.Millisecond })
	d.closes(t, old)
	var got []incidents.Summary
	// The server counts back from when it is asked: on a busy machine that can be too late for what came, once or twice.
	eventually(t, "the close is seen", func() bool {
		got = get[incidents.Summary](t, d, "/api/v1/incidents?since="+(time.Since(m.At)-time.Millisecond).String())
		return len(got) > 0
	})
	if len(got) != 1 || got[0].ID != old.ID || got[0].Target != "old" || got[0].Outcome != incidents.OutcomePaged {
		t.Errorf("got %+v, want only %s, whole", got, old.ID)
	}
	if all := get[incidents.Summary](t, d, "/api/v1/incidents?since=1h"); len(all) != 3 {
		t.Errorf("got %d incidents of the last hour, want all, also %s", len(all), quiet.ID)
	}
	if none := get[incidents.Summary](t, d, "/api/v1/incidents?since=0s"); len(none) != 0 {
		t.Errorf("got %+v since now, want none", none)
	}
}

// One incident is shown with all of its events.
func TestShow(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	st := d.opens(t, "a", 3)
	d.append(t, st, incidents.Event{Kind: "of_tomorrow", Note: "kept"})
	d.closes(t, st)
	resp := d.ask(t, within(t), http.MethodGet, "/api/v1/incidents/"+st.ID.String())
	var rec console.Record
	if err := json.NewDecoder(resp.Body).Decode(&rec); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("got %d, %v, want the record", resp.StatusCode, err)
	}
	var kinds []incidents.Kind
	for _, e := range rec.Events {
		kinds = append(kinds, e.Kind)
	}
	if want := []incidents.Kind{incidents.Opened, "of_tomorrow", incidents.Escalated, incidents.Closed}; !slices.Equal(kinds, want) {
		t.Errorf("got events %v, want %v", kinds, want)
	}
	if rec.Summary.ID != st.ID || rec.Summary.Outcome != incidents.OutcomePaged {
		t.Errorf("got summary %+v", rec.Summary)
	}
}

// What cannot be answered is refused by the right status, with a message.
func TestRefusals(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	st := d.opens(t, "damaged", 1)
	d.damages(t, st)
	for _, c := range []struct {
		method, path string
		want         int
		words        string
	}{
		{"GET", "/api/v1/incidents/nonsense", 400, "not an incident's id"},
		{"GET", "/api/v1/incidents/retrystorm-3f9a2c81b04d-7/events", 400, "not an incident's id"},
		{"GET", "/api/v1/incidents/..%2f..%2fetc", 400, "not an incident's id"},
		{"GET", "/api/v1/incidents/retrystorm-3f9a2c81b04d-7", 404, "not found"},
		{"GET", "/api/v1/incidents/" + st.ID.String(), 503, "damaged"},
		{"GET", "/api/v1/incidents?since=yesterday", 400, "write a duration"},
		{"GET", "/api/v1/incidents?since=-1h", 400, "write a duration"},
		{"GET", "/api/v1/incidents/watch?since=x", 400, "write a duration"},
		{"GET", "/api/v1/alerts?since=7d", 400, "write a duration"},
		{"GET", "/api/v1/nothing", 404, "no such path"},
		{"GET", "/api/v2/incidents", 404, "no such path"},
		{"POST", "/api/v1/incidents", 405, "only GET"},
		{"POST", "/api/v1/incidents/watch", 405, "only GET"},
		{"DELETE", "/api/v1/incidents/" + st.ID.String(), 405, "only GET"},
		{"PUT", "/api/v1/alerts", 405, "only GET"},
	} {
		resp := d.ask(t, within(t), c.method, c.path)
		var said struct {
			Error string `json:"error"`
		}
		err := json.NewDecoder(resp.Body).Decode(&said)
		if resp.StatusCode != c.want || err != nil || !strings.Contains(said.Error, c.words) {
			t.Errorf("%s %s: got %d %q, %v, want %d with %q", c.method, c.path, resp.StatusCode, said.Error, err, c.want, c.words)
		}
	}
	d.bus.Close()
	for _, path := range []string{"/api/v1/incidents", "/api/v1/alerts", "/api/v1/incidents/" + st.ID.String()} {
		if got := d.ask(t, within(t), http.MethodGet, path).StatusCode; got != http.StatusServiceUnavailable {
			t.Errorf("%s without a bus: got %d, want 503", path, got)
		}
	}
}

// A watch shows what was asked for of the past, then each event as it happens, until the reader leaves.
func TestWatch(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	st := d.opens(t, "a", 1)
	ctx, leave := context.WithCancel(within(t))
	defer leave()
	past := bufio.NewScanner(d.ask(t, ctx, http.MethodGet, "/api/v1/incidents/watch?since=1h").Body)
	present := bufio.NewScanner(d.ask(t, ctx, http.MethodGet, "/api/v1/incidents/watch").Body)
	next := func(s *bufio.Scanner) console.Line {
		t.Helper()
		var l console.Line
		if !s.Scan() {
			t.Fatalf("the watch ended: %v", s.Err())
		}
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			t.Fatalf("got line %q: %v", s.Text(), err)
		}
		return l
	}
	if got := next(past); got.Event.Kind != incidents.Opened || got.ID != st.ID || got.Seq != st.Seq {
		t.Errorf("got %+v, want the opening", got)
	}
	d.damages(t, d.opens(t, "b", 1))
	d.closes(t, st)
	for _, s := range []*bufio.Scanner{past, present} {
		for _, want := range []incidents.Kind{incidents.Opened, incidents.Escalated, incidents.Closed} {
			if got := next(s); got.Event.Kind != want {
				t.Errorf("got %+v, want %s", got, want)
			}
		}
	}
}

// The history of alerts has each piece of news once, however many copies came.
func TestAlerts(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx, stop := context.WithCancel(context.Background())
	j := d.bus.Journal()
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	defer func() { stop(); <-done }()
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	deliver := func(seconds int, peer string, list ...alerts.Alert) {
		t.Helper()
		var raws []alerts.Raw
		for _, a := range list {
			raw, err := alerts.Encode(a)
			if err != nil {
				t.Fatal(err)
			}
			raws = append(raws, raw)
		}
		at := alerts.Delivery{At: noon.Add(time.Duration(seconds) * time.Second), Source: alerts.SourceWebhook, ExternalURL: peer}
		if err := j.Append(within(t), alerts.AppendRecord(nil, at, raws)); err != nil {
			t.Fatal(err)
		}
	}
	a, b := alert("A"), alert("BB")
	ended := a
	ended.Status, ended.EndsAt = alerts.Resolved, noon.Add(time.Minute)
	deliver(0, "http://am1", a)
	deliver(1, "http://am2", a, b)
	if err := j.Append(within(t), []byte("garbage\n")); err != nil {
		t.Fatal(err)
	}
	deliver(60, "http://am1", ended, b)
	deliver(61, "http://am2", ended)
	type news struct {
		name, status string
		copies       int
		first, last  int
	}
	var got []news
	for _, d := range get[console.Delivered](t, d, "/api/v1/alerts?since=1h") {
		got = append(got, news{d.Name(), string(d.Status), d.Copies, int(d.Delivery.At.Sub(noon).Seconds()), int(d.LastAt.Sub(noon).Seconds())})
	}
	want := []news{{"A", "firing", 2, 0, 1}, {"BB", "firing", 2, 1, 60}, {"A", "resolved", 2, 60, 61}}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
