package otlp

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/sdk/trace"
)

// sayEvery is how often it is said that spans are dropped.
const sayEvery = time.Minute

// maxSaid is how much of an error is said, in bytes.
const maxSaid = 300

// queue hands ended spans on while few enough wait. The library's own queue drops what does not fit as well, but tells nobody how much; this one
// is as large, so the library's never overflows.
type queue struct {
	sender *sender
	next   trace.SpanProcessor
}

// OnStart does nothing.
func (q *queue) OnStart(context.Context, trace.ReadWriteSpan) {}

// OnEnd takes a span or drops it; it never waits.
func (q *queue) OnEnd(s trace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if q.sender.waiting.Add(1) > maxWaiting {
		q.sender.waiting.Add(-1)
		q.sender.lost(1, "queue", nil)
		return
	}
	q.next.OnEnd(s)
}

// Shutdown sends what waits, until ctx ends.
func (q *queue) Shutdown(ctx context.Context) error { return q.next.Shutdown(ctx) }

// ForceFlush sends what waits now, until ctx ends.
func (q *queue) ForceFlush(ctx context.Context) error { return q.next.ForceFlush(ctx) }

// sender gives batches to the collector and counts what becomes of them. It returns no error: the library would print it by itself.
type sender struct {
	out     trace.SpanExporter
	waiting atomic.Int64
	sent    prometheus.Counter
	dropped *prometheus.CounterVec
	log     zerolog.Logger
	secrets []string

	mu sync.Mutex // guards the fields below
	// said is when it was last said that spans are dropped, unsaid how many were since.
	said   time.Time
	unsaid int
}

func newSender(out trace.SpanExporter, cfg Config) *sender {
	s := &sender{out: out, log: cfg.Log,
		sent: prometheus.NewCounter(prometheus.CounterOpts{Name: "firebreak_trace_spans_sent_total",
			Help: "Spans that the collector took."}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firebreak_trace_spans_dropped_total",
			Help: "Spans that were dropped, by why: too many waited (queue), or the collector did not take their batch (export)."}, []string{"reason"})}
	for _, v := range cfg.Headers {
		s.secrets = append(s.secrets, v)
	}
	slices.SortFunc(s.secrets, func(a, b string) int { return len(b) - len(a) }) // the longest first: one may hold another
	for _, reason := range []string{"queue", "export"} {
		s.dropped.WithLabelValues(reason)
	}
	if cfg.Metrics != nil {
		cfg.Metrics.MustRegister(s.sent, s.dropped)
	}
	return s
}

// ExportSpans sends one batch.
func (s *sender) ExportSpans(ctx context.Context, spans []trace.ReadOnlySpan) error {
	err := s.out.ExportSpans(ctx, spans)
	s.waiting.Add(int64(-len(spans)))
	if err != nil {
		s.lost(len(spans), "export", err)
		return nil
	}
	s.sent.Add(float64(len(spans)))
	return nil
}

// Shutdown ends the connection.
func (s *sender) Shutdown(ctx context.Context) error { return s.out.Shutdown(ctx) }

// lost counts dropped spans, and says so at most once a minute.
func (s *sender) lost(n int, reason string, err error) {
	s.dropped.WithLabelValues(reason).Add(float64(n))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsaid += n
	now := time.Now()
	if !s.said.IsZero() && now.Sub(s.said) < sayEvery {
		return
	}
	line := s.log.Warn().Int("spans", s.unsaid).Str("reason", reason)
	if err != nil {
		line = line.Str("problem", s.hidden(err.Error()))
	}
	line.Msg("spans of traces are dropped; nothing else is affected")
	s.said, s.unsaid = now, 0
}

// hidden is a text of the collector's, or about it, without our secrets: it may repeat what it was sent.
func (s *sender) hidden(text string) string {
	for _, secret := range s.secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[redacted]")
		}
	}
	if len(text) > maxSaid {
		text = strings.ToValidUTF8(text[:maxSaid], "") + "…"
	}
	return text
}
