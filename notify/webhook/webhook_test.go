package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const secret = "a plain secret of many bytes"

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func newSender(t *testing.T, c Config) *Sender {
	t.Helper()
	c.Name = "ops"
	if c.Secret == nil {
		c.Secret = []byte(secret)
	}
	s, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// failure sends to a handler and gives the error that came of it.
func failure(t *testing.T, handler http.HandlerFunc) *Error {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return asError(t, newSender(t, Config{URL: server.URL}).Send(t.Context(), "msg_1", noon(), []byte("{}")))
}

func asError(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	return e
}

// What is sent can be verified by a receiver that knows the secret, in either of its forms.
func TestSendIsVerifiable(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"} {
		got := make(chan error, 1)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			user, password, _ := r.BasicAuth()
			w.WriteHeader(http.StatusAccepted)
			switch {
			case r.Method != http.MethodPost, string(body) != `{"a":1}`, r.Header.Get("Content-Type") != "application/json":
				got <- fmt.Errorf("got %s %q of type %q", r.Method, body, r.Header.Get("Content-Type"))
			case r.Header.Get("webhook-id") != "msg_1", r.Header.Get("webhook-timestamp") != "1795348800":
				got <- fmt.Errorf("got headers %v", r.Header)
			case user != "me", password != "pw":
				got <- fmt.Errorf("got user %q, password %q", user, password)
			default:
				got <- Verify(r.Header, body, []byte(secret), noon().Add(time.Minute), 0)
			}
		}))
		t.Cleanup(server.Close)
		s := newSender(t, Config{URL: strings.Replace(server.URL, "http://", "http://me:pw@", 1), Secret: []byte(secret)})
		if err := s.Send(t.Context(), "msg_1", noon(), []byte(`{"a":1}`)); err != nil {
			t.Fatal(err)
		}
		if err := <-got; err != nil {
			t.Errorf("the receiver said: %v", err)
		}
	}
}

// The caller can tell what to give up from what to try again, and when.
func TestStatusSaysWhetherToTryAgain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status    int
		header    string // Retry-After
		permanent bool
		after     time.Duration
	}{
		{status: 400, permanent: true},
		{status: 401, header: "5", permanent: true},
		{status: 404, permanent: true},
		{status: 410, permanent: true},
		{status: 422, permanent: true},
		{status: 408},
		{status: 429},
		{status: 429, header: "17", after: 17 * time.Second},
		{status: 429, header: "Sun, 22 Nov 2026 12:02:00 GMT", after: 2 * time.Minute},
		{status: 429, header: "Sun, 22 Nov 2026 11:00:00 GMT"},
		{status: 429, header: "4294967295", after: maxRetryAfter},
		{status: 429, header: "-1"},
		{status: 429, header: "soon"},
		{status: 500},
		{status: 503, header: "1", after: time.Second},
		{status: 599},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%d %s", test.status, test.header), func(t *testing.T) {
			t.Parallel()
			got := failure(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", test.header)
				w.WriteHeader(test.status)
			})
			want := Error{Webhook: "ops", Status: test.status, Permanent: test.permanent, RetryAfter: test.after}
			if *got != want {
				t.Errorf("got %+v, want %+v", *got, want)
			}
		})
	}
}

// A redirect is never followed: it would take the message, and its signature, to somewhere that nobody configured.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	for _, location := range []string{"/elsewhere", "http://example.invalid/", "://\x00", ""} {
		var visits atomic.Int32
		got := failure(t, func(w http.ResponseWriter, _ *http.Request) {
			visits.Add(1)
			w.Header()["Location"] = []string{url.PathEscape(location)}
			w.WriteHeader(http.StatusTemporaryRedirect)
		})
		if got.Status != http.StatusTemporaryRedirect || !got.Permanent || visits.Load() != 1 {
			t.Errorf("location %q: got %+v after %d visits, want a permanent 307 after one", location, *got, visits.Load())
		}
		if want := "send to webhook ops: answered 307 Temporary Redirect: redirects are not followed"; !strings.HasPrefix(got.Error(), want) {
			t.Errorf("got %q, want it to begin with %q", got, want)
		}
	}
}

// A receiver that hangs costs no more than the timeout, and the message may be tried again.
func TestTimeout(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	e := asError(t, newSender(t, Config{URL: server.URL, Timeout: 50 * time.Millisecond}).Send(t.Context(), "msg_1", noon(), nil))
	if e.Permanent || e.Status != 0 || !errors.Is(e, context.DeadlineExceeded) {
		t.Errorf("got %+v, want a passed deadline that can be tried again", *e)
	}
}

// An endless answer is not read to its end.
func TestEndlessAnswer(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer close(gone)
		for {
			if _, err := io.WriteString(w, strings.Repeat("x", 4096)); err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	if err := newSender(t, Config{URL: server.URL, Timeout: time.Minute}).Send(t.Context(), "msg_1", noon(), nil); err != nil {
		t.Error(err)
	}
	<-gone
}

// No error and no printed sender shows the URL, which often is a secret, nor the secret itself.
func TestErrorsHideTheURL(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "cannot POST "+r.URL.String(), http.StatusNotFound)
	}))
	t.Cleanup(echo.Close)

	var texts []string
	for _, base := range []string{"http://user:t0ken@" + closed, "http://user:t0ken@" + echo.Listener.Addr().String(), "http://t0ken.invalid:1"} {
		s := newSender(t, Config{URL: base + "/t0ken?key=t0ken"})
		s.transport = &http.Transport{Proxy: func(r *http.Request) (*url.URL, error) {
			if r.URL.Hostname() == "t0ken.invalid" {
				return nil, &url.Error{Op: "parse", URL: r.URL.String(), Err: errors.New("no proxy")}
			}
			return nil, nil
		}}
		err := s.Send(t.Context(), "msg_1", noon(), nil)
		for e := err; e != nil; e = errors.Unwrap(e) {
			texts = append(texts, e.Error(), fmt.Sprintf("%+v", e))
		}
		texts = append(texts, fmt.Sprintf("%v %+v %#v", s, s, s))
	}
	for _, c := range []Config{
		{Name: "ops", URL: "http://host:t0ken/", Secret: []byte(secret)},
		{Name: "ops", URL: "ftp://t0ken/", Secret: []byte(secret)},
		{Name: "ops", URL: "http://\x00t0ken/", Secret: []byte(secret)},
		{Name: "ops", URL: "t0ken", Secret: []byte(secret)},
		{Name: "ops", URL: "http://host/", Secret: []byte("t0ken")},
		{Name: "ops", URL: "http://host/", Secret: []byte("whsec_t0ken!")},
		{Name: "ops", URL: "http://host/"},
		{URL: "http://host/", Secret: []byte(secret)},
	} {
		_, err := New(c, nil)
		if err == nil {
			t.Errorf("configuration %q is accepted", c.URL)
			continue
		}
		texts = append(texts, err.Error(), fmt.Sprintf("%v %+v %#v", c, c, c))
	}
	for _, text := range texts {
		if strings.Contains(text, "t0ken") || strings.Contains(text, secret) {
			t.Errorf("this shows what it must not: %s", text)
		}
	}
}

// An id that a receiver could misread is refused before anything is sent.
func TestBadIDs(t *testing.T) {
	t.Parallel()
	s := newSender(t, Config{URL: "http://127.0.0.1:1"})
	for _, id := range []string{"", "a.b", "a b", "a\r\nX: y", "é", strings.Repeat("x", 257)} {
		if e := asError(t, s.Send(t.Context(), id, noon(), nil)); !e.Permanent || e.Status != 0 {
			t.Errorf("id %q: got %+v, want a permanent error", id, *e)
		}
	}
}
