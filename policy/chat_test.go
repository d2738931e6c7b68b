package policy_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
)

// TestChatDefaults holds what outcomes mean that say little, and that nothing is there that nobody wrote.
func TestChatDefaults(t *testing.T) {
	t.Parallel()
	p := parse(t, `
outcomes:
  slack: {bot_token: "${BOT}", signing_secret_file: token, channel: C12}
  pagerduty: {routing_key: "${KEY}"}
  messages: [{name: chat, url: "${CHAT}"}]
  console: https://${HOST}/{incident}
  escalation: {critical: [{to: [slack]}, {after: 5m, to: [chat, pagerduty]}], low: [], "": [{after: 1h, to: [slack], mention: S12}]}
`)
	file := filepath.Join("testdata", "files", "token")
	want := policy.Outcomes{
		Slack: &policy.Slack{BotToken: "xoxb-hunter2", SigningSecret: "a-token-of-twenty-four-chars", SigningSecretFile: file,
			Channel: "C12", APIURL: "https://slack.com/api/"},
		PagerDuty: &policy.PagerDuty{RoutingKey: "hunter2hunter2hunter2hunter2hunt", URL: "https://events.pagerduty.com"},
		Messages:  []policy.Message{{Name: "chat", URL: "discord://hunter2@42"}},
		Console:   "https://am.example.com/{incident}",
		Escalation: map[string][]policy.Rung{
			"critical": {{To: []string{"slack"}}, {After: policy.Duration(5 * time.Minute), To: []string{"chat", "pagerduty"}}},
			"low":      {},
			"":         {{After: policy.Duration(time.Hour), To: []string{"slack"}, Mention: "S12"}},
		},
	}
	if !reflect.DeepEqual(p.Outcomes, want) {
		t.Errorf("got  %+v\nwant %+v", p.Outcomes, want)
	}
	if o := policy.Default().Outcomes; !reflect.DeepEqual(o, policy.Outcomes{}) {
		t.Errorf("default: got %+v, want nobody to be told", o)
	}
	for text, want := range map[string]bool{
		`{bot_token: "${BOT}", channel: C12}`: false, `{bot_token: "${BOT}", channel: C12, app_token: "${APP}"}`: true,
		`{bot_token: "${BOT}", channel: C12, signing_secret: "${SHORT}"}`: true,
	} {
		if got := parse(t, "outcomes: {slack: "+text+"}").Outcomes.Slack.Buttons(); got != want {
			t.Errorf("%s: got buttons %t, want %t", text, got, want)
		}
	}
	if (*policy.Slack)(nil).Buttons() {
		t.Error("no Slack has buttons")
	}
}

// TestChatKeepsSecrets: tokens, keys and addresses of messages are secrets, and do not change the hash.
func TestChatKeepsSecrets(t *testing.T) {
	t.Parallel()
	const text = `outcomes: {slack: {bot_token: "xoxb-%", app_token: "xapp-%", channel: C12}, ` +
		`pagerduty: {routing_key: "%%%%hunt"}, messages: [{name: a, url: "discord://%@42"}]}`
	p := parse(t, strings.ReplaceAll(text, "%", "${SHORT}"))
	asJSON, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	s, pd, m := p.Outcomes.Slack, p.Outcomes.PagerDuty, p.Outcomes.Messages
	for _, shown := range []string{string(asJSON), fmt.Sprintf("%+v %#v", p, p), fmt.Sprintf("%v %+v %+v %+v", s, *s, *pd, m)} {
		if strings.Contains(shown, "hunter") {
			t.Errorf("shows a secret: %s", shown)
		}
	}
	if a, b := p.Hash(), parse(t, strings.ReplaceAll(text, "%", "another")).Hash(); a != b {
		t.Errorf("two secrets: got %s and %s, want the same", a, b)
	}
	if a, b := p.Hash(), parse(t, strings.ReplaceAll(strings.ReplaceAll(text, "%", "another"), "C12", "C34")).Hash(); a == b {
		t.Errorf("two channels: got %s twice", a)
	}
}
