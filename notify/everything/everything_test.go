package everything_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/notify"
	"github.com/firebreak-sre/firebreak/notify/everything"
	"github.com/firebreak-sre/firebreak/policy"
)

const patience = 30 * time.Second

// service takes a text by POST, as generic webhooks do, and answers what it is told to.
type service struct {
	*httptest.Server
	mu      sync.Mutex
	answers []int
	texts   []string
	came    chan struct{}
}

func newService(t *testing.T, answers ...int) *service {
	t.Helper()
	s := &service{answers: answers, came: make(chan struct{}, 100)}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	status := http.StatusOK
	if len(s.answers) > 0 {
		status, s.answers = s.answers[0], s.answers[1:]
	}
	if err == nil && status == http.StatusOK {
		s.texts = append(s.texts, string(text))
	}
	w.WriteHeader(status)
	s.came <- struct{}{}
}

func (s *service) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.texts...)
}

// poster sends to a service whose address holds a token, and is careless with it in its errors.
type poster struct{ url string }

type refusal struct{ error }

func (refusal) Permanent() bool { return true }

func (p poster) Send(ctx context.Context, text string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, strings.NewReader(text))
	if err != nil {
		return err
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("post to %s: %w", p.url, err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusOK:
		return nil
	case resp.StatusCode == http.StatusBadRequest:
		return refusal{fmt.Errorf("%s does not take it", p.url)}
	}
	return fmt.Errorf("%s answered %s to %s", req.URL.Host, resp.Status, req.URL.RequestURI())
}

const token = "T0KEN-of-the-service"

func newSink(t *testing.T, s *service, change ...func(*everything.Config)) *everything.Sink {
	t.Helper()
	c := everything.Config{Name: "chat", URL: policy.Secret(s.URL + "/hook/" + token + "?key=hush%2Dhush"), Console: "https://firebreak.example.com/incidents/{incident}"}
	for _, f := range change {
		f(&c)
	}
	sink, err := everything.New(c, poster{c.URL.Reveal()})
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

func outcome(words string) notify.Outcome {
	return notify.Outcome{ID: "x-1-0", Incident: incidents.NewID("retrystorm", "checkout→payments", 1), Kind: incidents.Escalated, At: time.Now(),
		Handler: "retrystorm", Target: "checkout→payments", Alert: "RetryStorm", Words: words}
}

// Each event becomes one message, in order, and again after a fault. Nothing secret is in the log.
func TestTold(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	var logged lockedBuffer
	b, err := bus.Open(ctx, bus.Config{Dir: t.TempDir(), Log: zerolog.New(&logged)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	s := newService(t, http.StatusServiceUnavailable, http.StatusOK, http.StatusBadRequest)
	teller := notify.NewTeller(b, newSink(t, s), nil, notify.NewMetrics(prometheus.NewRegistry()), zerolog.New(&logged))
	run, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- teller.Run(run) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	st, id, at := incidents.Fold(nil), incidents.NewID("retrystorm", "checkout", 1), time.Now().UTC() // what is old is not tried again
	for _, e := range []incidents.Event{
		{Kind: incidents.Opened, Opening: &incidents.Opening{ID: id, Handler: "retrystorm", Target: "checkout",
			Alert: alerts.Alert{Fingerprint: "0123456789abcdef", Status: alerts.Firing, Labels: map[string]string{"alertname": "RetryStorm"}}}},
		{Kind: incidents.Escalated, Note: "the service will not take this"},
		{Kind: incidents.Closed, Closing: &incidents.Closing{Outcome: incidents.OutcomeFalsePositive, Words: "nothing to see"}},
	} {
		e.V, e.At = incidents.Version, at
		if err := incidents.NewStore(b).Append(ctx, st, e); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		select {
		case <-s.came:
		case <-ctx.Done():
			t.Fatalf("got %q", s.heard())
		}
	}
	where := "\n" + id.String() + " at " + at.Format("15:04:05Z") + "\nhttps://firebreak.example.com/incidents/" + id.String()
	want := []string{"[opened] RetryStorm on checkout\nRetryStorm fires for checkout (0123456789abcdef)" + where,
		"[closed: false positive] RetryStorm on checkout\nfalse_positive: nothing to see" + where}
	if got := s.heard(); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, secret := range []string{token, "hush"} {
		if strings.Contains(logged.String(), secret) {
			t.Errorf("the log holds %q:\n%s", secret, logged.String())
		}
	}
	if !strings.Contains(logged.String(), "503 Service Unavailable") || !strings.Contains(logged.String(), "does not take it") {
		t.Errorf("the log does not say what went wrong:\n%s", logged.String())
	}
}

// lockedBuffer is a log of several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A fault is tried again while the event is young, and given up when it is old; what the service refuses is given up at once.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		age       time.Duration
		answer    int
		permanent bool
	}{{0, 503, false}, {6*time.Hour - time.Minute, 429, false}, {6*time.Hour + time.Minute, 503, true}, {0, 400, true}} {
		s := newService(t, c.answer)
		o := outcome("look")
		o.At = o.At.Add(-c.age)
		err := newSink(t, s).Send(t.Context(), o)
		if err == nil || errors.Is(err, notify.ErrPermanent) != c.permanent || strings.Contains(err.Error(), token) {
			t.Errorf("%+v: got %v", c, err)
		}
		if err := newSink(t, s).Send(t.Context(), o); err != nil || len(s.heard()) != 1 {
			t.Errorf("%+v: got %v, want that an old event is tried once", c, err)
		}
	}
}

// silent is a service that never answers.
type silent struct{}

func (silent) Send(ctx context.Context, _ string) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// A service that never answers does not hold anybody for ever.
func TestTimeout(t *testing.T) {
	t.Parallel()
	s, err := everything.New(everything.Config{Name: "chat", Timeout: 10 * time.Millisecond}, silent{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), outcome("look")); err == nil || errors.Is(err, notify.ErrPermanent) {
		t.Errorf("got %v, want that it is tried again", err)
	}
}

// A configuration that cannot work is refused, and none shows its address.
func TestConfig(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]everything.Config{
		"is no name":            {Name: "a b"},
		"says nothing":          {Name: "a", MaxRunes: 20},
		"below zero":            {Name: "a", Timeout: -1},
		"the console's address": {Name: "a", Console: "firebreak/{incident}"},
	} {
		if _, err := everything.New(c, silent{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	if _, err := everything.New(everything.Config{Name: "a"}, nil); err == nil {
		t.Error("it is made without a sender")
	}
	c := everything.Config{Name: "a", URL: token}
	if s := fmt.Sprintf("%v %+v %#v", c, c, &c); strings.Contains(s, token) {
		t.Errorf("it prints its address: %s", s)
	}
	s, err := everything.New(c, silent{})
	if err != nil || s.Name() != "text_a" {
		t.Errorf("got %v, %v", s, err)
	}
}
