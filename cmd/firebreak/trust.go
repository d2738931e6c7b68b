package main

import (
	"crypto/tls"
	"net/http"

	"github.com/firebreak-sre/firebreak/internal/trust"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/rs/zerolog"
)

// openTrust reads whom the connections that we open believe, and what they show.
func openTrust(p policy.Policy, log zerolog.Logger) (*trust.Trust, error) {
	return trust.Open(trust.Files{Section: "tls", CAFile: p.TLS.CAFile, CertFile: p.TLS.CertFile, KeyFile: p.TLS.KeyFile, Log: log})
}

// listening is the TLS of a listener, nil if it has none. section is its name in the policy.
func listening(section string, t policy.TLS, log zerolog.Logger) (*tls.Config, error) {
	if t.CertFile == "" {
		return nil, nil
	}
	return trust.Listening(trust.Files{Section: section, CAFile: t.ClientCAFile, CertFile: t.CertFile, KeyFile: t.KeyFile, Log: log})
}

// outgoing is a client for one purpose: its connections are its own.
func outgoing(to *trust.Trust) *http.Client {
	return &http.Client{Transport: trust.Hinting(to.Transport())}
}

// probeClient keeps as many connections to one host as a look needs at once: the library keeps two, and dials the others anew each time.
func probeClient(to *trust.Trust) *http.Client {
	t := to.Transport()
	t.MaxIdleConnsPerHost = 16
	return &http.Client{Transport: trust.Hinting(t)}
}

// direct is a transport over no proxy of the environment: for what belongs to an application of ours.
func direct(to *trust.Trust) http.RoundTripper {
	t := to.Transport()
	t.Proxy = nil
	return trust.Hinting(t)
}
