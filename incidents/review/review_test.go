package review_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/review"
)

// written is a document in its three forms.
func written(t *testing.T, d review.Document) map[string]string {
	t.Helper()
	out := map[string]string{}
	for form, write := range map[string]func(*bytes.Buffer) error{
		"md":   func(b *bytes.Buffer) error { return d.Markdown(b) },
		"html": func(b *bytes.Buffer) error { return d.HTML(b) },
		"json": func(b *bytes.Buffer) error { return d.JSON(b) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		out[form] = b.String()
	}
	return out
}

// Documents are written byte by byte as the files of testdata, however often.
func TestGolden(t *testing.T) {
	t.Parallel()
	documents := map[string]review.Document{
		"fixed":    review.New(fixed(), review.Options{Series: goodput()}),
		"paged":    review.New(paged(), review.Options{}),
		"doubtful": review.New(doubtful(), review.Options{}),
		"torn":     review.New(fixed()[20:], review.Options{Incident: incidents.NewID("retrystorm", "checkout/payments", 7)}),
	}
	for name, d := range documents {
		first, again := written(t, d), written(t, d)
		for form, got := range first {
			if got != again[form] {
				t.Errorf("%s.%s is another one the second time", name, form)
			}
			path := filepath.Join("testdata", name+"."+form)
			if os.Getenv("UPDATE_GOLDEN") == "1" {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || got != string(want) {
				t.Errorf("%s: %v; it is not as it was (UPDATE_GOLDEN=1 writes it anew)", path, err)
			}
		}
	}
}

// The document answers what people ask: what happened, who agreed to which plan, what was refused and what that means, what was not done.
func TestSays(t *testing.T) {
	t.Parallel()
	d := review.New(fixed(), review.Options{})
	text := strings.Join(d.Summary, "\n")
	for _, want := range []string{"The alert RetryStorm began to fire for checkout/payments at 2026-11-22 12:00:00Z, and the incident was opened 2.1s later.",
		"The cause was taken to be retry_storm, 896ms after the detection", `The change "retry_budget on checkout/payments" was made, and stood 18.2s after the detection; it was judged improved`,
		"It was taken back, and since +1m38s nothing of it stands.", "The fault was over 1m1s after the alert began. The incident ended as fixed: acted, verified, given back.",
		"All 4 targets of RB-011 that can be measured were met."} {
		if !strings.Contains(text, want) {
			t.Errorf("the summary does not say %q:\n%s", want, text)
		}
	}
	if len(d.Said) != 3 || d.Said[1].Plan != planHash || !d.Said[1].Done || !strings.Contains(d.Said[1].Words, "approved by alice (slack)") {
		t.Errorf("got %+v, want that alice approved the plan that was carried out", d.Said)
	}
	if len(d.Refusals) != 1 || d.Refusals[0].Times != 3 || !strings.Contains(d.Refusals[0].Means, "ended") {
		t.Errorf("got %+v, want one refusal, three times, with what it means", d.Refusals)
	}
	if f := d.Finding; f.Cause != "retry_storm" || len(f.Others) != 2 || f.Policy != "c0ffee12" || len(f.Facts) != 3 || f.Facts[0].Before != "39.0 calls/s end well" || f.Facts[0].After != "99.0 calls/s end well" {
		t.Errorf("got %+v", f)
	}
	if c := d.Changes; len(c) != 1 || c[0].Plan != planHash || c[0].Effect != "improved" || c[0].Ended == 0 || len(c[0].Steps) != 6 {
		t.Errorf("got %+v", c)
	}
	looks := slices.IndexFunc(d.Timeline, func(r review.Row) bool { return r.Kind == string(incidents.Observed) && r.Times == 4 })
	if looks < 0 || d.Timeline[0].Kind != string(incidents.Opened) || len(d.Timeline) > 22 {
		t.Errorf("got %d rows, want looks that follow each other in one: %+v", len(d.Timeline), d.Timeline)
	}
	if len(d.Series) != 2 || d.Series[0].Name != "goodput" || len(d.Series[0].Points) != 5 || d.Series[0].Points[4].Value != 99 {
		t.Errorf("got %+v, want the numbers that the decisions rest on", d.Series)
	}
}

// What the record does not have is said, and is not made up.
func TestGaps(t *testing.T) {
	t.Parallel()
	newer := append(fixed(), incidents.Event{V: incidents.Version + 1, Kind: "of_tomorrow", At: at(5000), Note: "kept"})
	for _, c := range []struct {
		name    string
		events  []incidents.Event
		gap     string
		summary string
	}{
		{"nothing", nil, "The record is empty.", "There is nothing in the record."},
		{"torn", fixed()[20:], "The record's beginning is gone", "How it began is not in the record any more."},
		{"open", paged(), "The incident is open", `it stands at "looking"`},
		{"newer", newer, "A newer version wrote", "ended as fixed"},
		{"bare", []incidents.Event{plain(incidents.Opened, 0), plain(incidents.Decided, 1), plain(incidents.Intended, 2), plain(incidents.Applied, 3),
			plain(incidents.Verified, 4), plain(incidents.Asked, 5), plain(incidents.Refused, 6), plain(incidents.Closed, 7)}, "beginning is gone", "What is left of the record has no decision."},
		{"quiet", fixed()[:1], "The incident is open", "Nothing was decided.\nNothing was changed."},
		{"doubtful", doubtful(), "", "a person must look whether anything stands there"},
		{"sent", doubtful()[:5], "The incident is open", "It is not known yet whether it stands."},
		{"in doubt", doubtful()[:7], "The incident is open", "It is not known yet whether it stands."},
		{"planned", doubtful()[:4], "The incident is open", "was planned, and not sent. Nothing of it stands."},
		{"standing", fixed()[:18], "The incident is open", "By this record it stands still."},
	} {
		d := review.New(c.events, review.Options{})
		if got := strings.Join(d.Gaps, "\n"); !strings.Contains(got, c.gap) || (c.gap == "") != (got == "") {
			t.Errorf("%s: got gaps %q, want %q", c.name, got, c.gap)
		}
		if got := strings.Join(d.Summary, "\n"); !strings.Contains(got, c.summary) {
			t.Errorf("%s: got summary %q, want %q", c.name, got, c.summary)
		}
		written(t, d)
	}
	named := review.New(fixed()[20:], review.Options{Incident: incidents.NewID("retrystorm", "checkout/payments", 7)})
	if named.Handler != "retrystorm" || named.Runbook != "RB-011" || named.Incident == "" || len(named.Targets) == 0 {
		t.Errorf("got %+v of a record without its beginning, want what its name tells", named.Head)
	}
	open := review.New(paged(), review.Options{})
	if got := open.Targets[0]; got.Result != "missed" || !strings.Contains(strings.Join(open.Questions, "\n"), "recovery took 20m15s, and the target is RTO < 2 min.") {
		t.Errorf("got %+v and %q, want the missed target and a question about it", got, open.Questions)
	}
}

// Every prefix of a record is a document: it may be asked for at any time.
func TestPrefixes(t *testing.T) {
	t.Parallel()
	for _, events := range [][]incidents.Event{fixed(), paged(), doubtful()} {
		for i := range events {
			for _, part := range [][]incidents.Event{events[:i], events[i:]} {
				d := review.New(part, review.Options{})
				if len(d.Summary) == 0 || len(d.Questions) == 0 || (len(part) > 0) != (len(d.Timeline) > 0) {
					t.Errorf("got %+v of %d events", d, len(part))
				}
				if err := errors.Join(d.Markdown(io.Discard), d.JSON(io.Discard)); err != nil {
					t.Error(err)
				}
				if i%6 == 5 {
					written(t, d)
				}
			}
		}
	}
}

// A record of days is a document that can be read, and says what it leaves out; series keep their peaks.
func TestLong(t *testing.T) {
	t.Parallel()
	events := fixed()[:1]
	s := review.Series{Name: "lag", Unit: "s"}
	for i := range 20_000 {
		n := plain(incidents.Escalated, float64(3+i))
		n.Note = strings.Repeat("x", 3)
		events = append(events, n)
		value := 1.0
		if i == 12_345 {
			value = 77
		}
		s.Points = append(s.Points, review.Point{At: at(float64(i)), Value: value})
	}
	d := review.New(events, review.Options{Series: []review.Series{s}})
	if len(d.Timeline) != 300 || d.LeftOut != 20_001-300 || d.Timeline[0].Kind != "opened" || d.Timeline[299].After < d.Timeline[150].After {
		t.Errorf("got %d rows, %d left out", len(d.Timeline), d.LeftOut)
	}
	if n := len(d.Series[0].Points); n > 240 || !slices.ContainsFunc(d.Series[0].Points, func(p review.Point) bool { return p.Value == 77 }) {
		t.Errorf("got %d points, want 240 at most, with the peak", n)
	}
	for form, text := range written(t, d) {
		if len(text) > 150_000 || !strings.Contains(text, "19701") {
			t.Errorf("%s: got %d bytes, want fewer, and how many rows are left out", form, len(text))
		}
	}
}

// The JSON form is one object with spans in seconds.
func TestJSON(t *testing.T) {
	t.Parallel()
	var got struct {
		Incident string   `json:"incident"`
		Summary  []string `json:"summary"`
		Targets  []struct {
			Name string  `json:"name"`
			Took float64 `json:"took_s"`
		} `json:"targets"`
	}
	if err := json.Unmarshal([]byte(written(t, review.New(fixed(), review.Options{}))["json"]), &got); err != nil {
		t.Fatal(err)
	}
	if got.Incident != incidents.NewID("retrystorm", "checkout/payments", 7).String() || len(got.Summary) != 5 || got.Targets[0].Took != 2.104 {
		t.Errorf("got %+v", got)
	}
}

// Renewals are one row, and steps of the ramp are one each: they are another thing every time.
func TestAdjusted(t *testing.T) {
	t.Parallel()
	events := fixed()[:18]
	for i, released := range []int{0, 0, 0, 25, 50} {
		e := plain(incidents.Adjusting, float64(40+i))
		e.Order = order()
		e.Order.Released = released
		events = append(events, e, plain(incidents.Adjusted, float64(40+i)), look(float64(40+i)))
	}
	var got []int
	for _, row := range review.New(events, review.Options{}).Timeline {
		if row.Kind == string(incidents.Adjusting) || row.Kind == string(incidents.Adjusted) {
			got = append(got, row.Times)
		}
	}
	if want := []int{3, 3, 1, 1, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
