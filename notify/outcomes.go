// Package notify tells people what happened: it reads the incidents' stream behind each place that wants to know, so
// that nothing is lost while that place is down, and each place is told in order.
package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/tracing"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// tooOld is the age past which an event is not told any more: a place that is added today is not told of last month.
const tooOld = 24 * time.Hour

// Outcome is what a place is told of one event.
type Outcome struct {
	// ID is the same for every try of the same event. It has no dot, which signed webhooks cannot carry in an id.
	ID       string            `json:"id"`
	Incident incidents.ID      `json:"incident"`
	Kind     incidents.Kind    `json:"kind"`
	At       time.Time         `json:"at"`
	Handler  string            `json:"handler"`
	Target   string            `json:"target"`
	Alert    string            `json:"alert"`
	Labels   map[string]string `json:"labels"`
	// Words are one line for people.
	Words string `json:"words"`
	// Outcome is set with the kind "closed".
	Outcome incidents.Outcome `json:"outcome,omitempty"`
	// Event is the whole event as it is in the record.
	Event incidents.Event `json:"event"`
}

// Sink is a place that is told. Send may be called again with the same id after an error, and after a crash.
type Sink interface {
	Name() string
	Send(ctx context.Context, o Outcome) error
}

// ErrPermanent wraps errors after which sending the same again cannot help.
var ErrPermanent = errors.New("sending it again will not help")

// Worth are the kinds that a place is told of unless it asks for others.
func Worth() []incidents.Kind {
	return []incidents.Kind{incidents.Opened, incidents.Refused, incidents.Applied, incidents.NotApplied, incidents.InDoubt,
		incidents.GaveUp, incidents.Verified, incidents.Regressed, incidents.Reverted, incidents.NotOurs,
		incidents.RevertInDoubt, incidents.Escalated, incidents.Closed}
}

// Metrics are what telling counts.
type Metrics struct{ sent, failed *prometheus.CounterVec }

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firebreak_notifications_total",
			Help: "Outcomes that a place was told."}, []string{"integration"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firebreak_notifications_failed_total",
			Help: "Tries to tell a place that failed, by whether it is tried again."}, []string{"integration", "reason"}),
	}
	reg.MustRegister(m.sent, m.failed)
	return m
}

// Teller tells one place.
type Teller struct {
	// openings are those of the incidents that were told of last. Only Run uses them.
	openings map[incidents.ID]incidents.Opening
	bus      *bus.Bus
	store    *incidents.Store
	sink     Sink
	kinds    []incidents.Kind
	called   string
	tracer   *tracing.Tracer // nil follows nothing
	metrics  *Metrics
	log      zerolog.Logger
}

// NewTeller tells sink of events of these kinds; none means [Worth]. It is told of the rungs that name it besides: see [Teller.Called].
func NewTeller(b *bus.Bus, sink Sink, kinds []incidents.Kind, m *Metrics, log zerolog.Logger) *Teller {
	if len(kinds) == 0 {
		kinds = Worth()
	}
	return &Teller{openings: map[incidents.ID]incidents.Opening{}, bus: b, store: incidents.NewStore(b), sink: sink, kinds: kinds,
		called: sink.Name(), metrics: m, log: log.With().Str("integration", sink.Name()).Logger()}
}

// Run tells until ctx ends, and goes on where it was when it is started again.
func (t *Teller) Run(ctx context.Context) error {
	return t.bus.Work(ctx, bus.Work{Stream: bus.Incidents, Durable: "tell_" + t.sink.Name()}, t.tell)
}

func (t *Teller) tell(ctx context.Context, m bus.Msg) error {
	events, err := incidents.Decode(m.Data)
	id, idErr := incidents.IDOfSubject(m.Subject)
	if err = errors.Join(err, idErr); err != nil || time.Since(m.At) > tooOld {
		t.skip(m, err)
		return nil
	}
	if !slices.ContainsFunc(events, t.wanted) {
		return nil
	}
	about, err := t.opening(ctx, id, events)
	if errors.Is(err, incidents.ErrDamaged) || errors.Is(err, bus.ErrNotFound) {
		t.skip(m, err) // it would hold up everything behind it, for ever
		return nil
	}
	if err != nil {
		return err
	}
	for i, e := range events {
		if !t.wanted(e) {
			continue
		}
		if err := t.follow(ctx, about, outcome(about, e, fmt.Sprintf("%s-%d-%d", id, m.Seq, i))); err != nil {
			return err
		}
	}
	return nil
}

// openingsKept is how many incidents' openings are remembered. An opening never changes.
const openingsKept = 256

// opening is what an incident is about.
func (t *Teller) opening(ctx context.Context, id incidents.ID, events []incidents.Event) (incidents.Opening, error) {
	if o, ok := t.openings[id]; ok {
		return o, nil
	}
	var o incidents.Opening
	if first := events[0]; first.Kind == incidents.Opened && first.Opening != nil {
		o = *first.Opening
	} else {
		st, err := t.store.Load(ctx, id)
		if err != nil {
			return o, err
		}
		o = st.Opening
	}
	if len(t.openings) >= openingsKept {
		clear(t.openings)
	}
	t.openings[id] = o
	return o, nil
}

func (t *Teller) skip(m bus.Msg, err error) {
	t.metrics.failed.WithLabelValues(t.sink.Name(), "skipped").Inc()
	t.log.Warn().Err(err).Uint64("message", m.Seq).Time("at", m.At).Msg("an event was not told: it is damaged or too old")
}

func outcome(about incidents.Opening, e incidents.Event, id string) Outcome {
	o := Outcome{ID: id, Incident: about.ID, Kind: e.Kind, At: e.At, Handler: about.Handler, Target: about.Target,
		Alert: about.Alert.Name(), Labels: about.Alert.Labels, Words: e.Words(), Event: e}
	if e.Closing != nil {
		o.Outcome = e.Closing.Outcome
	}
	return o
}

// send gives up only where trying again cannot help, and says so.
func (t *Teller) send(ctx context.Context, o Outcome, span *tracing.Span) error {
	err := t.sink.Send(ctx, o)
	switch {
	case err == nil:
		t.metrics.sent.WithLabelValues(t.sink.Name()).Inc()
		return nil
	case errors.Is(err, ErrPermanent):
		span.Fail("permanent")
		t.metrics.failed.WithLabelValues(t.sink.Name(), "permanent").Inc()
		t.log.Error().Err(err).Str("incident", o.Incident.String()).Str("kind", string(o.Kind)).Msg("an outcome could not be told and is given up")
		return nil
	}
	span.Error(err)
	t.metrics.failed.WithLabelValues(t.sink.Name(), "retried").Inc()
	return fmt.Errorf("tell %s of %s: %w", t.sink.Name(), o.ID, err)
}

// Log is the place that is always told: the process's own log.
type Log struct{ Logger zerolog.Logger }

// Name is "log".
func (Log) Name() string { return "log" }

// Send writes one line.
func (l Log) Send(_ context.Context, o Outcome) error {
	level := zerolog.InfoLevel
	if o.Kind == incidents.Escalated {
		level = zerolog.WarnLevel
	}
	l.Logger.WithLevel(level).Str("incident", o.Incident.String()).Str("handler", o.Handler).Str("target", o.Target).
		Str("kind", string(o.Kind)).Str("outcome", string(o.Outcome)).Str("words", o.Words).Msg("incident")
	return nil
}

// encode is the body that webhooks are sent.
func encode(o Outcome) ([]byte, error) { return json.Marshal(o) }
