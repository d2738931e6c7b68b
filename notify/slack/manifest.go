package slack

import (
	"fmt"
	"net/url"
	"strings"
)

// Mode is how presses reach us.
type Mode string

// The modes.
const (
	ModeSocket Mode = "socket" // over a connection that we open: nothing has to be reachable from outside
	ModeHTTP   Mode = "http"   // Slack posts to our address
	ModeNone   Mode = "none"   // they do not: outcomes only
)

// Path is where presses are posted with [ModeHTTP].
const Path = "/slack/interactions"

// Scopes are what the app may do, and why.
func Scopes() []Scope {
	return []Scope{
		{"chat:write", "post and edit its own messages"},
		{"chat:write.public", "post to public channels that it was not invited to; private ones need /invite"},
		{"channels:history", "find its own message again after a crash, instead of posting it twice"},
		{"groups:history", "the same in private channels"},
		{"users:read", "refuse bots, guests, strangers and deactivated accounts as approvers"},
		{"users:read.email", "approvers that are named by e-mail address"},
		{"usergroups:read", "approvers that are named by user group (paid plans only)"},
	}
}

// Scope is one right of the app.
type Scope struct{ Name, Why string }

// Manifest is the app for one mode, as YAML that Slack's "create app from manifest" takes. base is our public address, with ModeHTTP.
func Manifest(mode Mode, base string) (string, error) {
	var b strings.Builder
	b.WriteString("# https://api.slack.com/apps, Create New App, From a manifest\n")
	b.WriteString("display_information:\n  name: Firebreak\n  description: Answers alerts with small fixes that undo themselves\n")
	b.WriteString("features:\n  bot_user:\n    display_name: firebreak\n    always_online: true\n")
	b.WriteString("oauth_config:\n  scopes:\n    bot:\n")
	for _, s := range Scopes() {
		fmt.Fprintf(&b, "      - %s # %s\n", s.Name, s.Why)
	}
	b.WriteString("settings:\n  interactivity:\n")
	switch mode {
	case ModeSocket:
		b.WriteString("    is_enabled: true\n  socket_mode_enabled: true # needs an app-level token with connections:write\n")
	case ModeHTTP:
		u, err := url.Parse(base)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsAny(base, "\"\\\n\r") {
			return "", fmt.Errorf("write the manifest: %q is not our public https address", base)
		}
		fmt.Fprintf(&b, "    is_enabled: true\n    request_url: %q\n  socket_mode_enabled: false\n", strings.TrimSuffix(base, "/")+Path)
	case ModeNone:
		b.WriteString("    is_enabled: false\n  socket_mode_enabled: false\n")
	default:
		return "", fmt.Errorf("write the manifest: there is no mode %q, want %s, %s or %s", mode, ModeSocket, ModeHTTP, ModeNone)
	}
	b.WriteString("  org_deploy_enabled: false\n  token_rotation_enabled: false # a rotated token would end the one that Firebreak has\n")
	return b.String(), nil
}
