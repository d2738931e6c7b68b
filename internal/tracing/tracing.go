// Package tracing tells where time goes, from an alert's webhook to the change that answers it, in spans of OpenTelemetry.
//
// The trace is that of the webhook's traceparent, or begins there. It is kept in the alert's delivery, so it goes through the journal and
// into the incident's record; whoever carries the incident, wherever and after whatever, goes on with it:
//
//	receive ─┬─ journal                       the body, and storing it
//	         ├─ take                          what the alert is to its incident
//	         ├─ look, decide ── reserve       each time the incident is looked at
//	         ├─ approval                      from the asking to the answer
//	         ├─ issue ── apply                the last gate, and what is sent to the target
//	         ├─ verify ── look                what became of it
//	         ├─ adjust, revert                a share given back or a renewal; the undo
//	         ├─ close
//	         └─ tell                          each place that is told
//
// A span begins and ends within one step of the work: a process can die anywhere, and a span that is never ended is never seen. All of one
// incident are in the trace of the alert that opened it.
//
// Nothing waits for tracing, and nothing is decided by it. A nil [Tracer] is off: it costs a comparison and allocates nothing. Spans hold names,
// codes, counts and times; no text of an error, of an alert's annotation or of a person is ever put into one. What an error said is in the
// incident's record, which the span names.
//
// This package knows how spans are begun and nothing of where they go: that is the business of the package below it.
package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Tracer begins spans. Nil begins none.
type Tracer struct {
	maker trace.Tracer
}

// New is a tracer that makes its spans with m.
func New(m trace.Tracer) *Tracer { return &Tracer{maker: m} }

// Begin goes on with a trace from outside, or begins one if there is none. What follows is given the place that it returns, to be kept with what
// has come in. When tracing is off, that is the place from outside, so that whoever turns it on finds it. The span is nil if the trace is not
// sampled, and the place says so to all who come after.
func (t *Tracer) Begin(ctx context.Context, name Name, from Parent) (context.Context, *Span, Parent) {
	if t == nil {
		return ctx, nil, from
	}
	ctx = trace.ContextWithSpanContext(ctx, trace.SpanContext{}) // nothing that is there by chance
	if sc := from.context(); sc.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, sc)
	}
	ctx, span := t.maker.Start(ctx, string(name), trace.WithSpanKind(name.kind()))
	place := parentOf(span.SpanContext())
	if !span.IsRecording() {
		return ctx, nil, place
	}
	return ctx, &Span{span: span}, place
}

// Under is a context in which spans are children of a place that was kept. Without one they are none: what came while tracing was off has no
// beginning that anybody could find.
func (t *Tracer) Under(ctx context.Context, from Parent) context.Context {
	if t == nil {
		return ctx
	}
	return trace.ContextWithRemoteSpanContext(ctx, from.context())
}

// Start begins a span below the one that the context is in. It is nil, which all its methods take, if there is none or if the trace is not
// sampled.
func (t *Tracer) Start(ctx context.Context, name Name) (context.Context, *Span) {
	if t == nil {
		return ctx, nil
	}
	return t.start(ctx, name)
}

// Since is a span of something that began before, perhaps in another process. It is made when that is over: who calls this ends it at once.
func (t *Tracer) Since(ctx context.Context, name Name, begun time.Time) *Span {
	if t == nil {
		return nil
	}
	_, span := t.start(ctx, name, trace.WithTimestamp(begun))
	return span
}

func (t *Tracer) start(ctx context.Context, name Name, more ...trace.SpanStartOption) (context.Context, *Span) {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return ctx, nil
	}
	ctx, span := t.maker.Start(ctx, string(name), append(more, trace.WithSpanKind(name.kind()))...)
	return ctx, &Span{span: span}
}

// Current is the span that the context is in, nil if there is none.
func (t *Tracer) Current(ctx context.Context) *Span {
	if t == nil {
		return nil
	}
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return nil
	}
	return &Span{span: span}
}
