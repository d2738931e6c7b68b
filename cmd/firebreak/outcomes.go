package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/tracing"
	"github.com/firebreak-sre/firebreak/internal/trust"
	"github.com/firebreak-sre/firebreak/notify"
	"github.com/firebreak-sre/firebreak/notify/everything"
	"github.com/firebreak-sre/firebreak/notify/ladder"
	"github.com/firebreak-sre/firebreak/notify/pagerduty"
	"github.com/firebreak-sre/firebreak/notify/slack"
	"github.com/firebreak-sre/firebreak/notify/webhook"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/nicholas-fedor/shoutrrr"
	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// place is one that is told of outcomes, and of which kinds; none are those that people should see.
type place struct {
	notify.Sink
	// called is its name in the policy: rungs of the ladder name it so.
	called string
	kinds  []incidents.Kind
	// test sends something that says that it is a test.
	test func(context.Context) error
}

// newPlaces are all of the policy but the log, which cannot be called.
func newPlaces(b *bus.Bus, p policy.Policy, s *slack.Slack, to *trust.Trust) ([]place, error) {
	var out []place
	if s != nil {
		out = append(out, place{s.Sink(), slack.Name, slack.Kinds(), s.TestMessage})
	}
	if pd := p.Outcomes.PagerDuty; pd != nil {
		sink, err := pagerduty.New(pagerduty.Config{RoutingKey: pd.RoutingKey, URL: pd.URL, Console: p.Outcomes.Console, Severities: pd.Severities},
			incidents.NewStore(b), isMissing, outgoing(to))
		if err != nil {
			return nil, fmt.Errorf("outcomes.pagerduty: %w", err)
		}
		out = append(out, place{sink, pagerduty.Name, pagerduty.Kinds(), sink.Test})
	}
	for _, w := range p.Outcomes.Webhooks {
		sender, err := webhook.New(webhook.Config{Name: w.Name, URL: w.URL, Secret: []byte(w.Secret.Reveal()), Timeout: w.Timeout.D()}, outgoing(to))
		if err != nil {
			return nil, fmt.Errorf("outcome webhook %s: %w", w.Name, err)
		}
		sink := notify.NewSigned(w.Name, sender)
		out = append(out, place{sink, w.Name, kindsOf(w.Events), sendTest(sink)})
	}
	for _, m := range p.Outcomes.Messages {
		sender, err := newMessenger(m.URL, to)
		if err != nil {
			return nil, fmt.Errorf("outcome message %s: %w", m.Name, err)
		}
		sink, err := everything.New(everything.Config{Name: m.Name, URL: m.URL, Console: p.Outcomes.Console}, sender)
		if err != nil {
			return nil, fmt.Errorf("outcome message %s: %w", m.Name, err)
		}
		out = append(out, place{sink, m.Name, kindsOf(m.Events), sendTest(sink)})
	}
	return out, nil
}

func kindsOf(names []string) []incidents.Kind {
	out := make([]incidents.Kind, len(names))
	for i, k := range names {
		out[i] = incidents.Kind(k)
	}
	return out
}

func isMissing(err error) bool { return errors.Is(err, bus.ErrNotFound) }

// newTellers tell the log, all places, and the ladder if there is one.
func newTellers(b *bus.Bus, places []place, l *ladder.Runner, tracer *tracing.Tracer, reg prometheus.Registerer, log zerolog.Logger) []*notify.Teller {
	m := notify.NewMetrics(reg)
	out := []*notify.Teller{notify.NewTeller(b, notify.Log{Logger: log}, nil, m, log)}
	for _, p := range places {
		out = append(out, notify.NewTeller(b, p.Sink, p.kinds, m, log).Called(p.called).Traced(tracer))
	}
	if l != nil {
		out = append(out, notify.NewTeller(b, l, ladder.Kinds(), m, log))
	}
	return out
}

// newLadder is the escalation of the policy, nil if it has none.
func newLadder(ctx context.Context, b *bus.Bus, p policy.Policy, places []place, log zerolog.Logger) (*ladder.Runner, error) {
	if len(p.Outcomes.Escalation) == 0 {
		return nil, nil
	}
	agenda, err := b.Agenda(ctx, "ladder")
	if err != nil {
		return nil, err
	}
	rungs := ladder.Rungs{}
	for severity, list := range p.Outcomes.Escalation {
		var l ladder.Ladder
		for _, r := range list {
			l.Rungs = append(l.Rungs, ladder.Rung{After: r.After.D(), To: r.To, Mention: r.Mention})
		}
		rungs[strings.ToLower(severity)] = l
	}
	names := make([]string, len(places))
	for i, pl := range places {
		names[i] = pl.called
	}
	return ladder.New(rungs, ladder.Parts{Record: incidents.NewStore(b), Agenda: agenda, Places: names, Missing: isMissing, Log: log})
}

// messenger sends texts over the services that shoutrrr knows.
type messenger struct{ router *router.ServiceRouter }

func newMessenger(url policy.Secret, to *trust.Trust) (messenger, error) {
	// A redirect would take the address, which is the secret, to another host as its Referer.
	client := outgoing(to)
	client.Timeout, client.CheckRedirect = time.Minute, func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r, err := shoutrrr.CreateSenderWithOptions(types.SenderOptions{HTTPClient: client}, url.Reveal())
	if err != nil {
		return messenger{}, errors.New("its URL names no service that can be used: see the list of services of shoutrrr")
	}
	return messenger{r}, nil
}

// Send sends one text. The library takes no context, so a call that hangs is left behind when the context ends.
func (m messenger) Send(ctx context.Context, text string) error {
	done := make(chan error, 1)
	go func() { done <- errors.Join(m.router.Send(text, nil)...) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
