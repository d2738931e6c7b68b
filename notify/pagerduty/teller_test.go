package pagerduty

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakepagerduty"
	"github.com/firebreak-sre/firebreak/notify"
)

// An incident that needs a person goes through its whole life at PagerDuty; one that needs nobody is two change events there.
func TestWholeWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tell(w.sink())
	quiet, loud := w.open(1), w.open(2)
	quiet.write(issuing("a"), event(incidents.Applied, ""), judged(incidents.Improved))
	quiet.write(event(incidents.Reverted, ""))
	quiet.write(closing(incidents.OutcomeFixed))
	loud.write(issuing("b"), event(incidents.Applied, ""))
	loud.write(judged(incidents.NoEffect), event(incidents.Escalated, "it did not help"))
	w.await("it is triggered", func() bool { s, _ := w.status(loud.id); return s == fakepagerduty.Triggered })
	loud.write(byPerson(incidents.Acked))
	w.await("it is acknowledged", func() bool { s, _ := w.status(loud.id); return s == fakepagerduty.Acknowledged })
	loud.write(event(incidents.Reverted, ""), closing(incidents.OutcomeIneffective))
	w.await("it is resolved", func() bool { s, _ := w.status(loud.id); return s == fakepagerduty.Resolved })

	if all := w.pd.Incidents(""); len(all) != 1 || all[0].Triggers() != 2 || len(all[0].Events) != 4 {
		t.Errorf("got %+v, want one incident with two triggers, one acknowledgement and one resolve", all)
	}
	if got := len(w.pd.Changes()); got != 4 {
		t.Errorf("got %d change events, want a fix and a revert of each", got)
	}
	first := w.pd.Incidents("")[0].Events[0]
	if p := first.Payload; p.Severity != "error" || p.Source != "checkout→payments" || p.Class != "RetryStorm" || p.Component != "checkout" ||
		!strings.HasPrefix(p.Summary, "RetryStorm on checkout→payments: no_effect: errors 12 % before") {
		t.Errorf("got %+v, want what the page is about", p)
	}
	if len(first.Links) != 3 || first.Links[0].Href != "https://firebreak.example.com/incidents/"+loud.id.String() || first.Client != "Firebreak" {
		t.Errorf("got %+v, want the console, the runbook and the expression", first.Links)
	}
}

// An hour without PagerDuty loses nothing and doubles nothing. What is over by then does not wake anybody.
func TestAnHourDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pd.Down()
	w.tell(w.sink())
	over, open := w.open(1), w.open(2)
	over.write(event(incidents.Escalated, "look"))
	over.write(issuing("a"), event(incidents.Applied, ""))
	open.write(event(incidents.Escalated, "look here too"))
	over.write(closing(incidents.OutcomePaged))
	w.await("it is tried in vain", func() bool { return len(w.pd.Calls()) >= 2 })
	w.clock.pass(time.Hour)
	w.pd.Heal()
	w.await("both are told", func() bool {
		a, _ := w.status(over.id)
		b, _ := w.status(open.id)
		return a == fakepagerduty.Resolved && b == fakepagerduty.Triggered
	})
	for _, r := range []*record{over, open} {
		all := w.pd.Incidents(DedupKey(r.id))
		if len(all) != 1 || all[0].Triggers() != 1 {
			t.Fatalf("got %+v, want it exactly once", all)
		}
		p := all[0].Events[0].Payload
		late := r == over
		if strings.HasPrefix(p.Summary, "[already ended] ") != late || (p.Severity == "info") != late || (p.Details["late"] != nil) != late {
			t.Errorf("got %+v, want it marked as over: %v", p, late)
		}
		if !strings.HasPrefix(p.Timestamp, "2026-11-23T03:00:") {
			t.Errorf("got time %s, want when it happened", p.Timestamp)
		}
	}
	if len(w.pd.Changes()) != 1 || w.pd.Accepted(fakepagerduty.Resolve) != 1 {
		t.Errorf("got %d changes and %d resolves, want one of each", len(w.pd.Changes()), w.pd.Accepted(fakepagerduty.Resolve))
	}
}

// An answer that is lost after PagerDuty took the event makes no second incident. A change event may be shown twice, and says so by its id.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	for _, kind := range []fakepagerduty.FaultKind{fakepagerduty.AcceptThenCut, fakepagerduty.AcceptThenFail, fakepagerduty.AcceptThenHang} {
		w := newWorld(t)
		w.pd.Break(fakepagerduty.Enqueue, fakepagerduty.Fault{Kind: kind, Times: 1})
		w.pd.Break(fakepagerduty.ChangeEnqueue, fakepagerduty.Fault{Kind: kind, Times: 1})
		w.tell(w.sink(func(c *Config) { c.Timeout = 300 * time.Millisecond }))
		r := w.open(1)
		r.write(event(incidents.Escalated, "look"))
		r.write(issuing("a"), event(incidents.Applied, ""))
		r.write(closing(incidents.OutcomeUnknown))
		w.await("it is resolved", func() bool { s, _ := w.status(r.id); return s == fakepagerduty.Resolved })
		if _, n := w.status(r.id); n != 1 || w.pd.Accepted(fakepagerduty.Trigger) != 2 {
			t.Errorf("%s: %d incidents of %d triggers, want one of two", kind, n, w.pd.Accepted(fakepagerduty.Trigger))
		}
		changes := w.pd.Changes()
		if len(changes) != 2 || changes[0].Payload.Details["id"] == nil || changes[0].Payload.Details["id"] != changes[1].Payload.Details["id"] {
			t.Errorf("%s: got %+v, want the same change twice with one id", kind, changes)
		}
	}
}

// mortal is a process that is killed after each first send, before anybody is told that it was sent.
type mortal struct {
	notify.Sink
	mu   sync.Mutex
	seen map[string]bool
}

var errKilled = errors.New("killed")

func (m *mortal) Send(ctx context.Context, o notify.Outcome) error {
	if err := m.Sink.Send(ctx, o); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.seen[o.ID] {
		m.seen[o.ID] = true
		return errKilled
	}
	return nil
}

// A crash between sending and the reader's ack sends the same again, with the same key: nothing is doubled for people.
func TestKilledBeforeAck(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tell(&mortal{Sink: w.sink(), seen: map[string]bool{}})
	r := w.open(1)
	r.write(event(incidents.Escalated, "look"))
	r.write(byPerson(incidents.Acked))
	r.write(closing(incidents.OutcomePaged))
	w.await("all is sent twice", func() bool { return w.pd.Accepted(fakepagerduty.Resolve) == 2 })
	if s, n := w.status(r.id); s != fakepagerduty.Resolved || n != 1 {
		t.Errorf("%d incidents, the last %s, want one, resolved", n, s)
	}
	bodies := w.pd.Events()
	for i := 0; i+1 < len(bodies); i += 2 {
		if a, b := bodies[i], bodies[i+1]; a.Action != b.Action || a.DedupKey != b.DedupKey || a.Payload != nil && a.Payload.Summary != b.Payload.Summary {
			t.Errorf("got %+v and %+v, want the same twice", a, b)
		}
	}
	if len(bodies) != 6 {
		t.Errorf("got %d events, want 6", len(bodies))
	}
}

// An event that PagerDuty will never take is given up once, and holds nothing up.
func TestRefusedForGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pd.Break(fakepagerduty.Enqueue, fakepagerduty.Fault{Kind: fakepagerduty.ServerError, Status: http.StatusBadRequest, Times: 1})
	w.tell(w.sink())
	bad, good := w.open(1), w.open(2)
	bad.write(event(incidents.Escalated, "look"))
	good.write(event(incidents.Escalated, "look"))
	w.await("the next one is told", func() bool { s, _ := w.status(good.id); return s == fakepagerduty.Triggered })
	if s, _ := w.status(bad.id); s != "" || len(w.pd.Calls()) != 2 {
		t.Errorf("it is %s after %d calls, want it given up after one", s, len(w.pd.Calls()))
	}
	if got := w.counted("firebreak_notifications_failed_total", "permanent"); got != 1 {
		t.Errorf("counted %g times, want 1", got)
	}
}

// A rung of the ladder triggers if it names PagerDuty, again under the same key, and is nothing there if it names others.
func TestRungs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tell(w.sink())
	named, other := w.open(1), w.open(2)
	other.write(rung(1, "slack"))
	named.write(rung(1, "slack", Name))
	named.write(rung(2, "slack"))
	named.write(rung(3, Name))
	w.await("the last rung is told", func() bool { return w.pd.Accepted(fakepagerduty.Trigger) == 2 })
	if all := w.pd.Incidents(""); len(all) != 1 || all[0].Triggers() != 2 || all[0].DedupKey != DedupKey(named.id) {
		t.Errorf("got %+v, want one incident of two triggers", all)
	}
	if got, want := w.pd.Incidents("")[0].Events[0].Payload.Summary, "RetryStorm on checkout→payments: a person is needed: step 1 of 4, slack and pagerduty are told"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if s, _ := w.status(other.id); s != "" {
		t.Errorf("it is %s for a rung that names others", s)
	}
}
