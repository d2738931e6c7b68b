package tracing_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/tracing"
)

// followed is what the loop does around one piece of work.
func followed(ctx context.Context, t *tracing.Tracer, work func(context.Context) error) error {
	ctx, span := t.Start(t.Under(ctx, tracing.Parent{Trace: given}), tracing.Apply)
	defer span.End()
	span.Text(tracing.Fix, "open")
	span.Count(tracing.Released, 50)
	err := work(ctx)
	span.Error(err)
	return err
}

// Off is nothing: no span, no allocation, the same context, and the trace that came in is handed on.
func TestOffIsNothing(t *testing.T) {
	t.Parallel()
	var off *tracing.Tracer
	ctx := t.Context()
	got, span, place := off.Begin(ctx, tracing.Receive, tracing.Parent{Trace: given, State: state})
	if got != ctx || span != nil || place != (tracing.Parent{Trace: given, State: state}) {
		t.Errorf("got %v, %v and %+v, want what was given and no span", got, span, place)
	}
	if got := off.Since(ctx, tracing.Approval, time.Now()); got != nil {
		t.Errorf("got a span of the past")
	}
	if off.Transport(http.DefaultTransport) != http.DefaultTransport {
		t.Error("requests go another way")
	}
	off.Current(ctx).Fail("nobody hears it")
}

// What is followed costs no allocation when nothing is.
func TestOffAllocatesNothing(t *testing.T) {
	ctx, failed := t.Context(), errors.New("no")
	work := func(context.Context) error { return failed }
	if n := testing.AllocsPerRun(1000, func() { _ = followed(ctx, nil, work) }); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

// BenchmarkOff is what a step costs when nothing is followed; BenchmarkWithout is the same step in a program that cannot be followed.
func BenchmarkOff(b *testing.B) {
	ctx, work := b.Context(), func(context.Context) error { return nil }
	b.ReportAllocs()
	for b.Loop() {
		_ = followed(ctx, nil, work)
	}
}

func BenchmarkWithout(b *testing.B) {
	ctx, work := b.Context(), func(context.Context) error { return nil }
	b.ReportAllocs()
	for b.Loop() {
		_ = work(ctx)
	}
}
