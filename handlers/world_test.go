package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/tracing"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/guard"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// world is a small live system with one thing that can be sick and one thing that can be changed. It is the probe, the target and
// the patient at once, and counts what was really done to it.
type world struct {
	mu sync.Mutex // guards the fields below
	// sick is what the probe sees. cures says that the change makes it well while it stands, harms that it makes it worse.
	sick, cures, harms bool
	// relapse is the share given back, in percent, from which on it is sick again; 0 never.
	relapse int
	// hold is the change that stands: whose, and its share given back.
	holder   string
	released int
	revision uint64
	// effects counts changes that took effect, undone those taken back. Each is by action.
	effects map[string]int
	undone  int
	shares  []int
	// answer is what Apply returns after the change took effect; refuse and deaf stop it before.
	answer  error
	refuse  bool
	deaf    bool
	mute    bool               // Check cannot tell
	apart   bool               // targets do not see each other's changes; set before the loop runs
	rigid   bool               // it can be neither renewed nor ramped; set before the loop runs
	class   remediations.Class // of the change; A if empty
	fix     string             // what the handler asks for; open if empty
	once    bool               // the change happens and is over; set before the loop runs
	undo    bool               // such a change can be taken back; set before the loop runs
	patient bool               // an effect is looked for a minute long; set before the loop runs
	gone    bool               // what a change that happens once was for is gone
	// keep says that the change stands until it is healed; set before the loop runs.
	keep, healed bool
	// targets are those that the policy names; set before the loop runs.
	targets []Target
}

func newWorld() *world { return &world{sick: true, cures: true, effects: map[string]int{}} }

func (w *world) with(fn func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fn()
}

type seen struct {
	Sick   bool `json:"sick"`
	Worse  bool `json:"worse"`
	Healed bool `json:"healed,omitempty"`
}

func (w *world) look() seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := seen{Sick: w.sick, Worse: w.harms && w.holder != "", Healed: w.healed}
	if w.holder != "" && w.cures && (w.relapse == 0 || w.released < w.relapse) {
		s.Sick = false
	}
	return s
}

// Bounds are those of a change that can be anything a test needs.
func (w *world) Bounds(remediations.Step) remediations.Bounds {
	w.mu.Lock()
	defer w.mu.Unlock()
	class := w.class
	if class == "" {
		class = remediations.ClassA
	}
	return remediations.Bounds{Class: class, MaxLimit: 5 * time.Minute, Adjusts: !w.rigid && !w.once, Once: w.once, Undo: w.undo}
}

func (w *world) Check(_ context.Context, o remediations.Order) (remediations.Presence, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.mute:
		return remediations.Presence{State: remediations.Unknown}, errors.New("the target does not answer")
	case w.once && w.gone:
		return remediations.Presence{State: remediations.Satisfied, Detail: "it is gone"}, nil
	case w.holder == "", w.apart && w.holder != o.Action:
		return remediations.Presence{State: remediations.Absent, Revision: w.revision}, nil
	case w.holder == o.Action:
		return remediations.Presence{State: remediations.Ours, Revision: w.revision, Released: w.released}, nil
	}
	return remediations.Presence{State: remediations.Foreign, Revision: w.revision, Detail: "held by " + w.holder}, nil
}

func (w *world) Apply(_ context.Context, o remediations.Order) (remediations.Receipt, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.refuse || w.holder != "" || o.Seen.Revision != w.revision:
		return remediations.Receipt{}, fmt.Errorf("not as it was seen: %w", remediations.ErrRefused)
	case w.deaf:
		return remediations.Receipt{}, errors.New("connection reset before anything arrived")
	}
	w.effects[o.Action]++
	if w.once {
		w.gone, w.sick = true, w.sick && !w.cures
		return remediations.Receipt{}, w.answer
	}
	w.holder, w.revision, w.released = o.Action, w.revision+1, 0
	return remediations.Receipt{Revision: w.revision}, w.answer
}

func (w *world) Adjust(_ context.Context, o remediations.Order, _ remediations.Receipt) (remediations.Receipt, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.holder != o.Action {
		return remediations.Receipt{}, remediations.ErrNotOurs
	}
	w.released, w.revision = o.Released, w.revision+1
	w.shares = append(w.shares, o.Released)
	return remediations.Receipt{Revision: w.revision}, nil
}

func (w *world) Revert(_ context.Context, o remediations.Order, _ remediations.Receipt) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch w.holder {
	case "":
		if w.once {
			w.undone++ // which must never be tried
		}
		return nil
	case o.Action:
		w.holder, w.released, w.revision = "", 0, w.revision+1
		w.undone++
		return nil
	}
	return remediations.ErrNotOurs
}

var (
	_ remediations.Remediation = (*world)(nil)
	_ remediations.Adjuster    = (*world)(nil)
)

// family is a handler that reads the world and thinks in one line.
type family struct {
	w    *world
	mode policy.Mode
}

func (f family) Name() string { return "family" }

func (f family) Target(a alerts.Alert) (Target, bool) {
	name := a.Labels["target"]
	domain := a.Labels["domain"]
	if domain == "" {
		domain = name
	}
	return Target{Name: name, Domain: domain, Zone: "all", Mode: f.mode}, name != ""
}

func (f family) Targets() []Target { return f.w.targets }

func (f family) Observe(context.Context, string) (seen, error) { return f.w.look(), nil }

func (f family) Decide(c Case[seen]) incidents.Decision {
	last := c.Before[len(c.Before)-1].Seen
	if !last.Sick {
		return incidents.Decision{Cause: "well", Verdict: incidents.FalsePositive, Reason: "nothing is wrong"}
	}
	every, within := policy.Duration(5*time.Millisecond), policy.Duration(300*time.Millisecond)
	if f.w.patient {
		within = policy.Duration(time.Minute)
	}
	class, ramp := "open", []int{50, 90}
	if f.w.fix != "" {
		class = f.w.fix
	}
	if f.w.keep || f.w.once {
		ramp = nil
	}
	return incidents.Decision{Cause: "sick", Verdict: incidents.Act, Reason: "it is sick", Until: c.Now.Add(every.D()),
		Step: &remediations.Step{Remediation: "world", Service: "a", Edge: "b", Fix: class, TTL: policy.Duration(30 * time.Second),
			Limit: policy.Duration(time.Minute), Timeout: policy.Duration(time.Second), Ramp: ramp, Once: f.w.once, Undo: f.w.undo, Reason: "sick"},
		Verify: &incidents.Verify{Every: every, Within: within, HoldFor: 4 * every, RampEvery: 2 * every, UntilHealed: f.w.keep}}
}

func (f family) Judge(c Case[seen]) incidents.Judgement {
	if len(c.After) == 0 {
		return incidents.Judgement{Effect: incidents.Pending, Words: "not looked yet"}
	}
	last := c.After[len(c.After)-1]
	switch {
	case last.Seen.Worse || c.Step.Released > 0 && last.Seen.Sick:
		return incidents.Judgement{Effect: incidents.Worse, Words: "it is worse"}
	case !last.Seen.Sick:
		return incidents.Judgement{Effect: incidents.Improved, Healed: last.Seen.Healed, Words: "it is well"}
	}
	return incidents.Judgement{Effect: incidents.Pending, Words: "still sick"}
}

// stage is a running loop on a real bus, around a world.
type stage struct {
	t      *testing.T
	ctx    context.Context
	bus    *bus.Bus
	world  *world
	store  *incidents.Store
	limits policy.Limits
	mode   policy.Mode
	// gate is what else may say no; who is asked for approval. Set before the loop runs.
	gate      *gate
	approvals Approvals
	permits   Permits
	tracer    *tracing.Tracer // set before the loop runs; nil follows nothing
	runners   []*Runner
}

// gate says yes until a test says otherwise.
type gate struct {
	mu          sync.Mutex // guards the fields below
	admit, last *remediations.NoError
	asked       []guard.Ask
}

func (g *gate) Admit(_ context.Context, a guard.Ask) *remediations.NoError {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, a)
	if a.Override {
		return nil
	}
	return g.admit
}

func (g *gate) LastGate(_ context.Context, a guard.Ask) *remediations.NoError {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, a)
	return g.last
}

func (g *gate) set(admit, last *remediations.NoError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.admit, g.last = admit, last
}

func newStage(t *testing.T) *stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	b, err := bus.Open(ctx, bus.Config{Dir: t.TempDir(), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); b.Close() })
	budget := policy.Budget{Hour: 100, Day: 100, Concurrent: 10}
	none := policy.Duration(0)
	return &stage{t: t, ctx: ctx, bus: b, world: newWorld(), store: incidents.NewStore(b), mode: policy.Auto,
		gate: &gate{}, permits: func(_, _, place, _ string) bool { return place == "a/b" },
		limits: policy.Limits{PerDomain: budget, PerAction: budget, Global: budget, Cooldown: &none, CooldownRisky: &none,
			AlertMaxAge: policy.Duration(time.Minute), Chain: policy.Chain{Fixes: 100, Window: policy.Duration(time.Hour)},
			BlastRadius: policy.BlastRadius{Targets: 100, SharePercent: 100, AlertsPerMinute: 10000, Calm: policy.Duration(time.Minute)}}}
}

// run starts n loops on the same bus, as n replicas would be, and a journal.
func (s *stage) run(n int) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.ctx)
	var wg sync.WaitGroup
	for range n {
		cell, err := s.bus.Cell(ctx, "ledger", "ledger")
		if err != nil {
			s.t.Fatal(err)
		}
		loop, err := NewRunner(ctx, Config{Handlers: []*Bound{Bind(family{w: s.world, mode: s.mode}, family{w: s.world, mode: s.mode})},
			Remediations: map[string]remediations.Remediation{"world": s.world}, Ledger: ledger.New(cell, s.limits), Limits: s.limits,
			Gate: s.gate, Permits: s.permits, Approvals: s.approvals, Tracer: s.tracer,
			Metrics: NewMetrics(prometheus.NewRegistry()), Log: zerolog.New(zerolog.NewTestWriter(s.t)).Level(zerolog.WarnLevel)}, s.bus)
		if err != nil {
			s.t.Fatal(err)
		}
		s.runners = append(s.runners, loop)
		wg.Go(func() {
			if err := loop.Run(ctx); err != nil {
				s.t.Errorf("the loop ended: %v", err)
			}
		})
	}
	s.t.Cleanup(func() { cancel(); wg.Wait() })
}

// alert is one alert of the target, delivered now.
func alert(target string, status alerts.Status) alerts.Alert {
	now := time.Now().UTC()
	a := alerts.Alert{Fingerprint: "00000000000000aa", Status: status, StartsAt: now.Add(-time.Second),
		Labels:   map[string]string{"alertname": "Sick", "target": target},
		Delivery: alerts.Delivery{At: now, Source: alerts.SourceWebhook}}
	if status == alerts.Resolved {
		a.EndsAt = now
	}
	return a
}

// deliver stores alerts on the journal, one delivery each.
func (s *stage) deliver(as ...alerts.Alert) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.ctx)
	j := s.bus.Journal()
	done := make(chan struct{})
	go func() { defer close(done); _ = j.Run(ctx) }()
	defer func() { cancel(); <-done }()
	for _, a := range as {
		raw, err := alerts.Encode(a)
		if err != nil {
			s.t.Fatal(err)
		}
		if err := j.Append(ctx, alerts.AppendRecord(nil, a.Delivery, []alerts.Raw{raw})); err != nil {
			s.t.Fatal(err)
		}
	}
}

// await waits until the newest incident of the target is as wanted.
func (s *stage) await(target, what string, ok func(*incidents.State) bool) *incidents.State {
	s.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		st, err := s.store.Latest(s.ctx, "family", target)
		if err == nil && st != nil && ok(st) {
			return st
		}
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			s.t.Fatalf("%s: never %s; %v; record: %s", target, what, err, s.story(st))
		}
	}
}

// story is a record as people read it.
func (s *stage) story(st *incidents.State) string {
	if st == nil {
		return "none"
	}
	events, err := s.store.Events(context.Background(), st.ID)
	if err != nil {
		return err.Error()
	}
	out := ""
	for _, e := range events {
		out += fmt.Sprintf("\n%s %-14s %s", e.At.Format("05.000"), e.Kind, e.Words())
	}
	return out
}

func (s *stage) kinds(st *incidents.State) []incidents.Kind {
	s.t.Helper()
	events, err := s.store.Events(s.ctx, st.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	var out []incidents.Kind
	for _, e := range events {
		if e.Kind != incidents.Observed {
			out = append(out, e.Kind)
		}
	}
	return out
}

func closed(st *incidents.State) bool { return !st.Open() }

func outcomeOf(st *incidents.State) incidents.Outcome {
	if st.Closing == nil {
		return ""
	}
	return st.Closing.Outcome
}

// effects is how many changes took effect, and whether any action did so twice.
func (w *world) total(t *testing.T) (effects, undone int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for action, n := range w.effects {
		effects += n
		if n > 1 {
			t.Errorf("action %s took effect %d times", action, n)
		}
	}
	return effects, w.undone
}

func asJSON(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
