// Package alerts says what Alertmanager says: it decodes webhook bodies (version 4), gives every alert an
// identity, and reads the live state back over Alertmanager's API v2.
//
// It is a leaf: it imports nothing of this project. Everything in an alert is text that strangers wrote.
package alerts

import (
	"time"
)

// Status is the state of one alert. The status of a whole webhook body is never used: Alertmanager
// computes it over a possibly truncated list, so it can say "resolved" while alerts still fire.
type Status string

// The two states that Alertmanager sends.
const (
	Firing   Status = "firing"
	Resolved Status = "resolved"
)

// Alert is one alert as Alertmanager delivered it, with what its delivery said about it.
type Alert struct {
	// Fingerprint is Alertmanager's own hash of the labels, 16 hex digits. It is the identity of the
	// alert over time; StartsAt is not (two Prometheus replicas make it jump).
	Fingerprint string            `json:"fingerprint"`
	Status      Status            `json:"status"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations,omitempty"`
	StartsAt    time.Time         `json:"startsAt"`
	// EndsAt is zero while the alert fires.
	EndsAt       time.Time `json:"endsAt,omitzero"`
	GeneratorURL string    `json:"generatorURL,omitempty"`

	Delivery Delivery `json:"delivery,omitzero"`
}

// Delivery is what the request that brought an alert said about all of its alerts.
type Delivery struct {
	// At is when we received it, by our clock.
	At time.Time `json:"at"`
	// Source is "webhook" or "api" (a re-read of Alertmanager's API v2).
	Source string `json:"source"`
	// Receiver is the receiver's name, un-quoted (Alertmanager sends it regexp-quoted).
	Receiver string `json:"receiver,omitempty"`
	// Group is the first 12 hex digits of the SHA-256 of the group key, which is long and holds any UTF-8.
	Group string `json:"group,omitempty"`
	// ExternalURL is where people find that Alertmanager. Peers of one pair differ in it.
	ExternalURL string `json:"externalURL,omitempty"`
	// Reason is notification_reason (Alertmanager 0.32 and newer), for people only.
	Reason string `json:"reason,omitempty"`
	// Truncated counts the alerts of the group that max_alerts left out.
	Truncated uint64 `json:"truncated,omitempty"`
	// TraceParent is the W3C trace context of the delivery, if it had one.
	TraceParent string `json:"traceparent,omitempty"`
	// TraceState is what others keep beside it, as they wrote it, at most 512 bytes.
	TraceState string `json:"tracestate,omitempty"`
}

// Name is the alert's alertname label, or "" if it has none.
func (a Alert) Name() string { return a.Labels["alertname"] }
