package pagerduty

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakepagerduty"
	"github.com/firebreak-sre/firebreak/notify"
	"github.com/firebreak-sre/firebreak/policy"
)

// After a 429 nothing is sent until the time is over that it names, or half a minute where it names none.
func TestTooMany(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ says, rest time.Duration }{{0, silentRest}, {45 * time.Second, 45 * time.Second}, {24 * time.Hour, longestRest}} {
		w := newWorld(t)
		s, r := w.sink(), w.open(1)
		r.write(event(incidents.Escalated, "look"))
		w.pd.Break("", fakepagerduty.Fault{Kind: fakepagerduty.TooMany, RetryAfter: c.says, Times: 1})
		var bad *Error
		if err := s.Send(w.ctx(), r.outcome()); !errors.As(err, &bad) || bad.RetryAfter != c.rest || errors.Is(err, notify.ErrPermanent) ||
			!strings.Contains(err.Error(), "Requests are arriving too quickly") {
			t.Errorf("got %v, want to wait %s", err, c.rest)
		}
		w.clock.pass(c.rest - waitAtMost - time.Second)
		var busy *busyError
		if err := s.Send(w.ctx(), r.outcome()); !errors.As(err, &busy) || errors.Is(err, notify.ErrPermanent) {
			t.Errorf("got %v, want that it is not our turn", err)
		}
		if n := len(w.pd.Calls()); n != 1 {
			t.Errorf("%d calls, want none while we rest", n)
		}
		w.clock.pass(waitAtMost + time.Second)
		if err := s.Send(w.ctx(), r.outcome()); err != nil || w.pd.Accepted(fakepagerduty.Trigger) != 1 {
			t.Errorf("got %v, want it taken", err)
		}
	}
}

// In any minute we send less than PagerDuty takes, however much there is to tell.
func TestPace(t *testing.T) {
	t.Parallel()
	clock := &clockwork{t: at(0)}
	p := &pace{now: clock.now}
	var sent []time.Time
	for len(sent) < 500 {
		d, _ := p.take()
		if d > waitAtMost {
			clock.pass(d)
			continue
		}
		sent = append(sent, clock.now().Add(max(d, 0)))
	}
	for i, from := range sent {
		n := 0
		for _, other := range sent[i:] {
			if other.Sub(from) < time.Minute {
				n++
			}
		}
		if n > 110 {
			t.Fatalf("%d events in a minute, from %s on", n, from)
		}
	}
	if whole := sent[len(sent)-1].Sub(sent[0]); whole > 5*time.Minute {
		t.Errorf("500 events take %s: it is slower than it has to be", whole)
	}
}

// What waits for its turn ends when it is told to stop.
func TestPaceStops(t *testing.T) {
	t.Parallel()
	p := &pace{now: func() time.Time { return at(0) }}
	p.rest(waitAtMost)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// An answer is judged by whether it is about the event, and PagerDuty's words are kept without the key.
func TestJudge(t *testing.T) {
	t.Parallel()
	const key = fakepagerduty.DefaultKey
	for _, c := range []struct {
		status    int
		body      string
		permanent bool
		words     string
	}{
		{400, `{"status":"invalid event","message":"Event object is invalid","errors":["Length of 'routing_key' is incorrect","` + key + `"]}`, true,
			"Event object is invalid: Length of 'routing_key' is incorrect; [redacted]"},
		{400, `<html>`, true, "400 Bad Request"}, {413, ``, true, "413"}, {422, `{}`, true, "422"}, {302, ``, false, "redirects"}, {401, ``, false, "on the way"},
		{403, ``, false, "on the way"}, {404, ``, false, "on the way"}, {408, ``, false, "408"}, {429, `[]`, false, "try again after 30s"}, {500, `{}`, false, "500"}, {503, `{}`, false, "503"},
	} {
		err := judge(c.status, http.Header{}, []byte(c.body), at(0), key)
		var e *Error
		if !errors.As(err, &e) || e.Permanent != c.permanent || e.Status != c.status || !strings.Contains(err.Error(), c.words) || strings.Contains(err.Error(), key) {
			t.Errorf("%d %s: got %+v, want %+v", c.status, c.body, e, c)
		}
	}
	for _, status := range []int{200, 202, 204} {
		if err := judge(status, http.Header{}, []byte(`{"st`), at(0), key); err != nil {
			t.Errorf("%d: got %v, want that it was taken", status, err)
		}
	}
	for header, want := range map[string]time.Duration{"": silentRest, "x": silentRest, "-1": silentRest, "0": time.Second, "7": 7 * time.Second,
		"99999999": longestRest, at(90).Format(http.TimeFormat): 90 * time.Second, at(-9).Format(http.TimeFormat): time.Second} {
		if got := retryAfter(header, at(0)); got != want {
			t.Errorf("Retry-After %q is %s, want %s", header, got, want)
		}
	}
}

// A key that PagerDuty does not know is refused with its own words, once and for good.
func TestUnknownKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const other = "11111111111111111111111111111111"
	r := w.open(1)
	r.write(event(incidents.Escalated, "look"))
	err := w.sink(func(c *Config) { c.RoutingKey = other }).Send(w.ctx(), r.outcome())
	if !errors.Is(err, notify.ErrPermanent) || !strings.Contains(err.Error(), "Invalid routing key") || strings.Contains(err.Error(), other) {
		t.Errorf("got %v, want PagerDuty's words without the key", err)
	}
}

// elsewhere sends what is meant for one host to another, and remembers it.
type elsewhere struct {
	to   string
	seen []string
}

func (e *elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	e.seen = append(e.seen, r.URL.String())
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "http", strings.TrimPrefix(e.to, "http://")
	return http.DefaultTransport.RoundTrip(r)
}

// Accounts in Europe have an address of their own, for events and for changes.
func TestEurope(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	way := &elsewhere{to: w.pd.URL()}
	s, err := New(Config{RoutingKey: fakepagerduty.DefaultKey, URL: EUURL + "/"}, w.store, missing, &http.Client{Transport: way})
	if err != nil {
		t.Fatal(err)
	}
	r := w.open(1)
	for _, e := range []incidents.Event{event(incidents.Escalated, "look"), event(incidents.Applied, "")} {
		r.write(e)
		if err := s.Send(w.ctx(), r.outcome()); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"https://events.eu.pagerduty.com/v2/enqueue", "https://events.eu.pagerduty.com/v2/change/enqueue"}
	if fmt.Sprint(way.seen) != fmt.Sprint(want) || len(w.pd.Open()) != 1 || len(w.pd.Changes()) != 1 {
		t.Errorf("got %v, want %v", way.seen, want)
	}
}

// The key goes nowhere but to the address of the policy: a redirect is not followed.
func TestRedirect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	away := httptest.NewServer(http.RedirectHandler(w.pd.URL()+fakepagerduty.Enqueue, http.StatusTemporaryRedirect))
	t.Cleanup(away.Close)
	r := w.open(1)
	r.write(event(incidents.Escalated, "look"))
	err := w.sink(func(c *Config) { c.URL = away.URL }).Send(w.ctx(), r.outcome())
	if err == nil || errors.Is(err, notify.ErrPermanent) || len(w.pd.Calls()) != 0 {
		t.Errorf("got %v after %d calls, want that it waits for somebody to mend the address", err, len(w.pd.Calls()))
	}
}

// Change events are left out where they were not asked for, and where the key takes none.
func TestNoChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.open(1)
	r.write(event(incidents.Applied, ""))
	for _, f := range []func(*Config){func(c *Config) { c.NoChanges = true }, func(c *Config) { c.RoutingKey = policy.Secret("R" + fakepagerduty.DefaultKey[1:]) }} {
		if err := w.sink(f).Send(w.ctx(), r.outcome()); err != nil || len(w.pd.Calls()) != 0 {
			t.Errorf("got %v after %d calls, want nothing sent", err, len(w.pd.Calls()))
		}
	}
}

// unreadable is a record that cannot be read.
type unreadable struct{ err error }

func (u unreadable) Events(context.Context, incidents.ID) ([]incidents.Event, error) {
	return nil, u.err
}

// A record that is damaged or gone keeps nobody from being called, and leaves nothing open. One that cannot be read now is read again.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	for _, why := range []error{incidents.ErrDamaged, bus.ErrNotFound, errors.New("the bus is away")} {
		w := newWorld(t)
		s, r := w.sink(), w.open(1)
		s.record = unreadable{why}
		lasting := !strings.Contains(why.Error(), "away")
		for _, e := range []incidents.Event{event(incidents.Escalated, "look"), byPerson(incidents.Acked), closing(incidents.OutcomePaged)} {
			r.write(e)
			if err := s.Send(w.ctx(), r.outcome()); (err == nil) != lasting || errors.Is(err, notify.ErrPermanent) {
				t.Errorf("%v, %s: got %v", why, e.Kind, err)
			}
		}
		status, n := w.status(r.id)
		if lasting && (status != fakepagerduty.Resolved || n != 1 || w.pd.Accepted(fakepagerduty.Acknowledge) != 1) || !lasting && len(w.pd.Calls()) != 0 {
			t.Errorf("%v: %d incidents, %s", why, n, status)
		}
	}
}
