package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	orders "github.com/firebreak-sre/firebreak/incidents/desk"
	"github.com/firebreak-sre/firebreak/internal/trust"
	"github.com/firebreak-sre/firebreak/notify/slack"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// newSlack is the workspace of the policy, nil if it names none.
func newSlack(ctx context.Context, b *bus.Bus, d *orders.Desk, p policy.Policy, to *trust.Trust, reg prometheus.Registerer, log zerolog.Logger) (*slack.Slack, error) {
	if p.Outcomes.Slack == nil {
		return nil, nil
	}
	shelf, err := b.Shelf(ctx, "slack", p.Bus.MaxAge.D())
	if err != nil {
		return nil, err
	}
	return slack.New(slackConfig(p, to), slack.Parts{Record: incidents.NewStore(b), Documents: documents{shelf, slack.ErrNoDocument, slack.ErrChanged}, Desk: d, Metrics: slack.NewMetrics(reg), Log: log})
}

// slackConfig is the policy as the package takes it.
func slackConfig(p policy.Policy, to *trust.Trust) slack.Config {
	s := p.Outcomes.Slack
	return slack.Config{BotToken: s.BotToken, AppToken: s.AppToken, SigningSecret: s.SigningSecret, Channel: s.Channel, Channels: s.Channels,
		TeamID: s.Team, AppID: s.App, APIURL: s.APIURL, TLS: to.Config(), Console: p.Outcomes.Console, Approvers: slackApprovers(p), Operator: operatorOf(p)}
}

// operatorOf is the operator whose identity a user of Slack is.
func operatorOf(p policy.Policy) func(userID string) string {
	return func(userID string) string {
		for _, o := range p.Server.API.Operators {
			if userID != "" && o.SlackUser == userID {
				return o.Name
			}
		}
		return ""
	}
}

// slackApprovers are the people of the policy who can press a button.
func slackApprovers(p policy.Policy) func(handler, target, fix string) []slack.Approver {
	return func(handler, target, fix string) []slack.Approver {
		list := p.Approvers(handler, target, fix)
		var out []slack.Approver
		for _, id := range list.SlackUsers {
			out = append(out, slack.Approver{UserID: id})
		}
		for _, id := range list.SlackGroups {
			out = append(out, slack.Approver{GroupID: id})
		}
		for _, address := range list.Emails {
			out = append(out, slack.Approver{Email: address})
		}
		return out
	}
}

// interactions is where presses arrive over HTTP; nil if nobody can press there.
func interactions(s *slack.Slack) http.Handler {
	if s == nil {
		return nil
	}
	return s.Interactions()
}

// documents are a shelf of the bus as others want it, with the errors that they know.
type documents struct {
	shelf            *bus.Shelf
	missing, changed error
}

// Get is a document and its revision.
func (d documents) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	doc, rev, err := d.shelf.Get(ctx, key)
	if errors.Is(err, bus.ErrNotFound) {
		err = d.missing
	}
	return doc, rev, err
}

// Create makes one.
func (d documents) Create(ctx context.Context, key string, doc []byte) (uint64, error) {
	return d.Update(ctx, key, doc, 0)
}

// Update replaces one.
func (d documents) Update(ctx context.Context, key string, doc []byte, revision uint64) (uint64, error) {
	rev, err := d.shelf.Put(ctx, key, doc, revision)
	if errors.Is(err, bus.ErrConflict) {
		err = d.changed
	}
	return rev, err
}

type slackCmd struct {
	Manifest slackManifestCmd `cmd:"" help:"Print the manifest that Slack makes the app from: api.slack.com/apps, Create New App, From a manifest."`
}

type slackManifestCmd struct {
	URL string `help:"Our public https address, if buttons are to come over HTTP (outcomes.slack.signing_secret). Without it they come over Socket Mode, which needs no way in (outcomes.slack.app_token)." placeholder:"URL"`
}

// Run prints it.
func (c *slackManifestCmd) Run(a *app) error {
	mode := slack.ModeSocket
	if c.URL != "" {
		mode = slack.ModeHTTP
	}
	text, err := slack.Manifest(mode, c.URL)
	if err != nil {
		return err
	}
	_, err = a.stdout.Write([]byte(text))
	return err
}
