package fakeslack_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
)

const (
	ops     = "C0OPS"
	private = "C0PRIVATE"
	alice   = "U0ALICE"
	mallory = "U0STRANGER"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// workspace is one with something of everything.
func workspace() fakeslack.Workspace {
	return fakeslack.Workspace{
		Users: []fakeslack.User{
			{ID: alice, Name: "alice", Email: "alice@example.com"},
			{ID: "U0GONE", Name: "gone", Email: "gone@example.com", Deleted: true},
			{ID: "U0BOT", Name: "bot", Bot: true},
			{ID: "U0GUEST", Name: "guest", Restricted: true},
			{ID: mallory, Name: "alice", TeamID: "T0ELSEWHERE", Stranger: true},
		},
		Channels: []fakeslack.Channel{
			{ID: ops, Name: "ops", Member: true},
			{ID: "C0PUBLIC", Name: "public"},
			{ID: private, Name: "private", Private: true},
			{ID: "C0OLD", Name: "old", Member: true, Archived: true},
		},
		Groups: []fakeslack.Group{
			{ID: "S0SRE", Handle: "sre", Members: []string{alice, "U0GUEST"}},
			{ID: "S0OLD", Handle: "old", Disabled: true},
		},
	}
}

// quiet is a workspace without rate limits.
func quiet() fakeslack.Config {
	return fakeslack.Config{Workspace: workspace(), Limits: fakeslack.Limits{Off: true}}
}

func start(t *testing.T, c fakeslack.Config) (*fakeslack.Server, *slack.Client) {
	t.Helper()
	s, err := fakeslack.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	app := s.App()
	return s, slack.New(app.BotToken, slack.OptionAPIURL(s.APIURL()), slack.OptionAppLevelToken(app.AppToken))
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// await waits for something in the workspace.
func await(t *testing.T, s *fakeslack.Server, what string, cond func() bool) {
	t.Helper()
	if err := s.Wait(soon(t), cond); err != nil {
		t.Fatalf("wait for %s: %v", what, err)
	}
}

// code is Slack's error code of an error, or the error itself.
func code(err error) string {
	if err == nil {
		return "ok"
	}
	if e, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return e.Err
	}
	return err.Error()
}

// reply is what every method answers.
type reply struct {
	OK       bool     `json:"ok"`
	Error    string   `json:"error"`
	TS       string   `json:"ts"`
	Needed   string   `json:"needed"`
	Errors   []string `json:"errors"`
	Metadata struct {
		Messages []string `json:"messages"`
		Warnings []string `json:"warnings"`
	} `json:"response_metadata"`
}

// call posts a form with the bot token, as the client library does.
func call(t *testing.T, s *fakeslack.Server, method string, fields map[string]string) reply {
	t.Helper()
	form := url.Values{"token": {s.App().BotToken}}
	for name, value := range fields {
		form.Set(name, value)
	}
	return post(t, s.APIURL()+method, "application/x-www-form-urlencoded", "", form.Encode())
}

func post(t *testing.T, to, kind, bearer, body string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out reply
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("answer %q: %v", text, err)
	}
	return out
}

// Every way of presenting a token gets Slack's own code.
func TestTokens(t *testing.T) {
	t.Parallel()
	s, _ := start(t, quiet())
	form, bot, app := "application/x-www-form-urlencoded", s.App().BotToken, s.App().AppToken
	cases := map[string]struct{ method, query, kind, bearer, body, want string }{
		"none":              {method: "auth.test", kind: form, want: "not_authed"},
		"unknown":           {method: "auth.test", kind: form, bearer: "xoxb-other", want: "invalid_auth"},
		"in the header":     {method: "auth.test", kind: form, bearer: bot},
		"in the form":       {method: "auth.test", kind: form, body: "token=" + bot},
		"in the query":      {method: "auth.test", query: "?token=" + bot, kind: form, want: "not_authed"},
		"app's for the bot": {method: "auth.test", kind: form, bearer: app, want: "not_allowed_token_type"},
		"bot's for the app": {method: "apps.connections.open", kind: "application/json", bearer: bot, want: "not_allowed_token_type"},
		"app's":             {method: "apps.connections.open", kind: "application/json", bearer: app},
		"unknown method":    {method: "chat.shout", kind: form, bearer: bot, want: "unknown_method"},
		"no JSON":           {method: "auth.test", kind: "application/json", bearer: bot, body: "{", want: "invalid_json"},
		"other type":        {method: "auth.test", kind: "text/plain", bearer: bot, body: "x", want: "invalid_post_type"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := post(t, s.APIURL()+c.method+c.query, c.kind, c.bearer, c.body)
			if got.Error != c.want || got.OK != (c.want == "") {
				t.Errorf("got %+v, want %q", got, c.want)
			}
		})
	}
}

// A token that was revoked is refused everywhere, and works again when it is given back.
func TestRevoke(t *testing.T) {
	t.Parallel()
	s, api := start(t, quiet())
	for _, want := range []string{"token_revoked", "account_inactive"} {
		s.Revoke(want)
		if _, err := api.AuthTestContext(soon(t)); code(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	s.Revoke("")
	got, err := api.AuthTestContext(soon(t))
	if err != nil || got.TeamID != s.App().TeamID || got.BotID != s.App().BotID {
		t.Errorf("got %+v, %v", got, err)
	}
	if got.Header.Get("X-OAuth-Scopes") == "" {
		t.Error("the answer does not say the scopes")
	}
}

// A scope that is missing is named.
func TestMissingScope(t *testing.T) {
	t.Parallel()
	c := quiet()
	c.App.Scopes = []string{"users:read"}
	s, api := start(t, c)
	for method, want := range map[string]string{
		"chat.postMessage": "chat:write", "users.lookupByEmail": "users:read.email", "usergroups.users.list": "usergroups:read",
	} {
		if got := call(t, s, method, map[string]string{"channel": ops}); got.Error != "missing_scope" || got.Needed != want {
			t.Errorf("%s: got %+v, want %s needed", method, got, want)
		}
	}
	if got := call(t, s, "conversations.history", map[string]string{"channel": ops}); got.Needed != "channels:history" {
		t.Errorf("history: got %+v", got)
	}
	u, err := api.GetUserInfoContext(soon(t), alice)
	if err != nil || u.Profile.Email != "" {
		t.Errorf("got %+v, %v; the e-mail needs a scope", u, err)
	}
}

// Two things with one id cannot be told apart, so such a workspace does not start.
func TestWorkspaceIsChecked(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]fakeslack.Workspace{
		"twice":   {Users: []fakeslack.User{{ID: "U1"}, {ID: "U1"}}},
		"nothing": {Channels: []fakeslack.Channel{{Name: "x"}}},
	} {
		if s, err := fakeslack.New(fakeslack.Config{Workspace: w}); err == nil {
			t.Errorf("%s: it started", name)
			_ = s.Close()
		}
	}
}
