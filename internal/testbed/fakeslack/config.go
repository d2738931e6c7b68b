package fakeslack

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Config is one workspace with one app in it. The zero value is a workspace without people and channels, with an app that
// has the scopes of Firebreak's manifest and is connected by Socket Mode.
type Config struct {
	App         App
	Workspace   Workspace
	Interaction Interaction
	Socket      Socket
	Limits      Limits
	// Now is the workspace's clock: timestamps, expiry of triggers and response URLs, rate limits. Default time.Now. How
	// long an app takes to answer a press is measured in real time.
	Now func() time.Time
}

// App is the app as it is installed.
type App struct {
	// ID is the app's, TeamID and TeamDomain its workspace's, UserID and BotID its bot's. Each has a default.
	ID         string
	TeamID     string
	TeamDomain string
	UserID     string
	BotID      string
	// BotToken (xoxb-) is asked for by every method but apps.connections.open, which asks for AppToken (xapp-).
	BotToken string
	AppToken string
	// SigningSecret signs what is posted to the app's request URL.
	SigningSecret string
	// Scopes are what the bot token may do. Nil: [ManifestScopes].
	Scopes []string
}

// Interaction is how presses reach the app.
type Interaction struct {
	// RequestURL is where they are posted. Empty: they go over Socket Mode. It can be set later, see SetRequestURL.
	RequestURL string
	// AckWithin is how long the app has to answer, default 3 s as with Slack.
	AckWithin time.Duration
	// Client posts to the request URL. Default: one without redirects.
	Client *http.Client
}

// Socket is the other end of Socket Mode.
type Socket struct {
	// PingEvery is how often a connection is pinged, default 5 s. Negative: never, as a connection that died unnoticed.
	PingEvery time.Duration
	// MaxConnections is how many may be open at once, default 10 as with Slack.
	MaxConnections int
	// Pick chooses one of n connections for an envelope. Default: at random.
	Pick func(n int) int
	// Retries is how often an envelope without an ack is sent again, over another connection where there is one. Slack
	// does not promise it for presses, so the default is never.
	Retries int
}

// Limits are the rate limits. Their zero value is what Slack documents.
type Limits struct {
	// Off turns them off.
	Off bool
	// Burst is how many messages a channel takes at once beyond its one a second, default 3. Slack says only "short bursts".
	Burst int
}

// ManifestScopes are the scopes of the bot token that Firebreak's app manifest asks for.
func ManifestScopes() []string {
	return []string{
		"chat:write", "chat:write.public", "users:read", "users:read.email", "usergroups:read",
		"channels:history", "groups:history",
	}
}

func (c Config) withDefaults() (Config, error) {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	set(&c.App.ID, "A0FIREBREAK")
	set(&c.App.TeamID, "T0WORKSPACE")
	set(&c.App.TeamDomain, "example")
	set(&c.App.UserID, "U0FIREBREAK")
	set(&c.App.BotID, "B0FIREBREAK")
	set(&c.App.BotToken, "xoxb-fake-bot-token")
	set(&c.App.AppToken, "xapp-fake-app-token")
	set(&c.App.SigningSecret, "fake-signing-secret")
	if c.App.Scopes == nil {
		c.App.Scopes = ManifestScopes()
	}
	if c.Interaction.AckWithin == 0 {
		c.Interaction.AckWithin = 3 * time.Second
	}
	if c.Interaction.Client == nil {
		c.Interaction.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if c.Socket.PingEvery == 0 {
		c.Socket.PingEvery = 5 * time.Second
	}
	if c.Socket.MaxConnections == 0 {
		c.Socket.MaxConnections = 10
	}
	if c.Limits.Burst == 0 {
		c.Limits.Burst = 3
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, c.Workspace.check()
}

func (c Config) may(scope string) bool { return slices.Contains(c.App.Scopes, scope) }

func (w Workspace) check() error {
	seen := map[string]bool{}
	for _, id := range w.ids() {
		switch {
		case id == "":
			return fmt.Errorf("check workspace: a user, channel or group has no id")
		case seen[id]:
			return fmt.Errorf("check workspace: id %s is given twice", id)
		}
		seen[id] = true
	}
	return nil
}
