package kpi_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/kpi"
	"github.com/firebreak-sre/firebreak/incidents/measure"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func at(seconds float64) time.Time { return noon().Add(time.Duration(seconds * float64(time.Second))) }

// tale says how an incident goes, in seconds since its alert began. A zero step is left out.
type tale struct {
	handler                                      string
	n                                            int
	opened, asked, approved, applied, over, ends float64
	refused                                      []remediations.Reason
	outcome                                      incidents.Outcome
}

func (s tale) id() incidents.ID { return incidents.NewID(s.handler, "checkout/payments", s.n) }

// messages are the incident's record as it is stored: in two parts at most.
func (s tale) messages() [][]incidents.Event {
	alert := alerts.Alert{Fingerprint: "a", Status: alerts.Firing, Labels: map[string]string{"alertname": "A"}, StartsAt: noon()}
	first := []incidents.Event{{Kind: incidents.Opened, At: at(s.opened), Opening: &incidents.Opening{ID: s.id(), Handler: s.handler,
		Target: "checkout/payments", Alert: alert}}}
	var then []incidents.Event
	add := func(seconds float64, e incidents.Event) {
		e.At = at(seconds)
		then = append(then, e)
	}
	for _, r := range s.refused {
		add(s.opened, incidents.Event{Kind: incidents.Refused, Refusal: &incidents.Refusal{Reason: r}})
	}
	if s.asked > 0 {
		add(s.asked, incidents.Event{Kind: incidents.Asked, Asking: &incidents.Asking{Need: 1}})
		add(s.approved, incidents.Event{Kind: incidents.Approved, Person: &incidents.Person{Name: "alice", Via: "api"}})
	}
	if s.applied > 0 {
		add(s.applied, incidents.Event{Kind: incidents.Intended})
		add(s.applied, incidents.Event{Kind: incidents.Issuing})
		add(s.applied, incidents.Event{Kind: incidents.Applied})
		effect := incidents.NoEffect
		if s.outcome == incidents.OutcomeFixed {
			effect = incidents.Improved
		}
		add(s.applied+5, incidents.Event{Kind: incidents.Verified, Judgement: &incidents.Judgement{Effect: effect}})
		add(s.applied+6, incidents.Event{Kind: incidents.Reverted})
	}
	if s.over > 0 {
		ended := alert
		ended.Status, ended.EndsAt = alerts.Resolved, at(s.over)
		add(s.over, incidents.Event{Kind: incidents.AlertSeen, Alert: &ended})
	}
	if s.ends > 0 {
		add(s.ends, incidents.Event{Kind: incidents.Closed, Closing: &incidents.Closing{Outcome: s.outcome}})
	}
	return [][]incidents.Event{first, then}
}

func feed(c *kpi.Collector, tales ...tale) {
	for part := range 2 {
		for _, s := range tales {
			if m := s.messages()[part]; len(m) > 0 {
				c.Add(s.id(), m)
			}
		}
	}
}

// month is a report with everything in it.
func month() kpi.Report {
	c := kpi.New()
	feed(c,
		tale{handler: "retrystorm", n: 1, opened: 2, applied: 12, over: 40, ends: 60, outcome: incidents.OutcomeFixed},
		tale{handler: "retrystorm", n: 2, opened: 4, applied: 20, over: 70, ends: 90, outcome: incidents.OutcomeFixed,
			refused: []remediations.Reason{remediations.ReasonCooldown, remediations.ReasonCooldown}},
		tale{handler: "retrystorm", n: 3, opened: 12, applied: 25, over: 900, ends: 950, outcome: incidents.OutcomeIneffective},
		tale{handler: "retrystorm", n: 4, opened: 3, over: 30, ends: 31, outcome: incidents.OutcomeRefused,
			refused: []remediations.Reason{remediations.ReasonPaused, remediations.ReasonCooldown}},
		tale{handler: "retrystorm", n: 5, opened: 3},
		tale{handler: "poolexhaustion", n: 1, opened: 5, asked: 8, approved: 68, applied: 70, over: 100, ends: 130, outcome: incidents.OutcomeFixed},
		tale{handler: "firebreak", n: 1, opened: 1, ends: 5, outcome: incidents.OutcomePaged})
	late := tale{handler: "retrystorm", n: 9, opened: 2, over: 40, ends: 60, outcome: incidents.OutcomeFixed}
	c.Add(late.id(), late.messages()[1]) // its beginning was before
	c.Unread()
	return c.Report(noon().Add(-30*24*time.Hour), noon().Add(time.Hour))
}

// The figures of a handler are those of its incidents.
func TestReport(t *testing.T) {
	t.Parallel()
	r := month()
	if len(r.Handlers) != 3 || r.Earlier != 1 || r.Unread != 1 {
		t.Fatalf("got %+v", r)
	}
	storm := r.Handlers[2]
	if storm.Handler != "retrystorm" || storm.Runbook != "RB-011" || storm.Incidents != 5 || storm.Open != 1 {
		t.Fatalf("got %+v", storm)
	}
	spans := map[string]kpi.Span{}
	for _, s := range storm.Spans {
		spans[s.Name] = s
	}
	for name, want := range map[string]struct {
		count, met, missed int
		worst              float64
	}{measure.Detection: {5, 4, 1, 12}, measure.Mitigation: {2, 2, 1, 20}, measure.Recovery: {4, 3, 1, 900}, measure.Repair: {4, 4, 0, 900}} {
		if got := spans[name]; got.Count != want.count || got.Met != want.met || got.Missed != want.missed || got.Worst != want.worst {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	if d := spans[measure.Detection]; !near(d.P50, 3) || d.P95 != 12 || d.Target != 10 {
		t.Errorf("got %+v, want the median 3 s, and the 12 s of the worst", d)
	}
	if s := storm.Success; s.Fixed != 2 || s.Of != 3 || s.Target != 0 || !near(s.Low, 0.2077) || !near(s.High, 0.9385) {
		t.Errorf("got %+v, want 2 of 3, 20.8 to 93.9 %% by Wilson", s)
	}
	if want := (kpi.Changes{Sent: 3, Stood: 3, Helped: 2, Reverted: 3}); storm.Changes != want {
		t.Errorf("got %+v, want %+v", storm.Changes, want)
	}
	if len(storm.Refused) != 2 || storm.Refused[0] != (kpi.Refused{Reason: "cooldown", Incidents: 2, Times: 3}) {
		t.Errorf("got %+v, want cooldown first", storm.Refused)
	}
	if pool := r.Handlers[1]; pool.Approvals.Count != 1 || pool.Approvals.P95 != 60 || pool.Success.Share != 1 {
		t.Errorf("got %+v, want an approval after a minute", pool)
	}
	if len(r.Runbooks) != 1 || r.Runbooks[0].Incidents != 6 || r.Runbooks[0].Success.Of != 4 || r.Runbooks[0].Spans[0].Count != 6 {
		t.Errorf("got %+v, want the sum of both handlers of RB-011", r.Runbooks)
	}
}

func near(got, want float64) bool { return got > want*0.994 && got < want*1.006 }

// A share is met or missed only if its whole interval is on one side.
func TestSuccess(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fixed, of int
		want      measure.Result
	}{{0, 0, measure.NotMeasurable}, {1, 1, measure.NotMeasurable}, {50, 50, measure.NotMeasurable}, {100, 100, measure.Met}, {950, 1000, measure.NotMeasurable},
		{900, 1000, measure.Missed}, {0, 10, measure.Missed}} {
		col := kpi.New()
		for n := range c.of {
			s := tale{handler: "partition", n: n + 1, opened: 1, applied: 2, ends: 30, outcome: incidents.OutcomeWorse}
			if n < c.fixed {
				s.outcome = incidents.OutcomeFixed
			}
			feed(col, s)
		}
		feed(col, tale{handler: "partition", n: 5000, opened: 1, ends: 3, outcome: incidents.OutcomePaged}) // nothing was done: no failure of a change
		got := col.Report(noon(), noon()).Handlers[0].Success
		if got.Result != c.want || got.Of != c.of || got.Low > got.Share || got.High < got.Share || got.Low < 0 || got.High > 1 {
			t.Errorf("%d of %d: got %+v, want %s", c.fixed, c.of, got, c.want)
		}
	}
}

// A report can be asked for again and again, and counts what came in between.
func TestReportAgain(t *testing.T) {
	t.Parallel()
	c := kpi.New()
	feed(c, tale{handler: "retrystorm", n: 1, opened: 2}, tale{handler: "poolexhaustion", n: 1, opened: 2, ends: 3, outcome: incidents.OutcomePaged})
	for range 3 {
		if r := c.Report(noon(), noon()); r.Handlers[1].Incidents != 1 || r.Handlers[1].Open != 1 || r.Runbooks[0].Incidents != 2 {
			t.Fatalf("got %+v, want one of each", r)
		}
	}
	feed(c, tale{handler: "retrystorm", n: 2, opened: 2, ends: 3, outcome: incidents.OutcomePaged})
	if r := c.Report(noon(), noon()); r.Handlers[1].Incidents != 2 || r.Handlers[1].Open != 1 {
		t.Errorf("got %+v, want two, one of them open", r.Handlers[1])
	}
}

// A hundred thousand incidents leave no more behind than what is open at once.
func TestMany(t *testing.T) {
	t.Parallel()
	c := kpi.New()
	const all, atOnce, kinds = 100_000, 50, 1000
	var stories [kinds][][]incidents.Event
	for n := range stories {
		stories[n] = tale{handler: "retrystorm", n: n + 1, opened: 1 + float64(n)/100, applied: 20, over: 60, ends: 90, outcome: incidents.OutcomeFixed}.messages()
	}
	held := 0
	for n := range all + atOnce {
		if n < all {
			c.Add(tale{handler: "retrystorm", n: n + 1}.id(), stories[n%kinds][0])
		}
		if n >= atOnce {
			c.Add(tale{handler: "retrystorm", n: n - atOnce + 1}.id(), stories[(n-atOnce)%kinds][1])
		}
		held = max(held, c.Open())
	}
	g := c.Report(noon(), noon()).Handlers[0]
	if held > atOnce+1 || c.Open() != 0 {
		t.Errorf("it held %d incidents and holds %d, want %d at most and none", held, c.Open(), atOnce+1)
	}
	if g.Incidents != all || g.Success.Fixed != all || g.Spans[0].Count != all || !near(g.Spans[0].P50, 6) || !near(g.Spans[0].P95, 10.5) || g.Spans[0].Worst != 10.99 {
		t.Errorf("got %+v", g)
	}
	if text, err := json.Marshal(c.Report(noon(), noon())); err != nil || len(text) > 4000 {
		t.Errorf("got a report of %d bytes, %v", len(text), err)
	}
}

// What is printed is what people and machines have come to rely on.
func TestPrinted(t *testing.T) {
	t.Parallel()
	var table, exposition, asJSON bytes.Buffer
	if err := month().Table(&table); err != nil {
		t.Fatal(err)
	}
	if err := month().Prometheus(&exposition); err != nil {
		t.Fatal(err)
	}
	enc := json.NewEncoder(&asJSON)
	enc.SetIndent("", "  ")
	if err := enc.Encode(month()); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][]byte{"month.txt": table.Bytes(), "month.prom": exposition.Bytes(), "month.json": asJSON.Bytes()} {
		path := filepath.Join("testdata", name)
		if os.Getenv("UPDATE_GOLDEN") == "1" {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v; got\n%s", name, err, got)
		}
	}
}

// Prometheus reads its format, whatever names are in the record.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	hostile := "a\"} 1\nevil{x=\"\\\u202e\xff"
	r := month()
	r.Handlers[0].Outcomes = []kpi.Counted{{Outcome: hostile, Count: 7}}
	var text bytes.Buffer
	if err := r.Prometheus(&text); err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(&text)
	if err != nil {
		t.Fatal(err)
	}
	if f := families["evil"]; f != nil {
		t.Errorf("a name of the record became a metric: %v", f)
	}
	found := false
	for _, m := range families["firebreak_kpi_incidents"].GetMetric() {
		for _, l := range m.GetLabel() {
			found = found || l.GetName() == "outcome" && strings.HasPrefix(l.GetValue(), `a"} 1`) && m.GetGauge().GetValue() == 7
		}
	}
	if !found {
		t.Errorf("the outcome is gone: %v", families["firebreak_kpi_incidents"])
	}
	if n := len(families["firebreak_kpi_seconds"].GetMetric()); n < 10 {
		t.Errorf("got %d durations", n)
	}
}

// An empty time says so, and cannot steer a terminal.
func TestTable(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	if err := kpi.New().Report(noon(), noon().Add(time.Hour)).Table(&text); err != nil || !strings.Contains(text.String(), "no incident was opened") {
		t.Errorf("got %q, %v", text.String(), err)
	}
	r := month()
	r.Handlers[0].Refused = []kpi.Refused{{Reason: "evil\x1b[2J\u202e", Incidents: 1, Times: 1}}
	text.Reset()
	if err := r.Table(&text); err != nil || strings.ContainsAny(text.String(), "\x1b\u202e") {
		t.Errorf("got %q, %v", text.String(), err)
	}
	want := bytes.ErrTooLarge
	if err := r.Table(broken{want}); err != want {
		t.Errorf("got %v, want what the writer said", err)
	}
	if err := r.Prometheus(broken{want}); err != want {
		t.Errorf("got %v, want what the writer said", err)
	}
}

// broken is a writer that cannot write.
type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }
