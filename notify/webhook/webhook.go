// Package webhook tells any service that takes HTTP what happened, signed after Standard Webhooks.
//
// Each message is one POST with three headers:
//
//	webhook-id         the same for every try of one message: receivers use it to drop what they had already
//	webhook-timestamp  when this try was made, in seconds since 1970
//	webhook-signature  "v1," and base64 of HMAC-SHA256(secret, "<id>.<timestamp>.<body>")
//
// A message may arrive more than once. It is not retried here: [Error] says whether and when trying again makes sense.
// Receivers check what they got with [Verify], and need nothing else of this project for that.
package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// DefaultTimeout bounds one try.
	DefaultTimeout = 10 * time.Second
	// maxAnswer bounds what is read of an answer, so that its connection can be used again.
	maxAnswer = 64 << 10
	// maxRetryAfter bounds what a receiver may ask us to wait.
	maxRetryAfter = 24 * time.Hour
)

// Config is one receiver.
type Config struct {
	// Name is what people read in errors; the URL is never shown, since it often carries a token.
	Name string
	// URL is where messages go, http or https. A user and password in it are sent as basic auth.
	URL string
	// Secret signs, see [Verify] for its forms. It has at least 24 bytes.
	Secret []byte
	// Timeout bounds one try, from the connection to the end of the answer, default [DefaultTimeout].
	Timeout time.Duration
}

// String is the receiver's name, so that a configuration that is printed shows neither its URL nor its secret.
func (c Config) String() string { return "webhook " + c.Name }

// GoString is String, for %#v.
func (c Config) GoString() string { return c.String() }

// Sender sends messages to one receiver. It is safe for concurrent use.
type Sender struct {
	name      string
	url       *url.URL
	key       []byte
	timeout   time.Duration
	transport http.RoundTripper
}

// Error says why a message did not arrive, or may not have. It never holds the URL, nor anything of the answer's body:
// many servers repeat the path of the request there.
type Error struct {
	// Webhook is the name of the receiver.
	Webhook string
	// Status is the HTTP status of the answer, 0 if there was none.
	Status int
	// Permanent says that trying the same message again will not help: a 4xx except 408 and 429, or a redirect.
	Permanent bool
	// RetryAfter is how long the receiver asked us to wait, 0 if it did not.
	RetryAfter time.Duration
	// Cause is what went wrong where there was no answer, or what to do about it.
	Cause error
}

// Error says what happened in one line.
func (e *Error) Error() string {
	s := "send to webhook " + e.Webhook
	if e.Status != 0 {
		s += ": answered " + strings.TrimSpace(strconv.Itoa(e.Status)+" "+http.StatusText(e.Status))
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	if e.RetryAfter > 0 {
		s += " (try again after " + e.RetryAfter.String() + ")"
	}
	return s
}

// Unwrap is the cause, e.g. context.DeadlineExceeded after a timeout.
func (e *Error) Unwrap() error { return e.Cause }

// New checks the configuration. Of the client only its transport is used: redirects are never followed, cookies never kept,
// and the timeout is the configuration's. With a nil client, or one without a transport, it is http.DefaultTransport.
func New(c Config, client *http.Client) (*Sender, error) {
	if c.Name == "" {
		return nil, errors.New("configure webhook: it has no name")
	}
	// The parser's own error repeats the URL, so it is not passed on.
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("configure webhook %s: its url is not an absolute http or https address", c.Name)
	}
	key, err := signingKey(c.Secret)
	if err != nil {
		return nil, fmt.Errorf("configure webhook %s: %w", c.Name, err)
	}
	s := &Sender{name: c.Name, url: u, key: key, timeout: c.Timeout, transport: http.DefaultTransport}
	if s.timeout <= 0 {
		s.timeout = DefaultTimeout
	}
	if client != nil && client.Transport != nil {
		s.transport = client.Transport
	}
	return s, nil
}

// Name is the receiver's name.
func (s *Sender) Name() string { return s.name }

// String is the receiver's name, so that a sender that is printed shows neither its URL nor its secret.
func (s *Sender) String() string { return "webhook " + s.name }

// GoString is String, for %#v.
func (s *Sender) GoString() string { return s.String() }

// Send tries once to deliver a JSON message. The id is the same for every try of one message, at is the time of this try. An
// id is printable ASCII without blanks, and without dots, as the specification asks: any other is a permanent error.
// An error is always an [*Error]; unless it is permanent, the message may have arrived nevertheless.
func (s *Sender) Send(ctx context.Context, id string, at time.Time, payload []byte) error {
	if !validID(id) {
		return &Error{Webhook: s.name, Permanent: true, Cause: fmt.Errorf("check id %q: want printable ASCII without a dot or a blank", id)}
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	req, err := s.request(ctx, id, at, payload)
	if err != nil {
		return &Error{Webhook: s.name, Permanent: true, Cause: withoutURL(err)}
	}
	// The transport follows no redirects. A client would have to be told not to, and would parse their address first.
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		return &Error{Webhook: s.name, Cause: withoutURL(err)}
	}
	defer resp.Body.Close()
	// What counts is the status. The rest is read for the connection's sake, and an error there changes nothing.
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	return s.judge(resp, at)
}

func (s *Sender) request(ctx context.Context, id string, at time.Time, payload []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url.String(), bytes.NewReader(payload))
	if err != nil {
		return nil, err
	}
	timestamp := strconv.FormatInt(at.Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Firebreak")
	req.Header.Set(headerID, id)
	req.Header.Set(headerTimestamp, timestamp)
	req.Header.Set(headerSignature, version+base64Of(mac(s.key, id, timestamp, payload)))
	if user := s.url.User; user != nil {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	return req, nil
}

// judge turns a status into nothing, a permanent error, or one to try again.
func (s *Sender) judge(resp *http.Response, at time.Time) error {
	e := &Error{Webhook: s.name, Status: resp.StatusCode}
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout:
	case resp.StatusCode/100 == 3:
		e.Permanent = true
		e.Cause = errors.New("redirects are not followed: put the final address into the policy")
	case resp.StatusCode/100 == 4:
		e.Permanent = true
	}
	if !e.Permanent {
		e.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), at)
	}
	return e
}

// retryAfter reads a Retry-After header, which holds seconds or a date. What cannot be read is nothing asked.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	date, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(date.Sub(now), 0), maxRetryAfter)
}

// withoutURL drops the URL that net/url and net/http put into their errors.
func withoutURL(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return fmt.Errorf("%s [redacted]: %w", ue.Op, withoutURL(ue.Err))
	}
	return err
}

// validID says whether an id can be sent in a header and be signed without doubt: a dot ends it in what is signed.
func validID(id string) bool {
	if id == "" || len(id) > 256 {
		return false
	}
	for _, r := range id {
		if r <= ' ' || r > '~' || r == '.' {
			return false
		}
	}
	return true
}
