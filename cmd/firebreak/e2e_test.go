package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/drills/storm"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// e2eTime bounds the whole end-to-end test.
const e2eTime = 120 * time.Second

// phases is when what happened, for people who read the test's log.
type phases struct {
	start time.Time
	rows  []string
	last  time.Time
}

func (p *phases) mark(what string) {
	now := time.Now()
	p.rows = append(p.rows, fmt.Sprintf("%-58s %7.2fs %+8.2fs", what, now.Sub(p.start).Seconds(), now.Sub(p.last).Seconds()))
	p.last = now
}

// left is what remains of the test's time.
func (p *phases) left() time.Duration { return e2eTime - time.Since(p.start) }

// A real storm of real HTTP calls is seen by a real Prometheus, told by a real Alertmanager, and ended by Firebreak, which takes its
// change back and tells everybody. Nothing is scripted: each step waits for what is measured. Not parallel: it is about load.
func TestEndToEnd(t *testing.T) {
	p := &phases{start: time.Now(), last: time.Now()}
	defer func() { t.Logf("\n%s", strings.Join(p.rows, "\n")) }()
	w := newWorld(t, t.Context())
	p.mark("everything runs")
	healthy, stormy := bringStorm(t, w, p)
	awaitAnswer(t, w, p)
	healed := awaitHealing(t, w, p, healthy)
	id := awaitClosed(t, w, p)
	checkRecord(t, w, p, id)
	checkAlerts(t, w)
	awaitTold(t, w, p)
	if code := w.server.end(); code != 0 {
		t.Errorf("serve ended with %d, want 0", code)
	}
	p.mark("the server has stopped")
	checkTold(t, w, id)
	checkSilence(t, w)
	for _, row := range []struct {
		name string
		r    storm.Rates
	}{{"before", healthy}, {"in the storm", stormy}, {"after the fix", healed}} {
		p.rows = append(p.rows, fmt.Sprintf("%-14s %5.1f good answers/s of %5.1f, %4.2f attempts per call", row.name, row.r.Goodput, row.r.Offered, row.r.Ratio))
	}
	if took := time.Since(p.start); took > e2eTime {
		t.Errorf("it took %s, want at most %s", took, e2eTime)
	}
}

// bringStorm measures health, slows payments down for three seconds, and measures that the storm goes on without that.
func bringStorm(t *testing.T, w *world, p *phases) (healthy, stormy storm.Rates) {
	t.Helper()
	healthy = w.awaitRates(t, p.left(), "health", 4, func(r storm.Rates) bool {
		return r.Goodput > 40 && r.Goodput > 0.85*r.Offered && r.Ratio < 1.1
	})
	testbed.Await(t, p.left(), "Prometheus seeing health", func() bool {
		return len(w.query(t, `service_edge:edge_attempts_per_call:ratio_rate1m <= 1.1 and on() count(up == 1) == 1`)) == 1
	})
	if w.firing(t) {
		t.Fatal("the alert fires before there is a storm")
	}
	p.mark("healthy for 4 s")
	slowed := time.Now()
	w.system.Slow(10, 3*time.Second)
	stormy = w.awaitRates(t, p.left(), "a storm that outlives its cause", 1, func(r storm.Rates) bool {
		return time.Since(slowed) > 4*time.Second && r.Ratio > 2 && r.Goodput < healthy.Goodput/4
	})
	p.mark("payments was slow for 3 s, and the storm feeds itself")
	return healthy, stormy
}

// awaitAnswer follows the alert from Prometheus over Alertmanager to the open breaker.
func awaitAnswer(t *testing.T, w *world, p *phases) {
	t.Helper()
	testbed.Await(t, p.left(), "the alert firing in Prometheus", func() bool { return w.firing(t) })
	p.mark("the alert fires in Prometheus")
	testbed.Await(t, p.left(), "the alert at Alertmanager", func() bool { return w.atAlertmanager(t) })
	p.mark("Alertmanager has it")
	testbed.Await(t, p.left(), "the alert in Firebreak's journal", func() bool { return len(w.delivered(t)) > 0 })
	p.mark("Firebreak has it")
	testbed.Await(t, p.left(), "the breaker held at the service", func() bool { return w.system.Read().Held })
	p.mark("the breaker of the edge is open")
}

// awaitHealing waits until the change is gone and the system is as it was, by the users' own count and by Prometheus.
func awaitHealing(t *testing.T, w *world, p *phases, healthy storm.Rates) storm.Rates {
	t.Helper()
	testbed.Await(t, p.left(), "calls being given back", func() bool { r := w.system.Read(); return !r.Held || r.Released > 0 })
	p.mark("the first calls are given back")
	testbed.Await(t, p.left(), "the breaker being let go", func() bool { return !w.system.Read().Held })
	p.mark("the breaker is let go")
	healed := w.awaitRates(t, p.left(), "the end of the storm", 4, func(r storm.Rates) bool {
		return !r.Held && r.Ratio <= 1.1 && r.Goodput >= 0.8*healthy.Goodput
	})
	testbed.Await(t, p.left(), "Prometheus seeing the end of the storm", func() bool {
		return len(w.query(t, `service_edge:edge_attempts_per_call:ratio_rate1m <= 1.1 and service_edge:edge_successes_per_call:ratio_rate1m >= 0.8`)) == 1
	})
	p.mark("healthy for 4 s, for Prometheus too")
	return healed
}

// delivered is the alerts' history as the command line shows it.
func (w *world) delivered(t *testing.T) []alerts.Alert {
	t.Helper()
	return decodeLines[alerts.Alert](t, w.ask(t, "alerts", "--json"))
}

func decodeLines[T any](t *testing.T, text string) []T {
	t.Helper()
	var all []T
	for line := range strings.Lines(text) {
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%q is not one JSON object: %v", line, err)
		}
		all = append(all, v)
	}
	return all
}

// awaitClosed waits for the resolve and for the end of the one incident that there is, as the command line tells it.
func awaitClosed(t *testing.T, w *world, p *phases) incidents.ID {
	t.Helper()
	testbed.Await(t, p.left(), "the resolve", func() bool {
		all := w.delivered(t)
		return len(all) > 1 && all[len(all)-1].Status == alerts.Resolved
	})
	p.mark("Alertmanager has sent the resolve")
	var s incidents.Summary
	testbed.Await(t, p.left(), "the end of the incident", func() bool {
		all := decodeLines[incidents.Summary](t, w.ask(t, "incidents", "list", "--json"))
		if len(all) != 1 {
			t.Fatalf("got %d incidents, want one: %+v", len(all), all)
		}
		s = all[0]
		return s.Stage == incidents.Ended
	})
	p.mark("the incident is closed")
	want := incidents.Summary{ID: s.ID, Handler: "retrystorm", Target: "checkout/payments", Alert: "RetryStorm", Stage: incidents.Ended,
		Outcome: incidents.OutcomeFixed, Cause: s.Cause, Fix: s.Fix, OpenedAt: s.OpenedAt, ClosedAt: s.ClosedAt, Words: s.Words}
	if s != want {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
	if open := w.ask(t, "incidents", "list", "--open"); !strings.HasPrefix(open, "no incidents") {
		t.Errorf("incidents list --open: got %q, want none", open)
	}
	table := w.ask(t, "incidents")
	for _, part := range []string{"INCIDENT", s.ID.String(), "checkout/payments", "RetryStorm", "fixed", s.Cause, s.Fix} {
		if !strings.Contains(table, part) {
			t.Errorf("incidents: got\n%s\nwant %q in it", table, part)
		}
	}
	return s.ID
}

// checkRecord reads the timeline: everything that matters is in it once, in order, and the table of phases gets its times.
func checkRecord(t *testing.T, w *world, p *phases, id incidents.ID) {
	t.Helper()
	events := decodeLines[incidents.Event](t, w.ask(t, "incidents", "show", "--json", id.String()))
	timeline := w.ask(t, "incidents", "show", id.String())
	var story []incidents.Kind
	for _, e := range events {
		if !strings.Contains(timeline, clean(e.Words(), 0)) {
			t.Errorf("incidents show: got\n%s\nwant %q in it", timeline, e.Words())
		}
		switch e.Kind {
		case incidents.Observed, incidents.Adjusting, incidents.Adjusted, incidents.AlertSeen:
			continue // as often as it takes
		case incidents.Decided:
			if e.Decision.Verdict == incidents.Wait {
				continue
			}
		}
		story = append(story, e.Kind)
		p.rows = append(p.rows, fmt.Sprintf("  record: %-48s %7.2fs", e.Kind, e.At.Sub(p.start).Seconds()))
	}
	want := []incidents.Kind{incidents.Opened, incidents.Decided, incidents.Decided, incidents.Intended, incidents.Issuing, incidents.Applied,
		incidents.Verified, incidents.Held, incidents.Reverting, incidents.Reverted, incidents.Closed}
	if !reflect.DeepEqual(story, want) {
		t.Errorf("got the story %v\nwant %v\n%s", story, want, timeline)
	}
}

// checkAlerts reads the history of what Alertmanager sent: it fired once and resolved once.
func checkAlerts(t *testing.T, w *world) {
	t.Helper()
	var got []alerts.Status
	for _, a := range w.delivered(t) {
		got = append(got, a.Status)
		if a.Labels["severity"] != "critical" || a.Annotations["runbook_url"] == "" {
			t.Errorf("got labels %v and annotations %v, want those of the rule", a.Labels, a.Annotations)
		}
	}
	if want := []alerts.Status{alerts.Firing, alerts.Resolved}; !reflect.DeepEqual(got, want) {
		t.Errorf("alerts: got %v, want %v", got, want)
	}
	table := w.ask(t, "alerts")
	for _, part := range []string{"RECEIVED", "firing", "resolved", "RetryStorm", `edge="payments" service="checkout"`} {
		if !strings.Contains(table, part) {
			t.Errorf("alerts: got\n%s\nwant %q in it", table, part)
		}
	}
}

// awaitTold waits until whoever wants to hear of outcomes has heard of the end.
func awaitTold(t *testing.T, w *world, p *phases) {
	t.Helper()
	testbed.Await(t, p.left(), "the outcome of the incident at its receiver", func() bool {
		kinds := w.desk.kinds()
		return len(kinds) > 0 && kinds[len(kinds)-1] == string(incidents.Closed)
	})
	p.mark("the receiver of outcomes has heard of the end")
}

// checkTold checks what was told: each outcome once, in order, signed, and about this incident.
func checkTold(t *testing.T, w *world, id incidents.ID) {
	t.Helper()
	got, ids, errs := w.desk.told()
	if len(errs) > 0 {
		t.Errorf("the receiver of outcomes did not believe: %v", errs)
	}
	if kinds, want := w.desk.kinds(), []string{"opened", "applied", "verified", "reverted", "closed"}; !reflect.DeepEqual(kinds, want) {
		t.Errorf("outcomes: got %v, want %v", kinds, want)
	}
	seen := map[string]bool{}
	for i, o := range got {
		if seen[o.ID] || o.ID != ids[i] || o.Incident != id || o.Target != "checkout/payments" || o.Words == "" {
			t.Errorf("outcome %d, with webhook-id %s (seen before: %t): got %+v", i, ids[i], seen[o.ID], o)
		}
		seen[o.ID] = true
	}
	if len(got) > 0 && got[len(got)-1].Outcome != incidents.OutcomeFixed {
		t.Errorf("the last outcome is %q, want fixed", got[len(got)-1].Outcome)
	}
}

// checkSilence checks that everything that was printed is as it should be: one line on stdout, JSON on stderr, no secret anywhere.
func checkSilence(t *testing.T, w *world) {
	t.Helper()
	if n := strings.Count(w.server.stdout.String(), "\n"); n != 1 {
		t.Errorf("serve printed %d lines on stdout, want one:\n%s", n, w.server.stdout)
	}
	for _, secret := range []string{webhookToken, apiToken, busToken, outcomeSecret} {
		if strings.Contains(w.server.stderr.String(), secret) {
			t.Errorf("the log holds the secret %q", secret)
		}
	}
	for _, line := range decodeLines[map[string]any](t, w.server.stderr.String()) {
		if line["level"] == "error" || line["message"] == "reading failed; trying again" {
			t.Errorf("logged as an error: %v", line)
		}
	}
}
