package policy

import (
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
)

// Tracing sends spans to a collector of OpenTelemetry, over OTLP on HTTP. Nothing waits for it, and nothing is decided by it: it is no part of
// the policy's hash.
type Tracing struct {
	// Endpoint is the collector; /v1/traces is added to it. It is https, but on this machine or with AllowPlain. Required.
	Endpoint string `yaml:"endpoint" rule:"need=https://collector.example.com:4318;base"`
	// Headers are sent with every batch, such as the collector's token. Their values are secrets.
	Headers map[string]Secret `yaml:"headers"`
	// Sample is the share of traces that begin at our webhook which is kept, more than 0 and at most 1, default 1. An alert that comes with a
	// traceparent is traced if that says so, whatever this is.
	Sample float64 `yaml:"sample" rule:"default=1;over=0;max=1"`
	// ServiceName is what the spans say that they are from, default firebreak.
	ServiceName string `yaml:"service_name" rule:"default=firebreak;name"`
	// AllowPlain says that spans and headers may go over the network unencrypted. Default false.
	AllowPlain bool `yaml:"allow_plain"`
}

// Revealed are the headers with their values.
func (t Tracing) Revealed() map[string]string {
	out := make(map[string]string, len(t.Headers))
	for name, value := range t.Headers {
		out[name] = value.Reveal()
	}
	return out
}

// checkTracing looks at where spans go, and at what is sent with them. The headers' values are never said.
func (d *document) checkTracing(t *Tracing) {
	if t == nil {
		return
	}
	const endpoint, headers = "tracing.endpoint", "tracing.headers"
	if u, err := url.Parse(t.Endpoint); err == nil && u.Scheme == "http" && !t.AllowPlain && !isThisMachine(u.Hostname()) && d.sound(endpoint) {
		d.wrong(endpoint, "is plain http to another machine, where others could read headers and spans: write https, or allow_plain: true")
	}
	first := map[string]string{} // by name in small letters: to a request they are one
	for _, name := range slices.Sorted(maps.Keys(t.Headers)) {
		path, small := join(headers, name), strings.ToLower(name)
		if twin, twice := first[small]; twice && d.sound(path) {
			d.wrong(path, "is the same header as %s: take one of the two out", join(headers, twin))
			continue
		}
		first[small] = name
		switch {
		case !d.sound(path):
		case !isHeaderName(name):
			d.wrong(path, "is not the name of a header: use letters, digits and \"-\"")
		case slices.Contains(ownHeaders(), small):
			d.wrong(path, "is set by whoever sends a request, and cannot be chosen: take it out")
		case blank(t.Headers[name].Reveal()):
			d.wrong(path, "is empty: write a value, or take the line out")
		case strings.ContainsFunc(t.Headers[name].Reveal(), func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			d.wrong(path, "has a line break or another control character in it, which no header can have: take it out (it is a secret, so it is not shown)")
		}
	}
}

// isThisMachine says whether a host of a URL is this machine.
func isThisMachine(host string) bool { return isLoopback(net.JoinHostPort(host, "0")) }

// isHeaderName says whether a text can name a header.
func isHeaderName(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return s != "" && strings.Trim(s, letters+"!#$%&'*+-.^_`|~") == ""
}

// ownHeaders are those that belong to the request itself, in small letters.
func ownHeaders() []string {
	return []string{"connection", "content-encoding", "content-length", "content-type", "host", "te", "trailer", "transfer-encoding", "upgrade"}
}
