package tracing

import (
	"net/http"

	"go.opentelemetry.io/otel/trace"
)

// Transport sends requests with the traceparent of the span that they are part of, so that a target can show what a command did in the same
// trace. A request outside of a span goes as it is, and so does all of a trace that is not sampled. The tracestate of whoever posted the alert is
// not passed on: it is meant for those who share his traces, and the specification lets it be left out. A nil tracer returns next itself.
func (t *Tracer) Transport(next http.RoundTripper) http.RoundTripper {
	if t == nil {
		return next
	}
	return carrier{next: next}
}

// carrier is a transport that adds the header.
type carrier struct{ next http.RoundTripper }

// RoundTrip sends a copy with the header, as a transport must not change what it was given.
func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	if sc := trace.SpanContextFromContext(r.Context()); sc.IsSampled() {
		r = r.Clone(r.Context())
		r.Header.Set(headerParent, parentOf(sc).Trace)
	}
	return c.next.RoundTrip(r)
}
