package console_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/console"
	"github.com/firebreak-sre/firebreak/incidents"
)

// records asks for messages of records.
func records(t *testing.T, d *desk, query url.Values) []console.Stored {
	t.Helper()
	return get[console.Stored](t, d, "/api/v1/records?"+query.Encode())
}

func seqs(all []console.Stored) (out []uint64) {
	for _, m := range all {
		out = append(out, m.Seq)
	}
	return out
}

// Records come message by message in the order of their storing, also those that cannot be read, and what only a newer build knows.
func TestRecords(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if got := records(t, d, nil); len(got) != 0 {
		t.Errorf("got %+v of an empty bus, want nothing", got)
	}
	a, b := d.opens(t, "a", 1), d.opens(t, "b", 1)
	d.closes(t, a)
	seq, err := d.bus.AppendIf(within(t), "incidents."+b.ID.Key(), b.Seq, []byte(`[{"v":9, "kind":"of_tomorrow", "at":"2026-11-22T12:00:00Z", "what":{"x":1}}]`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.bus.AppendIf(within(t), "incidents."+b.ID.Key(), seq, []byte("garbage")); err != nil {
		t.Fatal(err)
	}
	got := records(t, d, url.Values{"since": {"1h"}})
	if want := []uint64{1, 2, 3, 4, 5}; !slices.Equal(seqs(got), want) {
		t.Fatalf("got %v, want %v", seqs(got), want)
	}
	id, err := incidents.IDOfSubject(got[2].Subject)
	if err != nil || id != a.ID || len(got[2].Events) != 2 || got[2].Events[1].Kind != incidents.Closed || time.Since(got[2].At).Abs() > time.Minute || got[2].Error != "" {
		t.Errorf("got %+v, %v, want the end of %s as one message", got[2], err, a.ID)
	}
	if got[4].Error == "" || len(got[4].Events) != 0 || !strings.Contains(got[4].Error, "damaged") {
		t.Errorf("got %+v, want that it cannot be read", got[4])
	}
	raw, err := io.ReadAll(d.ask(t, within(t), http.MethodGet, "/api/v1/records").Body)
	if err != nil || !strings.Contains(string(raw), `"what":{"x":1}`) || strings.Count(string(raw), "\n") != 5 {
		t.Errorf("got %s, %v, want every line as it was written", raw, err)
	}
}

// What is asked for is what is answered: by time, handler, target, and behind a place.
func TestRecordsChosen(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.opens(t, "a", 1)
	d.opens(t, "b.*", 1)
	other := incidents.Fold(nil)
	d.append(t, other, incidents.Event{Kind: incidents.Opened, Opening: &incidents.Opening{ID: incidents.NewID("poolexhaustion", "a", 1),
		Handler: "poolexhaustion", Target: "a", Alert: alert("P")}})
	last, err := d.bus.Last(within(t), bus.Incidents, "incidents.>")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "what comes is told apart from what was", func() bool { return time.Since(last.At) > 20*time.Millisecond })
	cut := time.Now()
	d.closes(t, other)
	moment := cut.UTC().Format(time.RFC3339Nano)
	for _, c := range []struct {
		query url.Values
		want  []uint64
	}{
		{url.Values{}, []uint64{1, 2, 3, 4}},
		{url.Values{"handler": {"retrystorm"}}, []uint64{1, 2}},
		{url.Values{"handler": {"poolexhaustion"}, "target": {"a"}}, []uint64{3, 4}},
		{url.Values{"target": {"a"}}, []uint64{1, 3, 4}},
		{url.Values{"target": {"b.*"}}, []uint64{2}},
		{url.Values{"target": {"nobody"}}, nil},
		{url.Values{"handler": {"nobody"}}, nil},
		{url.Values{"since": {moment}}, []uint64{4}},
		{url.Values{"until": {moment}}, []uint64{1, 2, 3}},
		{url.Values{"since": {"1h"}, "until": {moment}, "handler": {"poolexhaustion"}}, []uint64{3}},
		{url.Values{"after": {"2"}}, []uint64{3, 4}},
		{url.Values{"after": {"2"}, "since": {moment}}, []uint64{4}},
		{url.Values{"after": {"4"}}, nil},
		{url.Values{"after": {"9000"}}, nil},
		{url.Values{"since": {"0s"}}, nil},
	} {
		if got := seqs(records(t, d, c.query)); !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v, want %v", c.query, got, c.want)
		}
	}
}

// What cannot be asked is refused before anything is read.
func TestRecordsRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, query := range []string{"since=7d", "since=-1h", "until=soon", "since=1h&until=2h", "after=-1", "after=x", "after=99999999999999999999", "after=9223372036854775808",
		"handler=*", "handler=a.b", "handler=%3E", "handler=A", "handler=a-b"} {
		if got := d.ask(t, within(t), http.MethodGet, "/api/v1/records?"+query).StatusCode; got != http.StatusBadRequest {
			t.Errorf("%s: got %d, want 400", query, got)
		}
	}
	if got := d.ask(t, within(t), http.MethodPost, "/api/v1/records").StatusCode; got != http.StatusMethodNotAllowed {
		t.Errorf("got %d, want 405", got)
	}
	d.bus.Close()
	if got := d.ask(t, within(t), http.MethodGet, "/api/v1/records").StatusCode; got != http.StatusServiceUnavailable {
		t.Errorf("got %d without a bus, want 503", got)
	}
}

// slow is a reader that takes nothing before it is released, and ends with what it is told to.
type slow struct {
	http.ResponseWriter
	began   chan struct{}
	release chan error
}

func newSlow() *slow {
	return &slow{ResponseWriter: httptest.NewRecorder(), began: make(chan struct{}, 1), release: make(chan error)}
}

// Write says that it was asked to, and waits.
func (s *slow) Write(p []byte) (int, error) {
	select {
	case s.began <- struct{}{}:
	default:
	}
	if err := <-s.release; err != nil {
		return 0, err
	}
	return s.ResponseWriter.Write(p)
}

// Only so many read at once: who comes too many is told so, and served when one has left. What is cut short breaks off: it never looks
// whole.
func TestRecordsBounded(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.opens(t, "a", 1)
	d.opens(t, "b", 1)
	api := console.NewAPI(d.bus)
	serve := func(w http.ResponseWriter) (broke any) {
		defer func() { broke = recover() }()
		api.ServeHTTP(w, httptest.NewRequestWithContext(within(t), http.MethodGet, "/api/v1/records", nil))
		return nil
	}
	answer := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		serve(w)
		return w
	}
	readers := []*slow{newSlow(), newSlow(), newSlow(), newSlow()}
	ended := make(chan any, len(readers))
	for _, r := range readers {
		go func() { ended <- serve(r) }()
		<-r.began
	}
	if w := answer(); w.Code != http.StatusTooManyRequests || !strings.Contains(w.Body.String(), "ask again") {
		t.Fatalf("got %d %q, want 429", w.Code, w.Body)
	}
	readers[0].release <- nil
	readers[0].release <- errors.New("the reader is gone")
	if broke := <-ended; broke != http.ErrAbortHandler {
		t.Errorf("an answer that was cut short ended with %v, want that it breaks off", broke)
	}
	if w := answer(); w.Code != http.StatusOK || strings.Count(w.Body.String(), "\n") != 2 {
		t.Errorf("got %d %q, want both lines: a place is free", w.Code, w.Body)
	}
	for _, r := range readers[1:] {
		r.release <- nil
		r.release <- nil
		if broke := <-ended; broke != nil {
			t.Errorf("a whole answer ended with %v", broke)
		}
	}
}

// A hundred answers of one line are as good as one of a hundred: places are given back, also by those who asked wrongly.
func TestRecordsAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.opens(t, "a", 1)
	for i := range 20 {
		if got := records(t, d, nil); len(got) != 1 {
			t.Fatalf("%d: got %d lines", i, len(got))
		}
		d.ask(t, within(t), http.MethodGet, fmt.Sprintf("/api/v1/records?after=%d&since=x", i))
	}
}
