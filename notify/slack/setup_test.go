package slack

import (
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.yaml.in/yaml/v4"
)

// The manifest is what Slack takes, for each way in which presses reach us, and it asks for all that is used and nothing else.
func TestManifest(t *testing.T) {
	t.Parallel()
	type manifest struct {
		Display  struct{ Name string } `yaml:"display_information"`
		Features struct {
			Bot struct {
				Name string `yaml:"display_name"`
			} `yaml:"bot_user"`
		}
		OAuth struct {
			Scopes struct{ Bot []string }
		} `yaml:"oauth_config"`
		Settings struct {
			Interactivity struct {
				Enabled bool   `yaml:"is_enabled"`
				URL     string `yaml:"request_url"`
			}
			Socket   bool  `yaml:"socket_mode_enabled"`
			Rotation *bool `yaml:"token_rotation_enabled"`
		}
	}
	for _, c := range []struct {
		mode              Mode
		base, url         string
		interactive, sock bool
	}{
		{mode: ModeSocket, interactive: true, sock: true},
		{mode: ModeHTTP, base: "https://firebreak.example.com/", url: "https://firebreak.example.com" + Path, interactive: true},
		{mode: ModeNone},
	} {
		text, err := Manifest(c.mode, c.base)
		if err != nil {
			t.Fatal(err)
		}
		var m manifest
		if err := yaml.Unmarshal([]byte(text), &m); err != nil {
			t.Fatalf("%s: %v\n%s", c.mode, err, text)
		}
		if m.Settings.Interactivity.Enabled != c.interactive || m.Settings.Interactivity.URL != c.url || m.Settings.Socket != c.sock {
			t.Errorf("%s: got %+v, want %+v", c.mode, m.Settings, c)
		}
		if m.Display.Name == "" || m.Features.Bot.Name == "" || m.Settings.Rotation == nil || *m.Settings.Rotation {
			t.Errorf("%s: got %+v, want names, and no rotation", c.mode, m)
		}
		for _, scope := range fakeslack.ManifestScopes() {
			// The fake's own list has one that only its conversations.info needs.
			if scope != "channels:read" && !strings.Contains(strings.Join(m.OAuth.Scopes.Bot, " ")+" ", scope+" ") {
				t.Errorf("%s: it does not ask for %s", c.mode, scope)
			}
		}
	}
	for mode, base := range map[Mode]string{ModeHTTP: "http://firebreak.example.com", "both": "", "": ""} {
		if text, err := Manifest(mode, base); err == nil {
			t.Errorf("%q with %q gives\n%s", mode, base, text)
		}
	}
}

// A configuration that cannot work is refused before anything starts, and says what is wrong with it.
func TestConfig(t *testing.T) {
	t.Parallel()
	good := Config{BotToken: "xoxb-1", AppToken: "xapp-1", Channel: "C0123456789"}
	if c, err := good.withDefaults(); err != nil || c.APIURL != DefaultAPIURL {
		t.Errorf("got %+v, %v, want that it is taken", c, err)
	}
	for want, change := range map[string]func(*Config){
		"bot token":                   func(c *Config) { c.BotToken = "xoxp-1" },
		"app token":                   func(c *Config) { c.AppToken = "xoxb-1" },
		"not over both":               func(c *Config) { c.SigningSecret = "s" },
		`channel: "#ops"`:             func(c *Config) { c.Channel = "#ops" },
		`channel: ""`:                 func(c *Config) { c.Channel = "" },
		"channel of severity page":    func(c *Config) { c.Channels = map[string]string{"page": "ops"} },
		`team: "ours"`:                func(c *Config) { c.TeamID = "ours" },
		`app: "ours"`:                 func(c *Config) { c.AppID = "ours" },
		"the console":                 func(c *Config) { c.Console = "ftp://x/{incident}" },
		"not https":                   func(c *Config) { c.APIURL = "http://slack.example.com/api" },
		"not an absolute address":     func(c *Config) { c.APIURL = "slack.com" },
		"address is not an absolute ": func(c *Config) { c.APIURL = "https://user:pass@slack.com/api" },
	} {
		c := good
		change(&c)
		if _, err := New(c, Parts{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	if _, err := New(good, Parts{Metrics: NewMetrics(prometheus.NewRegistry())}); err == nil {
		t.Error("it is made without a record")
	}
	local := good
	local.APIURL = "http://127.0.0.1:1/api"
	if c, err := local.withDefaults(); err != nil || c.APIURL != "http://127.0.0.1:1/api/" {
		t.Errorf("got %q, %v, want a slash at the end", c.APIURL, err)
	}
	if c := (Config{Channel: "C0A", Channels: map[string]string{"page": "C0B"}}); c.channel("page") != "C0B" || c.channel("") != "C0A" {
		t.Error("the severity does not choose the channel")
	}
}

// The names of the metrics are as Prometheus wants them.
func TestMetricNames(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	m := NewMetrics(reg)
	m.calls.WithLabelValues("chat.update", "ok").Inc()
	m.clicks.WithLabelValues("approved").Inc()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := promlint.NewWithMetricFamilies(families).Lint(); err != nil || len(problems) != 0 {
		t.Errorf("got %v, %v", problems, err)
	}
}

// A value of a button is read back as it was written, and nothing else is.
func TestRef(t *testing.T) {
	t.Parallel()
	r := ref{Incident: "retrystorm-c4f5c828b342-1", Asking: "0123456789abcdef0123", Plan: strings.Repeat("0a", 32)}
	if got, err := parseRef(r.String()); err != nil || got != r {
		t.Errorf("got %+v, %v, want %+v", got, err, r)
	}
	for _, s := range []string{"", "//", r.String() + "/", "/" + r.String(), strings.ToUpper(r.String()),
		r.String() + " ", strings.Replace(r.String(), "0123456789abcdef0123", "", 1)} {
		if got, err := parseRef(s); err == nil {
			t.Errorf("%q is read as %+v", s, got)
		}
	}
	if len(r.String()) > 2000 {
		t.Error("a value does not fit into a button")
	}
}
