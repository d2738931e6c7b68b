package policy

// Slack is one workspace with one app in it: "firebreak slack manifest" prints how the app is made.
type Slack struct {
	// BotToken (xoxb-…) posts and reads. Required, here or in BotTokenFile.
	BotToken     Secret `yaml:"bot_token"`
	BotTokenFile string `yaml:"bot_token_file" rule:"into=BotToken"`
	// AppToken (xapp-…) takes presses of buttons over Socket Mode: nothing has to be reachable from outside. SigningSecret takes them over
	// HTTP, at /slack/interactions. At most one of them; with neither there are no buttons.
	AppToken          Secret `yaml:"app_token"`
	AppTokenFile      string `yaml:"app_token_file" rule:"into=AppToken"`
	SigningSecret     Secret `yaml:"signing_secret"`
	SigningSecretFile string `yaml:"signing_secret_file" rule:"into=SigningSecret"`
	// Channel is the id of the channel, e.g. C0123456789. Required.
	Channel string `yaml:"channel" rule:"need=C0123456789;channel"`
	// Channels are other channels for some values of the alert's label severity.
	Channels map[string]string `yaml:"channels" rule:"each=channel"`
	// Team and App are the ids of the workspace and of the app; empty is what the token says.
	Team string `yaml:"team" rule:"team"`
	App  string `yaml:"app" rule:"app"`
	// APIURL is where Slack's Web API is, default https://slack.com/api/. Plain http only on this machine.
	APIURL string `yaml:"api_url" rule:"default=https://slack.com/api/;base"`
}

// Buttons says whether presses of buttons can reach us.
func (s *Slack) Buttons() bool { return s != nil && (s.AppToken != "" || s.SigningSecret != "") }

// PagerDuty is one integration of the Events API v2.
type PagerDuty struct {
	// RoutingKey is the integration's key, 32 characters. Required, here or in RoutingKeyFile.
	RoutingKey     Secret `yaml:"routing_key"`
	RoutingKeyFile string `yaml:"routing_key_file" rule:"into=RoutingKey"`
	// URL is where events go, default https://events.pagerduty.com; in the EU https://events.eu.pagerduty.com. Plain http
	// only on this machine.
	URL string `yaml:"url" rule:"default=https://events.pagerduty.com;base"`
	// Severities translate the alert's label severity to critical, error, warning or info.
	Severities map[string]string `yaml:"severities" rule:"each=severity"`
}

// severities are those of PagerDuty, worst first.
func severities() []string { return []string{"critical", "error", "warning", "info"} }

// Message is a place that takes one line of text for each outcome, reached by a shoutrrr URL (discord://…, telegram://…, smtp://…).
type Message struct {
	// Name is unique among all outcomes, of letters, digits, "_" and "-"; not slack, pagerduty or log. Required.
	Name string `yaml:"name" rule:"need=team-chat;name"`
	// URL is the service's address, which holds its credentials. Required, here or in URLFile.
	URL     Secret `yaml:"url"`
	URLFile string `yaml:"url_file" rule:"into=URL"`
	// Events names the kinds of events to send; empty sends every outcome that people should see.
	Events []string `yaml:"events" rule:"event"`
}

// Approvals is who must agree to what is asked. Nobody is named by default, so nobody can.
type Approvals struct {
	// Expire is how long an asking waits for its answer, default 10m.
	Expire Duration `yaml:"expire" rule:"default=10m;min=10s;max=24h"`
	// Rules name the people; whoever any rule names for a fix of a target may approve it.
	Rules []ApprovalRule `yaml:"rules"`
}

// ApprovalRule names people for some fixes of some targets. Without a list of handlers, targets or fixes it is for all of them; a list of
// people that is empty is nobody, and a rule that names nobody is refused.
type ApprovalRule struct {
	Handlers []string `yaml:"handlers" rule:"handler"`
	Targets  []string `yaml:"targets"`
	Fixes    []string `yaml:"fixes" rule:"anyfix"`
	// SlackUsers and SlackGroups are ids (U…, S…); Emails are compared with that of the Slack user who presses.
	SlackUsers  []string `yaml:"slack_users" rule:"user"`
	SlackGroups []string `yaml:"slack_groups" rule:"usergroup"`
	Emails      []string `yaml:"emails" rule:"email"`
	// Operators are names of server.api.operators with the right approve.
	Operators []string `yaml:"operators" rule:"name"`
}

// Rung is one step of the escalation ladder: who is told while nobody has taken the incident.
type Rung struct {
	// After is how long after a person was first called, more than on the rung before it. What Firebreak repairs by itself climbs no ladder. Zero is at once.
	After Duration `yaml:"after" rule:"min=0s"`
	// To are "slack", "pagerduty" and the names of outcomes.webhooks and outcomes.messages.
	To []string `yaml:"to" rule:"need=[slack];name"`
	// Mention is a Slack user (U…, W…) or user group (S…) that is named in the message; only with "slack" in To.
	Mention string `yaml:"mention" rule:"mention"`
}
