// Package otlp sends spans to a collector, over OTLP on HTTP. Nothing ever waits for it: what the collector does not take in time is
// dropped, counted, and said at most once a minute.
//
//	span ended ─▶ at most 2048 waiting ─▶ batches of 512, every 2 s ─▶ POST <endpoint>/v1/traces
//	                  │ full: dropped                                     │ not taken within 10 s: dropped
package otlp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/firebreak-sre/firebreak/internal/tracing"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

const (
	// maxWaiting is how many spans may wait for the collector, maxBatch how many are sent at once.
	maxWaiting = 2048
	maxBatch   = 512
	// sendEvery is how long a span waits for others at most.
	sendEvery = 2 * time.Second
	// sendTimeout bounds one batch, all tries together.
	sendTimeout = 10 * time.Second
	// flushTimeout bounds Close.
	flushTimeout = 3 * time.Second
	// maxAnswer is how much of the collector's answer is read, in bytes.
	maxAnswer = 64 << 10
)

// Config says where spans go. The variables that the library otherwise reads (OTEL_EXPORTER_…, OTEL_TRACES_…, OTEL_BSP_…) count for nothing
// here: the policy alone says where something is sent. OTEL_RESOURCE_ATTRIBUTES is added to what describes this process.
type Config struct {
	// Endpoint is the collector, without /v1/traces.
	Endpoint string
	// Headers are sent with every batch. They are secrets, and are shown nowhere.
	Headers map[string]string
	// TLS is how the collector's certificate is judged. Nil: by what the system trusts.
	TLS *tls.Config
	// Sample is the share of the traces that begin here which is kept, from 0 to 1. What comes with a traceparent is kept if that says so.
	Sample float64
	// Service, Version and Instance are what the spans say that they are from.
	Service, Version, Instance string
	Metrics                    prometheus.Registerer
	Log                        zerolog.Logger
}

// Exporter is a tracer, and what brings its spans to the collector. Nil is none: all methods take it.
type Exporter struct {
	provider *trace.TracerProvider
	sender   *sender
	tracer   *tracing.Tracer
}

// New makes an exporter. It does not connect. Close must be called.
func New(cfg Config) (*Exporter, error) {
	u, err := url.Parse(cfg.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("configure tracing: the endpoint is not an http or https URL")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = cfg.TLS
	out, err := otlptrace.New(context.Background(), otlptracehttp.NewClient(
		otlptracehttp.WithEndpointURL(u.JoinPath("v1/traces").String()),
		otlptracehttp.WithHeaders(cfg.Headers),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
		otlptracehttp.WithMaxResponseSize(maxAnswer),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: 4 * time.Second, MaxElapsedTime: sendTimeout}),
		otlptracehttp.WithHTTPClient(&http.Client{Transport: transport, Timeout: sendTimeout,
			// A header with a secret is for the collector and for nobody that it points at.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}),
	))
	if err != nil {
		return nil, fmt.Errorf("configure tracing: %w", err)
	}
	s := newSender(out, cfg)
	from := resource.NewSchemaless(attribute.String("service.name", cfg.Service), attribute.String("service.version", cfg.Version),
		attribute.String("service.instance.id", cfg.Instance))
	provider := trace.NewTracerProvider(
		trace.WithResource(from),
		trace.WithSampler(trace.ParentBased(trace.TraceIDRatioBased(cfg.Sample))),
		trace.WithRawSpanLimits(trace.SpanLimits{AttributeValueLengthLimit: 256, AttributeCountLimit: 32, EventCountLimit: 8, LinkCountLimit: 8,
			AttributePerEventCountLimit: 8, AttributePerLinkCountLimit: 8}),
		trace.WithSpanProcessor(&queue{sender: s, next: trace.NewBatchSpanProcessor(s, trace.WithMaxQueueSize(maxWaiting),
			trace.WithMaxExportBatchSize(maxBatch), trace.WithBatchTimeout(sendEvery), trace.WithExportTimeout(sendTimeout))}))
	return &Exporter{provider: provider, sender: s, tracer: tracing.New(provider.Tracer("github.com/firebreak-sre/firebreak"))}, nil
}

// Tracer begins the spans that are exported; nil if there is no exporter.
func (e *Exporter) Tracer() *tracing.Tracer {
	if e == nil {
		return nil
	}
	return e.tracer
}

// Close sends what waits, for 3 seconds at most, and gives up on the rest. Spans that end after it are lost.
func (e *Exporter) Close() {
	if e == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if err := e.provider.Shutdown(ctx); err != nil {
		e.sender.log.Warn().Int64("spans", e.sender.waiting.Load()).Msg("the collector did not take the last spans in time; they are given up")
	}
	// What hangs at the collector is cut off: the process is about to end.
	_ = e.sender.out.Shutdown(ctx)
}
