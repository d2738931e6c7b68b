package slack

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
)

// DefaultAPIURL is where Slack's Web API is.
const DefaultAPIURL = "https://slack.com/api/"

// Config is one workspace with one app in it. See [Manifest] for how the app is made.
type Config struct {
	// BotToken (xoxb-) posts and reads.
	BotToken policy.Secret
	// AppToken (xapp-) takes presses over Socket Mode: nothing has to be reachable from outside. SigningSecret takes them over HTTP. At
	// most one of them is set; with none, there are no buttons, and plans are approved elsewhere.
	AppToken      policy.Secret
	SigningSecret policy.Secret
	// Channel is the id of the channel, e.g. C0123456789: names can be moved to other channels.
	Channel string
	// Channels are other channels for some values of the alert's label severity.
	Channels map[string]string
	// TeamID is the workspace's id, e.g. T0123456789. Empty: the one that the token belongs to.
	TeamID string
	// AppID is the app's id, e.g. A0123456789. Empty: what proves the sender proves the app.
	AppID string
	// Console is a link to an incident; {incident} in it is replaced by its id. Empty: no link.
	Console string
	// APIURL is where the Web API is. Empty: [DefaultAPIURL]. Plain http only on this machine.
	APIURL string
	// Approvers says who may approve a fix of a target. Nil, or an empty answer: nobody.
	Approvers func(handler, target, fix string) []Approver
	// Operator is the operator of the policy that a user of Slack is; "" if nothing says so. Nil: nobody is.
	Operator func(userID string) string
	// TLS is whom we believe there, and what we show. Nil: the system's.
	TLS *tls.Config
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Approver is one user, one user group or one e-mail address of the policy. Exactly one field is set.
type Approver struct{ UserID, GroupID, Email string }

// withDefaults checks the configuration. Its errors never hold a secret.
func (c Config) withDefaults() (Config, error) {
	if c.APIURL == "" {
		c.APIURL = DefaultAPIURL
	}
	if !strings.HasSuffix(c.APIURL, "/") {
		c.APIURL += "/" // the library glues the method's name to it
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Operator == nil {
		c.Operator = func(string) string { return "" }
	}
	if c.Approvers == nil {
		c.Approvers = func(string, string, string) []Approver { return nil }
	}
	errs := append(c.secrets(), c.ids()...)
	if err := checkAPIURL(c.APIURL); err != nil {
		errs = append(errs, err)
	}
	if _, ok := link(consoleURL(c.Console, "x")); c.Console != "" && !ok {
		errs = append(errs, errors.New("the console's address is not an http or https address"))
	}
	if err := errors.Join(errs...); err != nil {
		return c, fmt.Errorf("configure slack: %w", err)
	}
	return c, nil
}

func (c Config) secrets() []error {
	var errs []error
	if !strings.HasPrefix(c.BotToken.Reveal(), "xoxb-") {
		errs = append(errs, errors.New("the bot token is missing or is not one: they begin with xoxb-"))
	}
	if c.AppToken != "" && !strings.HasPrefix(c.AppToken.Reveal(), "xapp-") {
		errs = append(errs, errors.New("the app token is not one: they begin with xapp-"))
	}
	if c.AppToken != "" && c.SigningSecret != "" {
		errs = append(errs, errors.New("there is an app token and a signing secret: presses come over Socket Mode or over HTTP, not over both"))
	}
	return errs
}

func (c Config) ids() []error {
	var errs []error
	check := func(what, id, first string, optional bool) {
		ok := regexp.MustCompile(`^[` + first + `][A-Z0-9]{2,40}$`).MatchString(id)
		if !ok && (id != "" || !optional) {
			errs = append(errs, fmt.Errorf("%s: %q is not an id, which begin with one of %s", what, id, first))
		}
	}
	check("channel", c.Channel, "CG", false)
	for severity, id := range c.Channels {
		check("channel of severity "+severity, id, "CG", false)
	}
	check("team", c.TeamID, "TE", true)
	check("app", c.AppID, "A", true)
	return errs
}

// checkAPIURL lets the token out only over TLS, but for this machine.
func checkAPIURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil {
		return errors.New("the API's address is not an absolute address")
	}
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return errors.New("the API's address is not https, and not on this machine: the token would be readable on the way")
	}
	return nil
}

// answers says whether presses can reach us.
func (c Config) answers() bool { return c.AppToken != "" || c.SigningSecret != "" }

// channel is where an alert of a severity is told.
func (c Config) channel(severity string) string {
	if id, ok := c.Channels[severity]; ok {
		return id
	}
	return c.Channel
}

// allSecrets are what must never be in an error or a log.
func (c Config) allSecrets() []string {
	all := []string{c.BotToken.Reveal(), c.AppToken.Reveal(), c.SigningSecret.Reveal()}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}
