package slack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/rs/zerolog"
	slackgo "github.com/slack-go/slack"
)

// Parts are what Slack needs of the rest.
type Parts struct {
	// Record reads what happened.
	Record Record
	// Documents keep which message belongs to which incident.
	Documents Documents
	// Desk takes what people decide. It may be nil if presses cannot reach us.
	Desk    Desk
	Metrics *Metrics
	Log     zerolog.Logger
}

// Slack is one workspace.
type Slack struct {
	config Config
	sink   *Sink
	clicks *clicks
	socket *socket // nil without an app token
	client *client
}

// New checks the configuration. It starts nothing and asks Slack nothing.
func New(c Config, p Parts) (*Slack, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	if p.Record == nil || p.Documents == nil || p.Metrics == nil || c.answers() && p.Desk == nil {
		return nil, errors.New("configure slack: a part is missing")
	}
	log := p.Log.With().Str("integration", "slack").Logger()
	client := newClient(c, &health{now: c.Now, metrics: p.Metrics, log: log}, p.Metrics)
	sink := &Sink{config: c, record: p.Record, docs: p.Documents, client: client, metrics: p.Metrics, log: log}
	s := &Slack{config: c, sink: sink, client: client}
	s.clicks = &clicks{config: c, desk: p.Desk, sink: sink, people: &people{config: c, client: client}, client: client,
		metrics: p.Metrics, log: log, jobs: make(chan job, queued)}
	if c.AppToken != "" {
		s.socket = &socket{client: client, tls: c.TLS, clicks: s.clicks, metrics: p.Metrics, log: log}
	}
	return s, nil
}

// Sink is what is told of outcomes: give it to a notify.Teller, with [Kinds].
func (s *Slack) Sink() *Sink { return s.sink }

// Interactions is what takes POST /slack/interactions. It answers 404 without a signing secret, and 503 while Run does not run.
func (s *Slack) Interactions() http.Handler { return s.clicks }

// Run takes answers until ctx ends, and then finishes those in hand. With an app token it stays connected to Slack.
func (s *Slack) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	// The socket ends first, then what it had taken.
	answers, done := context.WithCancel(context.WithoutCancel(ctx))
	defer done()
	wg.Go(func() { s.clicks.run(answers) })
	if s.socket != nil {
		s.socket.run(ctx)
	}
	<-ctx.Done()
	done()
	wg.Wait()
	return nil
}

// Health is whether Slack takes what it is told.
func (s *Slack) Health() Health { return s.client.health.state() }

// Ready is nil if people can be told, and can answer if they are to.
func (s *Slack) Ready() error {
	if h := s.Health(); !h.OK {
		return fmt.Errorf("slack refuses the app since %s: %s", clock(h.Since), h.Words)
	}
	if s.socket != nil && !s.socket.connected.Load() {
		return errors.New("slack is not connected: nobody can answer there")
	}
	return nil
}

// Check asks Slack whether the token is valid and belongs to the right workspace.
func (s *Slack) Check(ctx context.Context) error {
	_, err := s.client.who(ctx)
	return err
}

// TestMessage posts one message to every channel, which says that it is a test.
func (s *Slack) TestMessage(ctx context.Context) error {
	if err := s.Check(ctx); err != nil {
		return err
	}
	var errs []error
	seen := map[string]bool{}
	for _, channel := range append([]string{s.config.Channel}, values(s.config.Channels)...) {
		if seen[channel] {
			continue
		}
		seen[channel] = true
		if err := s.client.pace.wait(ctx, postPace(channel), postRate()); err != nil {
			errs = append(errs, err)
			continue
		}
		at := s.config.Now().UTC()
		t := tag{kind: "firebreak_test", incident: at.Format("20060102T150405.000000")}
		if _, err := s.client.post(ctx, channel, "", testMessage(clock(at)), false, false, t); err != nil {
			errs = append(errs, fmt.Errorf("post to %s: %w", channel, err))
		}
	}
	return errors.Join(errs...)
}

func testMessage(at string) Message {
	const words = "🧪 This is a test of Firebreak. Nothing happened, and nobody has to do anything."
	return Message{Text: clip(words, maxFallback), Blocks: []slackgo.Block{slackgo.NewHeaderBlock(plain("🧪 Test of Firebreak", maxHeader)),
		slackgo.NewSectionBlock(plain("Nothing happened, and nobody has to do anything. Incidents will be shown here.", 300), nil, nil),
		slackgo.NewContextBlock("", plain("sent at "+at, 100))}}
}

func values(m map[string]string) []string {
	var all []string
	for _, v := range m {
		all = append(all, v)
	}
	return all
}
