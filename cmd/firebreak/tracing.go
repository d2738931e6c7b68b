package main

import (
	"crypto/tls"
	"net/http"

	"github.com/firebreak-sre/firebreak/internal/tracing"
	"github.com/firebreak-sre/firebreak/internal/tracing/otlp"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// newTracing sends spans to the policy's collector; nil if it names none. trusted is how its certificate is judged; nil is by what the system
// trusts. instance is this replica's name.
func newTracing(t *policy.Tracing, trusted *tls.Config, instance string, reg prometheus.Registerer, log zerolog.Logger) (*otlp.Exporter, error) {
	if t == nil {
		return nil, nil
	}
	return otlp.New(otlp.Config{Endpoint: t.Endpoint, Headers: t.Revealed(), TLS: trusted, Sample: t.Sample,
		Service: t.ServiceName, Version: buildVersion(), Instance: instance, Metrics: reg, Log: log})
}

// adminClient sends the commands of fixes over HTTP with the trace that they are part of. Nil is the client that is used by itself.
func adminClient(c *http.Client, t *tracing.Tracer) *http.Client {
	if t == nil {
		return c
	}
	traced := http.Client{}
	if c != nil {
		traced = *c
	}
	if traced.Transport == nil {
		traced.Transport = http.DefaultTransport
	}
	traced.Transport = t.Transport(traced.Transport)
	return &traced
}
