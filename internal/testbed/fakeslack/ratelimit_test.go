package fakeslack_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
)

// clock is one that goes only when told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// A channel takes a burst, then one message a second; another channel is not concerned.
func TestChannelRate(t *testing.T) {
	t.Parallel()
	clock := &clock{now: time.Unix(1_700_000_000, 0)}
	s, api := start(t, fakeslack.Config{Workspace: workspace(), Now: clock.Now})
	ctx := soon(t)
	for range 3 {
		mustPost(t, api, slack.MsgOptionText("x", false))
	}
	_, _, err := api.PostMessageContext(ctx, ops, slack.MsgOptionText("x", false))
	if e, ok := errors.AsType[*slack.RateLimitedError](err); !ok || e.RetryAfter != time.Second {
		t.Errorf("the fourth: %v", err)
	}
	if _, _, err := api.PostMessageContext(ctx, "C0PUBLIC", slack.MsgOptionText("x", false)); err != nil {
		t.Errorf("another channel: %v", err)
	}
	clock.Add(time.Second)
	mustPost(t, api, slack.MsgOptionText("x", false))
	if _, _, err = api.PostMessageContext(ctx, ops, slack.MsgOptionText("x", false)); err == nil {
		t.Error("two a second were taken")
	}
	if s.Posts() != 5 {
		t.Errorf("%d posts", s.Posts())
	}
}

// Each method takes as many calls a minute as its tier.
func TestTiers(t *testing.T) {
	t.Parallel()
	for method, most := range map[string]int{
		"chat.update": 50, "usergroups.users.list": 20, "conversations.history": 50, "users.info": 100, "apps.connections.open": 10,
	} {
		clock := &clock{now: time.Unix(1_700_000_000, 0)}
		s, _ := start(t, fakeslack.Config{Workspace: workspace(), Now: clock.Now})
		bearer := s.App().BotToken
		if method == "apps.connections.open" {
			bearer = s.App().AppToken
		}
		body := fmt.Sprintf(`{"channel":%q,"user":%q,"usergroup":"S0SRE"}`, ops, alice)
		send := func() reply { return post(t, s.APIURL()+method, "application/json", bearer, body) }
		for i := range most {
			if got := send(); got.Error == "ratelimited" {
				t.Fatalf("%s: limited at call %d", method, i+1)
			}
		}
		if got := send(); got.Error != "ratelimited" {
			t.Errorf("%s: call %d got %q", method, most+1, got.Error)
		}
		clock.Add(time.Minute)
		if got := send(); got.Error == "ratelimited" {
			t.Errorf("%s: limited a minute later", method)
		}
	}
}
