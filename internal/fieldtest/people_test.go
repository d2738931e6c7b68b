package fieldtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/internal/testbed/fakepagerduty"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
)

// channel is where Slack is told.
const channel = "C0INCIDENTS"

// people are those who are told.
type people struct {
	slack *fakeslack.Server
	pager *fakepagerduty.Server
}

func startPeople(t *testing.T) *people {
	t.Helper()
	slack, err := fakeslack.New(fakeslack.Config{Workspace: fakeslack.Workspace{
		Users:    []fakeslack.User{{ID: "U0ALICE", Name: "alice"}},
		Channels: []fakeslack.Channel{{ID: channel, Name: "incidents", Member: true}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = slack.Close() })
	pager, err := fakepagerduty.New(fakepagerduty.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pager.Close() })
	return &people{slack: slack, pager: pager}
}

// policy is what an operator writes about them.
func (p *people) policy() string {
	return fmt.Sprintf("outcomes:\n  slack: {bot_token: %q, channel: %s, api_url: %q}\n  pagerduty: {routing_key: %q, url: %q}\n",
		p.slack.App().BotToken, channel, p.slack.APIURL(), fakepagerduty.DefaultKey, p.pager.URL())
}

// heard is how much they have heard.
type heard struct {
	messages           int // in the channel itself, one for each incident
	changes            int // at PagerDuty
	pages, over        int // incidents there, and those of them that are resolved
	triggers, resolves int // events that opened or repeated one, and events that closed one
}

func (p *people) heard() heard {
	h := heard{messages: len(p.tops()), changes: len(p.pager.Changes())}
	for _, e := range p.pager.Events() {
		switch e.Action {
		case fakepagerduty.Trigger:
			h.triggers++
		case fakepagerduty.Resolve:
			h.resolves++
		}
	}
	for _, i := range p.pager.Incidents("") {
		h.pages++
		if i.Status == fakepagerduty.Resolved {
			h.over++
		}
	}
	return h
}

// more is what they have heard since then.
func (h heard) more(then heard) heard {
	return heard{h.messages - then.messages, h.changes - then.changes, h.pages - then.pages, h.over - then.over,
		h.triggers - then.triggers, h.resolves - then.resolves}
}

// tops are the messages of incidents: those that answer no other.
func (p *people) tops() []fakeslack.Message {
	var tops []fakeslack.Message
	for _, m := range p.slack.Messages(channel) {
		if m.ThreadTS == "" {
			tops = append(tops, m)
		}
	}
	return tops
}

// last is what the newest of them says now, in one line; "" if there is none.
func (p *people) last() string {
	tops := p.tops()
	if len(tops) == 0 {
		return ""
	}
	return strings.Join(strings.Fields(tops[len(tops)-1].Latest().Text), " ")
}
