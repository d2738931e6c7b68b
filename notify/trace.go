package notify

import (
	"context"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/tracing"
)

// Traced follows what is told, in the trace of the alert that opened the incident, and returns the teller. Nil follows nothing.
func (t *Teller) Traced(tracer *tracing.Tracer) *Teller {
	t.tracer = tracer
	return t
}

// follow sends one outcome in a span of its own, one for each try.
func (t *Teller) follow(ctx context.Context, about incidents.Opening, o Outcome) error {
	d := about.Alert.Delivery
	ctx, span := t.tracer.Start(t.tracer.Under(ctx, tracing.Parent{Trace: d.TraceParent, State: d.TraceState}), tracing.Tell)
	defer span.End()
	if span != nil {
		span.Text(tracing.Incident, o.Incident.String())
		span.Text(tracing.Handler, o.Handler)
		span.Text(tracing.Target, o.Target)
		span.Text(tracing.Sink, t.sink.Name())
		span.Text(tracing.Event, string(o.Kind))
	}
	return t.send(ctx, o, span)
}
