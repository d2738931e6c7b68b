package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
	"github.com/firebreak-sre/firebreak/policy"
)

// pressWithin is how long the demo waits for the person at the terminal before it presses the button itself.
const pressWithin = 10 * time.Second

// The workspace of the demo: one channel, and one person in it.
const (
	demoChannel = "C0FIREBREAK"
	demoPerson  = "U0ONCALL"
)

// desktop is a Slack that lives in this process, with a person who is asked. Firebreak talks to it as to the real one.
type desktop struct {
	slack *fakeslack.Server
}

// openDesktop starts it.
func openDesktop() (*desktop, error) {
	s, err := fakeslack.New(fakeslack.Config{Workspace: fakeslack.Workspace{
		Users:    []fakeslack.User{{ID: demoPerson, Name: "oncall", Email: "oncall@example.com"}},
		Channels: []fakeslack.Channel{{ID: demoChannel, Name: "incidents", Member: true}},
	}})
	if err != nil {
		return nil, fmt.Errorf("start the demo's Slack: %w", err)
	}
	return &desktop{slack: s}, nil
}

// allow makes a policy in which the fix waits for that person.
func (d *desktop) allow(p *policy.Policy) {
	app := d.slack.App()
	p.Outcomes.Slack = &policy.Slack{BotToken: policy.Secret(app.BotToken), AppToken: policy.Secret(app.AppToken), Channel: demoChannel, APIURL: d.slack.APIURL()}
	p.Approvals = policy.Approvals{Expire: policy.Duration(time.Minute), Rules: []policy.ApprovalRule{{SlackUsers: []string{demoPerson}}}}
	p.Handlers.RetryStorm.Mode = policy.Approve
	for i := range p.Handlers.RetryStorm.Edges {
		p.Handlers.RetryStorm.Edges[i].Mode = policy.Approve
	}
}

// approve waits until the message has its buttons, shows it, and presses the one that says yes: when the person at the terminal does, or
// after a while without them.
func (d *desktop) approve(ctx context.Context, a *app, s *screen) error {
	var asked fakeslack.Message
	var yes fakeslack.Button
	err := d.slack.Wait(ctx, func() bool {
		for _, m := range d.slack.Messages(demoChannel) {
			for _, b := range m.Buttons() {
				if b.Text == "Approve" {
					asked, yes = m, b
				}
			}
		}
		return yes.ActionID != ""
	})
	if err != nil {
		return fmt.Errorf("wait for the buttons in Slack: %w", err)
	}
	s.note("Slack shows: " + clean(strings.Join(strings.Fields(asked.Latest().Text), " "), 300))
	var names []string
	for _, b := range asked.Buttons() {
		names = append(names, "["+b.Text+"]")
	}
	s.note("  " + strings.Join(names, " "))
	if err := d.person(ctx, a, s); err != nil {
		return err
	}
	press, err := d.slack.Press(ctx, asked.TS, yes.ActionID, demoPerson)
	if err != nil {
		return fmt.Errorf("press the button: %w", err)
	}
	if !press.InTime {
		return errors.New("press the button: it was not answered in time")
	}
	s.note(fmt.Sprintf("[Approve] pressed by oncall@example.com, answered after %s", press.After.Round(100*time.Microsecond)))
	return nil
}

// person waits for Enter, if somebody is there.
func (d *desktop) person(ctx context.Context, a *app, s *screen) error {
	if !a.terminal {
		return nil
	}
	s.note(fmt.Sprintf("Enter presses [Approve] (it presses itself after %s)", pressWithin))
	line := make(chan struct{}, 1)
	// The read cannot be broken off; it ends with the process, and nothing is lost with it.
	go func() { _, _ = bufio.NewReader(a.stdin).ReadString('\n'); line <- struct{}{} }()
	late := time.NewTimer(pressWithin)
	defer late.Stop()
	select {
	case <-line:
	case <-late.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}
