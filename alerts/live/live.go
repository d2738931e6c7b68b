// Package live asks Alertmanager what is true now, over its API v2. A webhook says what changed, and not all of
// it: a lost resolve, a silence and a truncated group are seen only here.
//
// It only reads. What it returns is as fresh as the one peer that answered; the peers of a pair agree after a
// moment.
package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"time"

	"github.com/go-openapi/runtime"
	httptransport "github.com/go-openapi/runtime/client"
	"github.com/go-openapi/strfmt"
	"github.com/prometheus/alertmanager/api/v2/client"
	"github.com/prometheus/alertmanager/api/v2/client/alert"
	"github.com/prometheus/alertmanager/api/v2/client/general"
	"github.com/prometheus/alertmanager/api/v2/models"

	"github.com/firebreak-sre/firebreak/alerts"
)

const (
	// DefaultTimeout is how long one request may take if Config.Timeout is zero.
	DefaultTimeout = 5 * time.Second
	// maxAnswer is how much of one answer is read, in bytes.
	maxAnswer = 64 << 20
)

// ErrSettling means that Alertmanager has not yet heard from its peers, so that silences may be missing.
var ErrSettling = errors.New("the cluster of Alertmanager is still settling")

// Config says where an Alertmanager is and how to be let in. It prints without its secrets.
type Config struct {
	// URL is the address people use, with the route prefix if there is one: http://am:9093/prefix. User and
	// password in it are taken out and used as Username and Password if those are empty.
	URL string
	// BearerToken is sent as Authorization if it is set. It excludes a user name.
	BearerToken string
	// Username and Password are sent by basic authentication if Username is set.
	Username string
	Password string
	// Timeout bounds one request. Zero is DefaultTimeout.
	Timeout time.Duration
	// HTTPClient carries the requests, for TLS and proxies. Nil is a client of its own.
	HTTPClient *http.Client
}

// String names the host only, since the address may hold a password.
func (c Config) String() string {
	u, err := url.Parse(c.URL)
	if err != nil {
		return "Alertmanager at an unreadable address"
	}
	return "Alertmanager at " + u.Host
}

// GoString is String, so that no way of printing shows a secret.
func (c Config) GoString() string { return c.String() }

// State is what Alertmanager does with an alert.
type State string

// The states that API v2 knows.
const (
	// Active alerts notify people.
	Active State = "active"
	// Suppressed alerts are silenced, inhibited or muted.
	Suppressed State = "suppressed"
	// Unprocessed alerts have just come in.
	Unprocessed State = "unprocessed"
)

// Alert is an alert that fires now, with what Alertmanager does about it. Its Status is always Firing and its
// EndsAt zero: API v2 leaves resolved alerts out, and the end it states is an estimate of when the alert
// expires unless it is sent again. Times have milliseconds only. Delivery.At is when we asked.
type Alert struct {
	alerts.Alert

	State       State
	SilencedBy  []string
	InhibitedBy []string
	// MutedBy names time intervals; it is empty before Alertmanager 0.28.
	MutedBy []string
	// Receivers are the names of the receivers it is routed to, as the operator wrote them.
	Receivers []string
}

// Client reads one Alertmanager. It is safe for concurrent use.
type Client struct {
	api     *client.AlertmanagerAPI
	url     string // Without user and password.
	timeout time.Duration
}

// New checks the configuration and returns a client. It does not connect.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil {
		// The parser's own error quotes the address, which may hold a password.
		return nil, errors.New("parse URL of Alertmanager: not a URL")
	}
	if user := u.User; user != nil {
		if cfg.Username == "" {
			cfg.Username = user.Username()
			cfg.Password, _ = user.Password()
		}
		u.User = nil
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("parse URL of Alertmanager: scheme %q and host %q, want http://host:port", u.Scheme, u.Host)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("parse URL of Alertmanager: it must have no query and no fragment")
	case cfg.BearerToken != "" && cfg.Username != "":
		return nil, errors.New("configure Alertmanager: a bearer token and a user name exclude each other")
	case cfg.Timeout < 0:
		return nil, fmt.Errorf("configure Alertmanager: timeout %s is negative", cfg.Timeout)
	case cfg.Timeout == 0:
		cfg.Timeout = DefaultTimeout
	}
	transport := httptransport.NewWithClient(u.Host, path.Join("/", u.Path, "api/v2"), []string{u.Scheme}, bounded(cfg.HTTPClient))
	// The variables DEBUG and SWAGGER_DEBUG would print every request, with its credentials.
	transport.Debug = false
	transport.DefaultAuthentication = auth(cfg)
	return &Client{api: client.New(transport, strfmt.Default), url: u.String(), timeout: cfg.Timeout}, nil
}

// auth returns how requests are authenticated, or nil.
func auth(cfg Config) runtime.ClientAuthInfoWriter {
	switch {
	case cfg.BearerToken != "":
		return httptransport.BearerToken(cfg.BearerToken)
	case cfg.Username != "":
		return httptransport.BasicAuth(cfg.Username, cfg.Password)
	}
	return nil
}

// Alerts returns the alerts that fire now and match all matchers, such as `alertname="PoolExhausted"`; without
// matchers it returns all. Silenced and inhibited alerts are among them, with State Suppressed. An error means
// that nothing is known, never that nothing fires.
func (c *Client) Alerts(ctx context.Context, matchers []string) ([]Alert, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	at := time.Now()
	params := alert.NewGetAlertsParams().WithContext(ctx).WithTimeout(c.timeout).WithFilter(matchers)
	answer, err := c.api.Alert.GetAlerts(params)
	if err != nil {
		return nil, fmt.Errorf("list alerts of %s: %w", c.url, err)
	}
	if answer.Payload == nil {
		return nil, fmt.Errorf("list alerts of %s: the answer is not a list", c.url)
	}
	list := make([]Alert, 0, len(answer.Payload))
	for i, item := range answer.Payload {
		a, err := convert(item)
		if err != nil {
			return nil, fmt.Errorf("list alerts of %s: alert %d: %w", c.url, i, err)
		}
		a.Delivery = alerts.Delivery{At: at, Source: alerts.SourceAPI, ExternalURL: c.url}
		list = append(list, a)
	}
	return list, nil
}

// Ready returns nil if Alertmanager answers over API v2 and knows its peers' silences. While it is still
// gathering them the error is ErrSettling.
func (c *Client) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	answer, err := c.api.General.GetStatus(general.NewGetStatusParams().WithContext(ctx).WithTimeout(c.timeout))
	if err != nil {
		return fmt.Errorf("read status of %s: %w", c.url, err)
	}
	if answer.Payload == nil || answer.Payload.Cluster == nil || answer.Payload.Cluster.Status == nil {
		return fmt.Errorf("read status of %s: the answer has no cluster status", c.url)
	}
	if *answer.Payload.Cluster.Status == models.ClusterStatusStatusSettling {
		return fmt.Errorf("read status of %s: %w", c.url, ErrSettling)
	}
	return nil
}

// convert reads one alert of an answer. The generated client does not check that required fields are there.
func convert(item *models.GettableAlert) (Alert, error) {
	if item == nil || item.Fingerprint == nil || item.StartsAt == nil || item.Status == nil || item.Status.State == nil {
		return Alert{}, errors.New("fingerprint, startsAt or status is missing")
	}
	a := Alert{
		Alert: alerts.Alert{
			Fingerprint:  *item.Fingerprint,
			Status:       alerts.Firing,
			Labels:       item.Labels,
			Annotations:  item.Annotations,
			StartsAt:     time.Time(*item.StartsAt).UTC(),
			GeneratorURL: item.GeneratorURL.String(),
		},
		State:       State(*item.Status.State),
		SilencedBy:  item.Status.SilencedBy,
		InhibitedBy: item.Status.InhibitedBy,
		MutedBy:     item.Status.MutedBy,
	}
	for _, r := range item.Receivers {
		if r != nil && r.Name != nil {
			a.Receivers = append(a.Receivers, *r.Name)
		}
	}
	return a, nil
}

// bounded returns a copy of the client that reads at most maxAnswer bytes of an answer. Nil is a client with
// the default transport.
func bounded(c *http.Client) *http.Client {
	limited := http.Client{}
	if c != nil {
		limited = *c
	}
	next := limited.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	limited.Transport = limit{next}
	return &limited
}

// limit cuts an answer off, so that a strange server cannot fill the memory. JSON that is cut is an error.
type limit struct{ next http.RoundTripper }

var _ http.RoundTripper = limit{}

// RoundTrip passes the request on.
func (l limit) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := l.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(res.Body, maxAnswer), res.Body}
	return res, nil
}
