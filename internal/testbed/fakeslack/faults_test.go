package fakeslack_test

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
)

const postMessage = "chat.postMessage"

// status is whether an error is an HTTP status, saying whether it is one of Slack's codes, or "ok".
func status(want int) func(error) bool {
	return func(err error) bool {
		e, ok := errors.AsType[slack.StatusCodeError](err)
		return ok && e.Code == want
	}
}

func saying(want string) func(error) bool { return func(err error) bool { return code(err) == want } }

// Each fault looks to the client as it should, and carries the request out or not.
func TestFaults(t *testing.T) {
	t.Parallel()
	broken := func(err error) bool { return err != nil && !errors.Is(err, context.DeadlineExceeded) }
	silent := func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }
	const short = 500 * time.Millisecond
	cases := map[string]struct {
		fault  fakeslack.Fault
		kept   int
		looks  func(error) bool
		within time.Duration
	}{
		"429 with a time": {fault: fakeslack.Fault{Kind: fakeslack.TooMany, RetryAfter: 1500 * time.Millisecond}, looks: func(err error) bool {
			e, ok := errors.AsType[*slack.RateLimitedError](err)
			return ok && e.RetryAfter == 2*time.Second
		}},
		"429 without":    {fault: fakeslack.Fault{Kind: fakeslack.TooMany}, looks: status(http.StatusTooManyRequests)},
		"5xx":            {fault: fakeslack.Fault{Kind: fakeslack.ServerError}, looks: status(http.StatusServiceUnavailable)},
		"500":            {fault: fakeslack.Fault{Kind: fakeslack.ServerError, Status: 500}, looks: status(http.StatusInternalServerError)},
		"refused":        {fault: fakeslack.Fault{Kind: fakeslack.Refuse, Code: "fatal_error"}, looks: saying("fatal_error")},
		"cut before":     {fault: fakeslack.Fault{Kind: fakeslack.CutBefore}, looks: broken},
		"hung before":    {fault: fakeslack.Fault{Kind: fakeslack.HangBefore}, looks: silent, within: short},
		"cut after":      {fault: fakeslack.Fault{Kind: fakeslack.AcceptThenCut}, kept: 1, looks: broken},
		"hung after":     {fault: fakeslack.Fault{Kind: fakeslack.AcceptThenHang}, kept: 1, looks: silent, within: short},
		"504 after":      {fault: fakeslack.Fault{Kind: fakeslack.AcceptThenFail}, kept: 1, looks: status(http.StatusGatewayTimeout)},
		"half an answer": {fault: fakeslack.Fault{Kind: fakeslack.Malformed}, kept: 1, looks: broken},
		"slow":           {fault: fakeslack.Fault{Kind: fakeslack.Slow, Delay: 20 * time.Millisecond}, kept: 1, looks: saying("ok")},
		"too slow":       {fault: fakeslack.Fault{Kind: fakeslack.Slow, Delay: time.Hour}, kept: 1, looks: silent, within: short},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, api := start(t, quiet())
			c.fault.Times = 1
			s.Break(postMessage, c.fault)
			ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(c.within, patience))
			defer cancel()
			_, _, err := api.PostMessageContext(ctx, ops, slack.MsgOptionText("hello", false))
			if !c.looks(err) {
				t.Errorf("the client saw %v", err)
			}
			// A client that gave up may be gone before the request was looked at.
			await(t, s, "the call", func() bool { return len(s.Calls(postMessage)) == 1 })
			if got := len(s.Messages(ops)); got != c.kept || s.Posts() != c.kept {
				t.Errorf("%d messages and %d posts, want %d", got, s.Posts(), c.kept)
			}
			if got := s.Calls(postMessage)[0].Answer; got != string(c.fault.Kind) {
				t.Errorf("the call says %q", got)
			}
			if _, _, err := api.PostMessageContext(soon(t), ops, slack.MsgOptionText("again", false)); err != nil {
				t.Errorf("the next one: %v", err)
			}
		})
	}
}

// Faults come in turn, last as often as they say, and hit the method that they name.
func TestFaultsInTurn(t *testing.T) {
	t.Parallel()
	s, api := start(t, quiet())
	ctx := soon(t)
	s.Break(postMessage, fakeslack.Fault{Kind: fakeslack.Refuse, Code: "one", Times: 2})
	s.Break(postMessage, fakeslack.Fault{Kind: fakeslack.Refuse, Code: "two", Times: 1})
	s.Break("", fakeslack.Fault{Kind: fakeslack.Refuse, Code: "all"})
	for i, want := range []string{"one", "one", "two", "all", "all"} {
		if _, _, err := api.PostMessageContext(ctx, ops, slack.MsgOptionText("x", false)); code(err) != want {
			t.Errorf("call %d: %v, want %s", i, err, want)
		}
	}
	if _, err := api.AuthTestContext(ctx); code(err) != "all" {
		t.Errorf("another method: %v", err)
	}
	s.Heal()
	if _, err := api.AuthTestContext(ctx); err != nil {
		t.Errorf("healed: %v", err)
	}
}

// When Slack is down nothing gets through, for an hour of its clock, and all is there again after it.
func TestDown(t *testing.T) {
	t.Parallel()
	clock := &clock{now: time.Unix(1_700_000_000, 0)}
	c := quiet()
	c.Now = clock.Now
	s, api := start(t, c)
	before := mustPost(t, api, slack.MsgOptionText("before", false), button("approve", "x"))
	s.Down()
	for range 3 {
		clock.Add(20 * time.Minute)
		if _, _, err := api.PostMessageContext(soon(t), ops, slack.MsgOptionText("lost", false)); err == nil {
			t.Error("a message got through")
		}
	}
	if _, err := s.Press(soon(t), before, "approve", alice); !errors.Is(err, fakeslack.ErrDown) {
		t.Errorf("pressed while it was down: %v", err)
	}
	s.Heal()
	after := mustPost(t, api, slack.MsgOptionText("after", false))
	if got := s.Messages(ops); len(got) != 2 || got[0].TS != before || after[:10] != "1700003600" {
		t.Errorf("got %v", got)
	}
}

// A closed workspace lets nobody wait for ever.
func TestClose(t *testing.T) {
	t.Parallel()
	s, api := start(t, quiet())
	connect(t, s, &link{mute: true})
	s.Break(postMessage, fakeslack.Fault{Kind: fakeslack.AcceptThenHang})
	failed := make(chan error, 1)
	go func() {
		_, _, err := api.PostMessageContext(context.Background(), ops, slack.MsgOptionText("x", false))
		failed <- err
	}()
	await(t, s, "the message", func() bool { return len(s.Messages(ops)) == 1 })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-failed:
		if err == nil {
			t.Error("the answer came")
		}
	case <-time.After(patience):
		t.Error("the caller hangs")
	}
	if err := s.Wait(soon(t), func() bool { return false }); !errors.Is(err, fakeslack.ErrClosed) {
		t.Errorf("the wait ended with %v", err)
	}
	if s.Sockets() != 0 {
		t.Errorf("%d connections are open", s.Sockets())
	}
}
