package handlers

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/alerts/live"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// api is what one Alertmanager says fires now.
type api struct {
	mu   sync.Mutex // guards the fields below
	list []live.Alert
	down bool
}

func (a *api) Alerts(context.Context, []string) ([]live.Alert, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.down {
		return nil, errors.New("connection refused")
	}
	out := append([]live.Alert(nil), a.list...)
	for i := range out {
		out[i].Delivery = alerts.Delivery{At: time.Now().UTC(), Source: alerts.SourceAPI}
	}
	return out, nil
}

func (a *api) says(down bool, list ...live.Alert) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list, a.down = list, down
}

// firing is an alert as the API tells it.
func firing(target string, state live.State, receivers ...string) live.Alert {
	return live.Alert{Alert: alert(target, alerts.Firing), State: state, Receivers: receivers}
}

// reconciler asks these about the first loop of the stage.
func (s *stage) reconciler(every time.Duration, peers ...*api) *Reconciler {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.ctx)
	j := s.bus.Journal()
	done := make(chan struct{})
	go func() { defer close(done); _ = j.Run(ctx) }()
	s.t.Cleanup(func() { cancel(); <-done })
	var sources []Source
	for _, p := range peers {
		sources = append(sources, Source{Alertmanager: p, Receiver: "firebreak"})
	}
	return NewReconciler(s.runners[0].Loop, sources, j, every)
}

// What fired while we were down is found at the first look at the API; what is silenced, or is routed to somebody else, is not ours.
func TestReconcileFindsWhatNoWebhookSaid(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.world.sick = false
	s.run(1)
	quiet, foreign := firing("quiet", live.Suppressed, "firebreak"), firing("foreign", live.Active, "somebody-else")
	quiet.Fingerprint, foreign.Fingerprint = "00000000000000bb", "00000000000000cc"
	am := &api{}
	am.says(false, firing("db", live.Active, "firebreak", "pager"), quiet, foreign)
	r := s.reconciler(time.Hour, am)
	if err := r.Once(s.ctx); err != nil {
		t.Fatal(err)
	}
	st := s.await("db", "open", func(st *incidents.State) bool { return st.Open() })
	if got := st.Opening.Alert.Delivery; got.Source != alerts.SourceAPI || got.Reason != "reconcile" {
		t.Errorf("delivered by %+v, want by the API", got)
	}
	if err := r.Once(s.ctx); err != nil { // known by now
		t.Fatal(err)
	}
	for _, target := range []string{"quiet", "foreign"} {
		if st, err := s.store.Latest(s.ctx, "family", target); err != nil || st != nil {
			t.Errorf("%s: got %+v, %v, want no incident", target, st, err)
		}
	}
}

// A resolve that was lost is found when no Alertmanager knows the alert for some rounds; an Alertmanager that does not answer says
// nothing.
func TestReconcileFindsALostResolve(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.world.sick = false
	s.run(1)
	first, second := &api{}, &api{}
	first.says(false, firing("db", live.Active, "firebreak"))
	second.says(false)
	r := s.reconciler(time.Millisecond, first, second)
	s.deliver(alert("db", alerts.Firing))
	st := s.await("db", "decided", func(st *incidents.State) bool { return st.Decision != nil })
	rounds := func() {
		tick := time.NewTicker(3 * time.Millisecond)
		defer tick.Stop()
		for range 6 {
			_ = r.Once(s.ctx) // it fails while one of them is down
			<-tick.C
		}
	}
	rounds() // one of them knows it
	first.says(true)
	rounds() // one of them does not answer
	if st, err := s.store.Load(s.ctx, st.ID); err != nil || !st.Open() || !st.Firing() {
		t.Fatalf("got %+v, %v: it must still fire", st, err)
	}
	first.says(false)
	rounds()
	st = s.await("db", "closed", closed)
	if got := st.Alerts[0]; got.Status != alerts.Resolved || got.Delivery.Source != alerts.SourceAPI {
		t.Errorf("the alert is %s by %s, want resolved by the API", got.Status, got.Delivery.Source)
	}
}

// silence is a watchdog that a test makes silent.
type silence struct {
	mu     sync.Mutex // guards the fields below
	silent bool
	heard  int
}

func (w *silence) Heard(time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard++
	w.silent = false
}

func (w *silence) Check(time.Time) *remediations.NoError {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.silent {
		return &remediations.NoError{Reason: remediations.ReasonWatchdog, Words: "nothing was heard"}
	}
	return nil
}

// When the watchdog falls silent people are told by an incident of our own, once however many replicas notice; it ends when the
// watchdog is heard again.
func TestSilentWatchdogTellsPeople(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run(2)
	w := &silence{silent: true}
	ctx, cancel := context.WithCancel(s.ctx)
	var wg sync.WaitGroup
	for _, r := range s.runners {
		d := NewDeaf(r.Loop, s.bus, w, policy.Watchdog{Alert: "Watchdog", MaxAge: policy.Duration(time.Second)})
		wg.Go(func() {
			if err := d.Run(ctx); err != nil {
				t.Errorf("the watch ended: %v", err)
			}
		})
	}
	t.Cleanup(func() { cancel(); wg.Wait() })
	own := func(what string, ok func(*incidents.State) bool) *incidents.State {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			if st, err := s.store.Latest(s.ctx, SelfHandler, selfTarget); err == nil && st != nil && ok(st) {
				return st
			}
			select {
			case <-tick.C:
			case <-s.ctx.Done():
				t.Fatalf("our own incident is never %s", what)
			}
		}
	}
	st := own("open", func(st *incidents.State) bool { return st.Open() })
	if !st.Escalated || st.ID.Number() != 1 {
		t.Errorf("got %+v, want the first, escalated", st.Summary())
	}
	dog := alert("", alerts.Firing)
	dog.Labels = map[string]string{"alertname": "Watchdog"}
	s.deliver(dog)
	own("closed", closed)
	if st := own("there", func(*incidents.State) bool { return true }); st.ID.Number() != 1 {
		t.Errorf("%d incidents, want one", st.ID.Number())
	}
}
