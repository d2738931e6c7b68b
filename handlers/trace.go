package handlers

import (
	"context"
	"errors"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/tracing"
	"github.com/firebreak-sre/firebreak/remediations"
)

// placeOf is where in a trace an alert was delivered.
func placeOf(a alerts.Alert) tracing.Parent {
	return tracing.Parent{Trace: a.Delivery.TraceParent, State: a.Delivery.TraceState}
}

// traced is a context in the trace of the alert that opened the incident: whoever carries it, and whenever, goes on there.
func (l *Loop) traced(ctx context.Context, st *incidents.State) context.Context {
	return l.cfg.Tracer.Under(ctx, placeOf(st.Opening.Alert))
}

// span begins a span that says which incident it is of.
func (r *run) span(ctx context.Context, name tracing.Name) (context.Context, *tracing.Span) {
	ctx, s := r.cfg.Tracer.Start(ctx, name)
	if s != nil {
		r.describe(s)
	}
	return ctx, s
}

func (r *run) describe(s *tracing.Span) {
	s.Text(tracing.Incident, r.st.ID.String())
	s.Text(tracing.Handler, r.h.Name())
	s.Text(tracing.Target, r.st.Target)
}

// spanOf is a span of one command to a target.
func (r *run) spanOf(ctx context.Context, name tracing.Name, o remediations.Order) (context.Context, *tracing.Span) {
	ctx, s := r.span(ctx, name)
	if s != nil {
		s.Text(tracing.Fix, o.Fix)
		s.Text(tracing.Place, o.Place())
		s.Text(tracing.Action, o.Action)
		s.Count(tracing.Released, o.Released)
	}
	return ctx, s
}

// answered ends a span of a command by what the target said.
func answered(s *tracing.Span, err error) {
	switch {
	case s == nil:
	case errors.Is(err, remediations.ErrRefused):
		s.Fail("refused")
	case errors.Is(err, remediations.ErrNotOurs):
		s.Text(tracing.Result, "not_ours")
	default:
		s.Error(err)
	}
	s.End()
}

// failed marks a span of one step. That somebody else went on with the record first is no failure.
func failed(s *tracing.Span, err error) {
	if errors.Is(err, incidents.ErrConflict) {
		s.Text(tracing.Result, "conflict")
		return
	}
	s.Error(err)
}

// spanOfAsking writes the span of an asking that these events, which are in the record by now, have ended. asking and refusal are as they were
// before. They are in the record once, so the span is written once, unless the process dies in between.
func (r *run) spanOfAsking(ctx context.Context, asking *incidents.Asking, refusal *incidents.Refusal, events []incidents.Event) {
	fix, result := "", ""
	begun, ended := time.Time{}, r.now()
	switch {
	case asking != nil && (r.st.Asking == nil || r.st.Asking.ID != asking.ID) && r.cfg.Approvals != nil:
		fix, result = asking.Step.Fix, resultOf(events)
		// When it was asked follows from when the asking ends. Only a policy that was changed meanwhile makes that another moment.
		begun = asking.Until.Add(-r.cfg.Approvals.Expire())
	case r.deniedFirst(refusal):
		// People write their no themselves. The loop meets it when the same change is wanted again, and tells of it then.
		fix, result = r.st.Decision.Step.Fix, "denied"
		begun, ended = r.lookBefore(r.st.Denial.At), r.st.Denial.At
	default:
		return
	}
	s := r.cfg.Tracer.Since(r.traced(ctx, r.st), tracing.Approval, begun)
	if s == nil {
		return
	}
	r.describe(s)
	s.Text(tracing.Fix, fix)
	s.Text(tracing.Result, result)
	s.EndAt(ended)
}

// resultOf is how these events ended an asking.
func resultOf(events []incidents.Event) string {
	for _, e := range events {
		switch e.Kind {
		case incidents.Expired:
			return "expired"
		case incidents.Intended:
			return "approved"
		}
	}
	return "withdrawn"
}

// deniedFirst says that a denial has just refused a change for the first time. refusal is what stood before.
func (r *run) deniedFirst(refusal *incidents.Refusal) bool {
	denied := func(no *incidents.Refusal) bool { return no != nil && no.Reason == remediations.ReasonDenied }
	return denied(r.st.Refusal) && !denied(refusal) && r.st.Denial != nil && r.st.Decision != nil && r.st.Decision.Step != nil
}

// lookBefore is when the last look before a moment was begun: people were asked on it.
func (r *run) lookBefore(at time.Time) time.Time {
	begun := at
	for _, look := range r.st.Looks {
		if look.At.Before(at) {
			begun = look.At
		}
	}
	return begun
}
