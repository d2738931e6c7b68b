package slack

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/notify"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Behind two tellers, as two replicas have them, an incident goes through the workspace from its first alert to its end: shown, approved
// by a press, closed.
func TestBehindTellers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.replica(), w.replica()
	w.start(b)
	w.start(a)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, s := range []*Slack{a, b} {
		teller := notify.NewTeller(w.bus, s.Sink(), Kinds(), notify.NewMetrics(prometheus.NewRegistry()), zerolog.Nop())
		wg.Go(func() {
			if err := teller.Run(ctx); err != nil {
				t.Errorf("tell: %v", err)
			}
		})
	}
	t.Cleanup(func() { cancel(); wg.Wait() })
	id := w.ask(1, 1)
	w.await("the asking is shown", func() bool { found := w.roots(id); return len(found) == 1 && len(found[0].Buttons()) == 3 })
	w.press(id, actionApprove, alice)
	w.shown(id, "Approved, being checked once more", 0)
	w.write(id, intended(id), incidents.Event{Kind: incidents.Issuing}, incidents.Event{Kind: incidents.Applied})
	w.shown(id, "Changed, being verified", 0)
	w.write(id, judged(incidents.Improved, "it is well"), incidents.Event{Kind: incidents.Reverted}, ended(incidents.OutcomeFixed, "it helped"))
	w.shown(id, "Fixed", 0)
	w.await("the thread tells the end once", func() bool { return strings.Count(w.thread(id), "fixed: it helped") == 1 })
	if text := w.thread(id); strings.Count(text, "approved by alice@example.com (slack)") != 1 {
		t.Errorf("the thread says\n%s", text)
	}
}

// A record that is read without the event that is told of is not shown as it is: the event would never be.
func TestRecordBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica()
	id := w.ask(1, 1)
	o := notify.Outcome{Incident: id, Kind: incidents.Closed, At: noon()}
	if err := s.Sink().Send(w.ctx(), o); err == nil || len(w.slack.Calls("")) != 0 {
		t.Errorf("got %v after %d calls, want that it comes again", err, len(w.slack.Calls("")))
	}
	w.write(id, ended(incidents.OutcomePaged, "told"))
	if err := s.Sink().Send(w.ctx(), o); err != nil {
		t.Error(err)
	}
	o.At = noon().Add(time.Second)
	if err := s.Sink().Send(w.ctx(), o); err == nil {
		t.Error("another event of that kind is taken for it")
	}
}
