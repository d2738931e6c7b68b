package tracing

import (
	"context"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// maxState is how long a tracestate may be, in bytes. The specification asks to carry at least 512 of them; a longer one is left out whole, which
// it allows, since half a list means something else.
const maxState = 512

// The names of the headers, as the propagator wants them.
const (
	headerParent = "traceparent"
	headerState  = "tracestate"
)

// Parent is a place in a trace as it is written down: the two headers of W3C Trace Context. It is kept with what it belongs to, so that a trace
// goes on in another process, and after a restart. The zero value is no trace.
type Parent struct {
	// Trace is the traceparent, 55 bytes of version 00.
	Trace string
	// State is the tracestate of others, at most 512 bytes. It is of no meaning to us.
	State string
}

// FromHeader reads the trace of a request. A traceparent that is not valid, or is there twice, is none, as the specification says; a tracestate
// that is not valid, or too long, is left out and takes nothing else with it.
func FromHeader(h http.Header) Parent {
	values := h.Values(headerParent)
	if len(values) != 1 {
		return Parent{}
	}
	given := Parent{Trace: strings.TrimSpace(values[0])}
	// Several headers are one list.
	if state := strings.Join(h.Values(headerState), ","); len(state) <= maxState {
		given.State = state
	}
	return parentOf(given.context())
}

// context is the place as the library knows it; it is not valid if the text is not.
func (p Parent) context() trace.SpanContext {
	if p.Trace == "" {
		return trace.SpanContext{}
	}
	carrier := propagation.MapCarrier{headerParent: p.Trace, headerState: p.State}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
}

// parentOf writes a place down, in version 00.
func parentOf(sc trace.SpanContext) Parent {
	if !sc.IsValid() {
		return Parent{}
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), sc), carrier)
	p := Parent{Trace: carrier[headerParent], State: carrier[headerState]}
	if len(p.State) > maxState {
		p.State = ""
	}
	return p
}
