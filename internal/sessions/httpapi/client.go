package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/policy"
)

const (
	// MaxAnswer bounds an answer, in bytes: a full page of sessions with long names.
	MaxAnswer = 4 << 20
	// maxDetail is how much of an answer that says no is told to people.
	maxDetail = 200

	defaultTimeout = 15 * time.Second
)

// ErrRedirect is an answer that points elsewhere. It is not followed.
var ErrRedirect = errors.New("the endpoint redirects, and is not followed")

// Config is where an application's endpoint is.
type Config struct {
	// URL is http:// or https://, a host and maybe a path before the contract's own. No user, query or fragment.
	URL string
	// Bearer is sent as the token of every request. Empty: none is.
	Bearer policy.Secret
	// Timeout is how long one request may take, default 15s: longer than a store may wait for replicas.
	Timeout time.Duration
	// Transport is how it is reached, default the standard library's without a proxy of the environment.
	Transport http.RoundTripper
}

// Client is a store behind HTTP. Its methods may be called from any goroutine.
type Client struct {
	base   *url.URL
	bearer policy.Secret
	http   *http.Client
}

var _ sessions.Store = (*Client)(nil)

// New checks the address. It connects to nothing.
func New(c Config) (*Client, error) {
	base, err := url.Parse(c.URL)
	if err != nil {
		return nil, errors.New("read the endpoint's address: it is no URL") // the error would quote a password in it
	}
	if (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("read the endpoint's address %q: it takes http or https, a host and maybe a path", base.Redacted())
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Transport == nil {
		plain := http.DefaultTransport.(*http.Transport).Clone()
		plain.Proxy = nil
		c.Transport = plain
	}
	return &Client{base: base, bearer: c.Bearer, http: &http.Client{
		Transport: c.Transport, Timeout: c.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Format prints the address, whatever the verb: fmt would print the token of a field that it cannot ask.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.base.Redacted()) }

// Request is one call.
type Request struct {
	Method, Path string
	Query        url.Values
	// Action is the order's, for a POST.
	Action string
	// Body is written as JSON; nil: there is none.
	Body any
}

// Do makes a call and reads its answer into out, which is nil where there is none (204).
func (c *Client) Do(ctx context.Context, r Request, out any) error {
	return c.bearer.HiddenIn(c.do(ctx, r, out)) // the endpoint may say back what it hears
}

func (c *Client) do(ctx context.Context, r Request, out any) error {
	request, err := c.request(ctx, r)
	if err != nil {
		return err
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, MaxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: read the answer: %w", r.Method, r.Path, err)
	case len(text) > MaxAnswer:
		return fmt.Errorf("%s %s: the answer is longer than %d bytes", r.Method, r.Path, MaxAnswer)
	}
	if answer.StatusCode != http.StatusOK {
		text = []byte(c.bearer.Hidden(string(text))) // before it is cut
	}
	if err := judge(answer, text, out); err != nil {
		return fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, r Request) (*http.Request, error) {
	var body io.Reader
	if r.Body != nil {
		text, err := json.Marshal(r.Body)
		if err != nil {
			return nil, fmt.Errorf("write the order: %w", err)
		}
		body = bytes.NewReader(text)
	}
	// The path is escaped already where that matters.
	target := strings.TrimSuffix(c.base.String(), "/") + r.Path
	if len(r.Query) > 0 {
		target += "?" + r.Query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, target, body)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	// Without this, Go sends a request with an Idempotency-Key again by itself when a connection dies under it.
	request.GetBody = nil
	request.Header.Set("Accept", "application/json")
	if r.Body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if r.Action != "" {
		request.Header.Set(HeaderAction, r.Action)
	}
	if c.bearer != "" {
		request.Header.Set("Authorization", "Bearer "+c.bearer.Reveal())
	}
	return request, nil
}

// judge reads an answer by its status.
func judge(answer *http.Response, text []byte, out any) error {
	status := answer.StatusCode
	switch {
	case status == http.StatusNoContent && out == nil:
		return nil
	case status >= 300 && status < 400:
		return fmt.Errorf("%w: %s", ErrRedirect, answer.Status)
	case status != http.StatusOK || out == nil:
		return refusal(answer, text)
	case !isJSON(answer.Header.Get("Content-Type")):
		return fmt.Errorf("the answer is %q, not JSON", answer.Header.Get("Content-Type"))
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// refusal is the contract's refusal if the answer is one, with the right status; otherwise it only says what came.
func refusal(answer *http.Response, text []byte) error {
	var said Refused
	if isJSON(answer.Header.Get("Content-Type")) && json.Unmarshal(text, &said) == nil && said.Code != "" {
		if known := sessions.Refusal(said.Code); known != nil && Status(said.Code) == answer.StatusCode {
			return fmt.Errorf("%w (the endpoint says %q)", known, short(said.Detail))
		}
	}
	return fmt.Errorf("the endpoint answers %s: %q", answer.Status, short(string(text)))
}

func short(text string) string { return text[:min(len(text), maxDetail)] }
