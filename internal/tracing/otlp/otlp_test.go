package otlp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakecollector"
	"github.com/firebreak-sre/firebreak/internal/tracing"
	"github.com/firebreak-sre/firebreak/internal/tracing/otlp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

const (
	given   = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	secret  = "Bearer canary-of-the-collector"
)

// rig is an exporter with what it says.
type rig struct {
	*otlp.Exporter
	reg *prometheus.Registry
	log bytes.Buffer
}

func newRig(t *testing.T, endpoint string, sample float64) *rig {
	t.Helper()
	r := &rig{reg: prometheus.NewRegistry()}
	var err error
	r.Exporter, err = otlp.New(otlp.Config{Endpoint: endpoint, Headers: map[string]string{"Authorization": secret}, Sample: sample,
		Service: "firebreak", Version: "1.2.3", Instance: "host-1", Metrics: r.reg, Log: zerolog.New(&r.log)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// dropped is how many spans were, for a reason.
func (r *rig) dropped(t *testing.T, reason string) int {
	t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "firebreak_trace_spans_dropped_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == reason {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	t.Fatalf("there is no counter of dropped spans for %s", reason)
	return 0
}

// One span of each kind arrives as it was meant, below what was given, and hands its place on.
func TestSpansArrive(t *testing.T) {
	t.Parallel()
	c := fakecollector.New(t)
	r := newRig(t, c.URL, 1)
	tr := r.Tracer()
	ctx, root, place := tr.Begin(t.Context(), tracing.Receive, tracing.Parent{Trace: given, State: "vendor=a"})
	root.Count(tracing.Alerts, 3)
	_, child := tr.Start(ctx, tracing.Apply)
	child.Text(tracing.Fix, "open \x1b[31m \xff"+strings.Repeat("ä", 200))
	child.Error(errors.Join(errors.New("password=hunter2"), context.DeadlineExceeded))
	child.End()
	root.End()
	if !strings.HasPrefix(place.Trace, "00-"+traceID+"-") || strings.Contains(place.Trace, "00f067aa0ba902b7") || place.State != "vendor=a" {
		t.Errorf("hands on %+v, want the trace with a span of its own", place)
	}
	begun := time.Now().Add(-time.Hour)
	tr.Since(tr.Under(t.Context(), place), tracing.Approval, begun).End() // as another process would
	r.Close()

	spans := c.Spans()
	if len(spans) != 3 || len(c.Wrong()) > 0 {
		t.Fatalf("got %d spans and %v, want 3 and nothing wrong", len(spans), c.Wrong())
	}
	approval, receive, apply := spans[0], spans[1], spans[2]
	for _, s := range spans {
		if s.Trace != traceID || s.Service != "firebreak" {
			t.Errorf("%s: got trace %s of %s", s.Name, s.Trace, s.Service)
		}
	}
	if receive.Parent != "00f067aa0ba902b7" || apply.Parent != receive.ID || approval.Parent != receive.ID {
		t.Errorf("got parents %s, %s, %s", receive.Parent, apply.Parent, approval.Parent)
	}
	if receive.Counts["firebreak.alerts"] != 3 || receive.Kind != "SPAN_KIND_SERVER" || approval.Begun.Sub(begun).Abs() > time.Millisecond {
		t.Errorf("got %+v and %+v", receive, approval)
	}
	if fix := apply.Texts["firebreak.fix"]; len(fix) > 200 || !strings.HasPrefix(fix, "open ?[31m ?ää") {
		t.Errorf("got the fix %q, want it cut and printable", fix)
	}
	if apply.Failed != "timeout" {
		t.Errorf("got the failure %q, want timeout", apply.Failed)
	}
	headers, bodies := c.Requests()
	if headers[0].Get("Authorization") != secret || bytes.Contains(bytes.Join(bodies, nil), []byte("hunter2")) {
		t.Error("the header is missing, or an error's text was sent")
	}
}

// A parent that is not sampled has no spans, and says so to all who come after; so does a share that is not kept. What is sampled by a parent is
// kept whatever the share.
func TestSampling(t *testing.T) {
	t.Parallel()
	c := fakecollector.New(t)
	r := newRig(t, c.URL, 1e-9)
	tr := r.Tracer()
	for name, from := range map[string]tracing.Parent{"not sampled": {Trace: given[:53] + "00"}, "of a share": {}} {
		ctx, root, place := tr.Begin(t.Context(), tracing.Receive, from)
		if root != nil || !strings.HasSuffix(place.Trace, "-00") && !strings.HasSuffix(place.Trace, "-02") {
			t.Errorf("%s: got a span, or %q, want none and a place that is not sampled", name, place.Trace)
		}
		if _, child := tr.Start(ctx, tracing.Apply); child != nil {
			t.Errorf("%s: got a child", name)
		}
		if _, child := tr.Start(tr.Under(t.Context(), place), tracing.Apply); child != nil {
			t.Errorf("%s: got a child in another process", name)
		}
	}
	if _, none := tr.Start(tr.Under(t.Context(), tracing.Parent{}), tracing.Apply); none != nil {
		t.Error("got a span of what has no trace")
	}
	_, root, _ := tr.Begin(t.Context(), tracing.Receive, tracing.Parent{Trace: given})
	root.End()
	r.Close()
	if spans := c.Spans(); len(spans) != 1 || spans[0].Trace != traceID {
		t.Errorf("got %+v, want the one that its parent sampled", spans)
	}
}

// A collector that refuses, or hangs, costs spans and nothing else: ending one never waits, all that are lost are counted, and one line says so,
// without the header that the collector repeats.
func TestCollectorRefuses(t *testing.T) {
	t.Parallel()
	c := fakecollector.New(t)
	c.Refuse(http.StatusBadRequest)
	r := newRig(t, c.URL, 1)
	for range 600 {
		_, s, _ := r.Tracer().Begin(t.Context(), tracing.Receive, tracing.Parent{})
		s.End()
	}
	r.Close()
	if got := r.dropped(t, "export"); got != 600 {
		t.Errorf("got %d dropped, want 600", got)
	}
	if log := r.log.String(); strings.Count(log, "\n") != 1 || strings.Contains(log, "canary") || !strings.Contains(log, "[redacted]") {
		t.Errorf("got the log\n%s\nwant one line without the secret", log)
	}
}

// While the collector hangs, at most 2048 spans wait, the others are dropped at once, and the end of the process waits 3 seconds for it.
func TestCollectorHangs(t *testing.T) {
	t.Parallel()
	held, release := make(chan struct{}, 16), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		held <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(release) })
	r := newRig(t, s.URL, 1)
	end := func(n int) {
		for range n {
			_, s, _ := r.Tracer().Begin(t.Context(), tracing.Receive, tracing.Parent{})
			s.End()
		}
	}
	end(600)
	testbed.Await(t, 20*time.Second, "the first batch at the collector", func() bool { return len(held) > 0 })
	end(5000)
	if got := r.dropped(t, "queue"); got != 600+5000-2048 {
		t.Errorf("got %d dropped, want all but 2048 of 5600", got)
	}
	begun := time.Now()
	r.Close()
	if took := time.Since(begun); took < 2*time.Second || took > 8*time.Second {
		t.Errorf("the end took %s, want about 3s", took)
	}
}

// A command carries the trace to its target, and nothing of the sender's tracestate; a request outside of a trace carries none.
func TestTransport(t *testing.T) {
	t.Parallel()
	c := fakecollector.New(t)
	r := newRig(t, c.URL, 1)
	got := make(chan http.Header, 2)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Clone() }))
	t.Cleanup(s.Close)
	client := http.Client{Transport: r.Tracer().Transport(http.DefaultTransport)}
	ask := func(ctx context.Context) http.Header {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if len(req.Header) > 0 {
			t.Errorf("the request itself was changed: %v", req.Header)
		}
		return <-got
	}
	ctx, span, place := r.Tracer().Begin(t.Context(), tracing.Receive, tracing.Parent{Trace: given, State: "vendor=a"})
	defer span.End()
	if h := ask(ctx); h.Get("Traceparent") != place.Trace || h.Get("Tracestate") != "" {
		t.Errorf("got %v, want %s and no state", h, place.Trace)
	}
	if h := ask(t.Context()); h.Get("Traceparent") != "" {
		t.Errorf("got %v outside of a trace", h)
	}
}

// No exporter is one that does nothing.
func TestNone(t *testing.T) {
	t.Parallel()
	var none *otlp.Exporter
	none.Close()
	if none.Tracer() != nil {
		t.Error("got a tracer of nothing")
	}
	if _, err := otlp.New(otlp.Config{Endpoint: "collector:4318"}); err == nil {
		t.Error("got an exporter to no URL")
	}
}
