// Package everything tells services that only take a text, one plain message for each event, over whatever can send one.
//
// It is for everything that has no package of its own: no buttons, no editing, no threads, no identity of a message. A message whose
// answer was lost is sent again, and may be read twice.
//
// What strangers wrote is defused: services read markup, mentions and addresses in plain text, so none of it is left. The address of the
// service holds its secrets; it is in no error and no log.
package everything

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/firebreak-sre/firebreak/notify"
	"github.com/firebreak-sre/firebreak/policy"
)

// Sender sends one text to one service. Its errors may hold the service's address: they are cleaned here. One with a method
// Permanent() bool that answers true says that the service will never take this text.
type Sender interface {
	Send(ctx context.Context, text string) error
}

// Config is one service.
type Config struct {
	// Name is unique, of letters, digits, "_" and "-".
	Name string
	// URL is the service's address, with its secrets. Here it only says what must never be shown.
	URL policy.Secret
	// Console is a link to an incident; {incident} in it is replaced by its id. Empty: no link.
	Console string
	// MaxRunes bounds a message. 0: 1000. At least 200.
	MaxRunes int
	// Timeout bounds one try. 0: 15 seconds.
	Timeout time.Duration
	// GiveUpAfter is how old an event may be that is tried again; an older one is tried once. Most services do not say whether trying again
	// helps, and one message that is never taken would hold up all that is behind it. 0: 6 hours.
	GiveUpAfter time.Duration
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

const (
	defaultMaxRunes    = 1000
	leastMaxRunes      = 200
	defaultTimeout     = 15 * time.Second
	defaultGiveUpAfter = 6 * time.Hour
)

// String shows nothing secret.
func (c Config) String() string { return "service " + c.Name }

// GoString is String, for %#v.
func (c Config) GoString() string { return c.String() }

// Sink tells one service.
type Sink struct {
	config Config
	sender Sender
	hide   []string
}

var _ notify.Sink = (*Sink)(nil)

// New checks the configuration.
func New(c Config, sender Sender) (*Sink, error) {
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`).MatchString(c.Name) {
		return nil, fmt.Errorf("configure a service that is told: %q is no name of letters, digits, _ and -", c.Name)
	}
	var errs []error
	if sender == nil {
		errs = append(errs, errors.New("nothing sends to it"))
	}
	if c.MaxRunes == 0 {
		c.MaxRunes = defaultMaxRunes
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.GiveUpAfter == 0 {
		c.GiveUpAfter = defaultGiveUpAfter
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.MaxRunes < leastMaxRunes {
		errs = append(errs, fmt.Errorf("a message of %d characters says nothing: at least %d", c.MaxRunes, leastMaxRunes))
	}
	if c.Timeout < 0 || c.GiveUpAfter < 0 {
		errs = append(errs, errors.New("a duration is below zero"))
	}
	if c.Console != "" && !isAddress(consoleURL(c.Console, "x")) {
		errs = append(errs, errors.New("the console's address is not an http or https address"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("configure service %s: %w", c.Name, err)
	}
	return &Sink{config: c, sender: sender, hide: secrets(c.URL.Reveal())}, nil
}

// Name is the service's name in the policy.
func (s *Sink) Name() string { return "text_" + s.config.Name }

// Send tells one event. An error that wraps notify.ErrPermanent says that it is given up.
func (s *Sink) Send(ctx context.Context, o notify.Outcome) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	err := s.sender.Send(ctx, s.config.Text(o))
	if err == nil {
		return nil
	}
	said := fmt.Errorf("send to service %s: %s", s.config.Name, clean(err.Error(), s.hide))
	var final interface{ Permanent() bool }
	switch {
	case errors.As(err, &final) && final.Permanent():
		return fmt.Errorf("%w: %w", notify.ErrPermanent, said)
	case s.config.Now().Sub(o.At) > s.config.GiveUpAfter:
		return fmt.Errorf("%w: it is %s old: %w", notify.ErrPermanent, s.config.Now().Sub(o.At).Round(time.Second), said)
	}
	return said
}
