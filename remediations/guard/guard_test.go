package guard_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/alerts/live"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/guard"
	"github.com/firebreak-sre/firebreak/remediations/windows"
)

// source is an Alertmanager that says one thing of the alert f1, at once or only when it is released, whatever its context says.
type source struct {
	alert live.Alert
	known bool
	fail  error
	hang  chan struct{}
}

func (s source) Ready(context.Context) error {
	if s.hang != nil {
		<-s.hang
	}
	return s.fail
}

func (s source) Alerts(context.Context, []string) ([]live.Alert, error) {
	if !s.known {
		return nil, nil
	}
	one := s.alert
	one.Fingerprint = "f1"
	return []live.Alert{one}, nil
}

func (s source) Muted(context.Context, []string, string) (map[string][]string, error) {
	return nil, nil
}

// trouble makes one part of a guard say no.
type trouble string

// All troubles, in the order in which the guard names them.
const (
	switchedOff trouble = "switched off"
	unread      trouble = "unread"
	paused      trouble = "paused"
	maintenance trouble = "maintenance"
	ownerPaused trouble = "owner paused"
	deaf        trouble = "deaf"
	resolved    trouble = "resolved"
	silenced    trouble = "silenced"
	inhibited   trouble = "inhibited"
	muted       trouble = "muted"
	notOurs     trouble = "not ours"
	unconfirmed trouble = "unconfirmed"
	clockOff    trouble = "clock off"
	cutOff      trouble = "cut off"
)

// world is a guard and what it is asked, with troubles.
type world struct {
	guard *guard.Guard
	brake *guard.Brake
	ask   guard.Ask
}

func newWorld(t *testing.T, a anchors, troubles ...trouble) world {
	t.Helper()
	has := func(one trouble) bool { return slices.Contains(troubles, one) }
	paper := &paper{}
	brake := newBrake(t, paper)
	w := world{brake: brake, ask: guard.Ask{Handler: "storm", Domain: "pay", Alerts: firing("f1"), Now: noon().Add(time.Minute),
		Asked: noon(), Answered: noon().Add(time.Second), Presence: remediations.Presence{State: remediations.Absent, Clock: noon()}}}
	if has(switchedOff) {
		brake.Stop("test")
	}
	if has(unread) {
		paper.fail = errors.New("no quorum")
	}
	if has(paused) {
		mustPause(t, brake, guard.Pause{}, noon())
	}
	var open []policy.Window
	if has(maintenance) {
		open = append(open, policy.Window{Name: "always", For: policy.Duration(24 * time.Hour)})
	}
	if has(ownerPaused) {
		w.ask.Presence.OwnerPaused = "Patroni\nis paused by dba"
	}
	dog := watchdog(t, time.Hour)
	if has(deaf) {
		dog = watchdog(t, time.Second)
	}
	am := source{known: true, alert: live.Alert{State: live.Active}}
	switch {
	case has(resolved):
		am.known = false
	case has(silenced):
		am.alert.SilencedBy = []string{"s"}
	case has(inhibited):
		am.alert.InhibitedBy = []string{"i"}
	case has(muted):
		am.alert.MutedBy = []string{"m"}
	case has(notOurs):
		am.alert.Receivers = []string{"people"}
	case has(unconfirmed):
		am.fail = live.ErrSettling
	}
	if has(clockOff) {
		w.ask.Presence.Clock = noon().Add(time.Hour)
	}
	look := policy.Observer{Anchors: []string{a.tcp}, ClockSkew: policy.Duration(time.Second)}
	if has(cutOff) {
		look.Anchors = []string{a.closed}
	}
	ams, err := guard.NewAlertmanagers([]guard.Peer{{Name: "am", Source: am, Receiver: "firebreak"}})
	if err != nil {
		t.Fatal(err)
	}
	closed, err := windows.New(open)
	if err != nil {
		t.Fatal(err)
	}
	w.guard = newGuard(t, guard.Config{Brake: brake, Windows: closed, Alertmanagers: ams, Observer: observer(t, look), Watchdog: dog})
	return w
}

func newGuard(t *testing.T, cfg guard.Config) *guard.Guard {
	t.Helper()
	g, err := guard.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// verdicts are what each trouble alone makes the guard say, in the order of precedence, and whether a person's order passes it.
func verdicts() []struct {
	trouble trouble
	reason  remediations.Reason
	passed  bool
} {
	return []struct {
		trouble trouble
		reason  remediations.Reason
		passed  bool
	}{
		{switchedOff, remediations.ReasonKillSwitch, true},
		{unread, remediations.ReasonKillSwitch, true},
		{paused, remediations.ReasonPaused, true},
		{maintenance, remediations.ReasonMaintenance, true},
		{ownerPaused, remediations.ReasonOwnerPaused, true},
		{deaf, remediations.ReasonWatchdog, true},
		{resolved, remediations.ReasonResolved, false},
		{silenced, remediations.ReasonSilenced, true},
		{inhibited, remediations.ReasonInhibited, true},
		{muted, remediations.ReasonMuted, true},
		{notOurs, remediations.ReasonNotAllowed, false},
		{unconfirmed, remediations.ReasonUnconfirmed, true},
		{clockOff, remediations.ReasonObserver, false},
		{cutOff, remediations.ReasonObserver, true},
	}
}

// Every part can say no alone; a person's order passes exactly what it should.
func TestAdmitEachTrouble(t *testing.T) {
	t.Parallel()
	a := startAnchors(t)
	fine := newWorld(t, a)
	wantNo(t, "no trouble", fine.guard.Admit(t.Context(), fine.ask), "")
	for _, v := range verdicts() {
		w := newWorld(t, a, v.trouble)
		wantNo(t, string(v.trouble), w.guard.Admit(t.Context(), w.ask), v.reason)
		w.ask.Override = true
		want := v.reason
		if v.passed {
			want = ""
		}
		wantNo(t, string(v.trouble)+", overridden", w.guard.Admit(t.Context(), w.ask), want)
	}
	w := newWorld(t, a, ownerPaused)
	wantNo(t, "words of the target", w.guard.Admit(t.Context(), w.ask), remediations.ReasonOwnerPaused, "Patroni is paused by dba")
}

// Of two troubles the first in the documented order is named; a person's order uncovers the first that it does not pass.
func TestAdmitOrder(t *testing.T) {
	t.Parallel()
	a := startAnchors(t)
	all := verdicts()
	for i, first := range all {
		for _, later := range all[i+1:] {
			if alertsSay(first.reason) && alertsSay(later.reason) {
				continue // one alert has one standing
			}
			what := fmt.Sprintf("%s and %s", first.trouble, later.trouble)
			if first.trouble == unread && later.trouble == paused {
				continue // what cannot be read cannot be paused
			}
			w := newWorld(t, a, first.trouble, later.trouble)
			wantNo(t, what, w.guard.Admit(t.Context(), w.ask), first.reason)
			w.ask.Override = true
			want := remediations.Reason("")
			switch {
			case !first.passed:
				want = first.reason
			case !later.passed:
				want = later.reason
			}
			wantNo(t, what+", overridden", w.guard.Admit(t.Context(), w.ask), want)
		}
	}
}

func alertsSay(r remediations.Reason) bool {
	return slices.Contains([]remediations.Reason{remediations.ReasonResolved, remediations.ReasonSilenced, remediations.ReasonInhibited,
		remediations.ReasonMuted, remediations.ReasonNotAllowed, remediations.ReasonUnconfirmed}, r)
}

// Right before the wire only what people said is asked again.
func TestLastGate(t *testing.T) {
	t.Parallel()
	a := startAnchors(t)
	for _, v := range verdicts() {
		w := newWorld(t, a, v.trouble)
		want := remediations.Reason("")
		if slices.Contains([]trouble{switchedOff, unread, paused, maintenance}, v.trouble) {
			want = v.reason
		}
		wantNo(t, string(v.trouble), w.guard.LastGate(t.Context(), w.ask), want)
		w.ask.Override = true
		wantNo(t, string(v.trouble)+", overridden", w.guard.LastGate(t.Context(), w.ask), "")
	}
}

// Who does not wait any more gets a no, even with a person's order and nothing in the way.
func TestContextThatEndedIsNo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, startAnchors(t))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("shutting down"))
	for _, override := range []bool{false, true} {
		w.ask.Override = override
		wantNo(t, "admit", w.guard.Admit(ctx, w.ask), remediations.ReasonTooLate, "shutting down")
		wantNo(t, "last gate", w.guard.LastGate(ctx, w.ask), remediations.ReasonTooLate, "shutting down")
	}
}

// Parts that never answer cost no more than their time, are named by their own reason, and a person passes them.
func TestAdmitNeverHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		forever := make(chan struct{})
		doc := &paper{}
		ams, err := guard.NewAlertmanagers([]guard.Peer{{Name: "am", Source: source{hang: forever}}})
		if err != nil {
			t.Fatal(err)
		}
		g := newGuard(t, guard.Config{Brake: newBrake(t, doc), Alertmanagers: ams})
		timed := func(what string, ask guard.Ask, want remediations.Reason, atMost time.Duration, words ...string) {
			t.Helper()
			began := time.Now()
			wantNo(t, what, g.Admit(t.Context(), ask), want, words...)
			if took := time.Since(began); took > atMost {
				t.Errorf("%s: it took %s", what, took)
			}
		}
		ask := guard.Ask{Alerts: []alerts.Alert{{Fingerprint: "f1"}}}
		timed("Alertmanager hangs", ask, remediations.ReasonUnconfirmed, 2*time.Second, "am: ")
		doc.hang = forever
		timed("both hang", ask, remediations.ReasonKillSwitch, 2*time.Second)
		ask.Override = true
		timed("both hang, overridden", ask, "", 2*time.Second)
		close(forever)
	})
}

// The whole never takes longer than three seconds, whatever the policy allows a part.
func TestAdmitIsBounded(t *testing.T) {
	t.Parallel()
	a := startAnchors(t)
	look := observer(t, policy.Observer{Anchors: []string{a.hangs}, Timeout: policy.Duration(time.Hour)})
	g := newGuard(t, guard.Config{Brake: newBrake(t, &paper{}), Observer: look})
	began := time.Now()
	wantNo(t, "an anchor with an hour's time", g.Admit(t.Context(), guard.Ask{}), remediations.ReasonObserver)
	if took := time.Since(began); took < 2900*time.Millisecond || took > 20*time.Second {
		t.Errorf("it took %s, want 3s", took)
	}
}

// The kill switch works while others ask, from any goroutine: once it is off nobody is admitted.
func TestAdmitConcurrently(t *testing.T) {
	t.Parallel()
	w := newWorld(t, startAnchors(t))
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			if i%2 == 0 {
				w.brake.Stop("race")
				w.brake.Go()
			}
			if no := w.guard.Admit(t.Context(), w.ask); no != nil && no.Reason != remediations.ReasonKillSwitch {
				t.Errorf("got %v", no)
			}
		})
	}
	all.Wait()
	w.brake.Stop("end")
	for range 16 {
		all.Go(func() {
			wantNo(t, "off", w.guard.Admit(t.Context(), w.ask), remediations.ReasonKillSwitch)
			wantNo(t, "off", w.guard.LastGate(t.Context(), w.ask), remediations.ReasonKillSwitch)
		})
	}
	all.Wait()
}

// A guard needs its brake and nothing else, and knows the present.
func TestSmallestGuard(t *testing.T) {
	t.Parallel()
	if _, err := guard.New(guard.Config{}); err == nil {
		t.Error("a guard without a brake was made")
	}
	brake := newBrake(t, &paper{})
	g := newGuard(t, guard.Config{Brake: brake})
	wantNo(t, "nothing is asked", g.Admit(t.Context(), guard.Ask{}), "")
	mustPause(t, brake, guard.Pause{Until: time.Now().Add(time.Hour)}, time.Now())
	wantNo(t, "now", g.Admit(t.Context(), guard.Ask{}), remediations.ReasonPaused)
	wantNo(t, "later", g.Admit(t.Context(), guard.Ask{Now: time.Now().Add(2 * time.Hour)}), "")
}
