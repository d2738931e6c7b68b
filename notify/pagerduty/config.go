package pagerduty

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/firebreak-sre/firebreak/policy"
)

// Where the Events API is. An account belongs to one of both regions, and the other one refuses its keys.
const (
	DefaultURL = "https://events.pagerduty.com"
	EUURL      = "https://events.eu.pagerduty.com"
)

// DefaultTimeout bounds one try.
const DefaultTimeout = 10 * time.Second

// The severities that PagerDuty knows.
const (
	severityCritical = "critical"
	severityError    = "error"
	severityWarning  = "warning"
	severityInfo     = "info"
)

// Config is one integration of one service at PagerDuty.
type Config struct {
	// RoutingKey is the integration key, 32 letters and digits. Required. One that begins with R belongs to an event orchestration or a
	// ruleset; those take no change events, so none are sent.
	RoutingKey policy.Secret
	// URL is where the Events API is. Empty: [DefaultURL]; accounts in Europe need [EUURL]. Plain http only on this machine.
	URL string
	// Client and ClientURL name the sender beside each incident. Empty: Firebreak, and no address.
	Client    string
	ClientURL string
	// Console is a link to an incident; {incident} in it is replaced by its id. Empty: no link.
	Console string
	// Severities says which severity of PagerDuty (critical, error, warning, info) a value of the alert's label severity is. They come
	// before the defaults: critical is critical; error, high and page are error; warning is warning. Case does not matter.
	Severities map[string]string
	// Otherwise is the severity of every other value, and of alerts without that label. Empty: info.
	Otherwise string
	// DoubtAfter is how long a change may be in doubt before a person is called for it. 0: 2 minutes.
	DoubtAfter time.Duration
	// NoChanges leaves change events out.
	NoChanges bool
	// Timeout bounds one try, from the connection to the end of the answer. 0: [DefaultTimeout].
	Timeout time.Duration
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// String shows nothing secret.
func (c Config) String() string { return "pagerduty at " + c.URL }

// GoString is String, for %#v.
func (c Config) GoString() string { return c.String() }

const defaultDoubtAfter = 2 * time.Minute

// withDefaults checks the configuration. Its errors never hold the key.
func (c Config) withDefaults() (Config, error) {
	if c.URL == "" {
		c.URL = DefaultURL
	}
	c.URL = strings.TrimRight(c.URL, "/")
	if c.Client == "" {
		c.Client = "Firebreak"
	}
	if c.Otherwise == "" {
		c.Otherwise = severityInfo
	}
	if c.DoubtAfter == 0 {
		c.DoubtAfter = defaultDoubtAfter
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	merged := defaultSeverities()
	for value, severity := range c.Severities {
		merged[strings.ToLower(value)] = severity
	}
	c.Severities = merged
	errs := append(c.problems(), c.severityProblems()...)
	if err := errors.Join(errs...); err != nil {
		return c, fmt.Errorf("configure pagerduty: %w", err)
	}
	return c, nil
}

func (c Config) problems() []error {
	var errs []error
	key := c.RoutingKey.Reveal()
	if utf8.RuneCountInString(key) != 32 || strings.ContainsFunc(key, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		errs = append(errs, errors.New("the routing key is missing or is not one: they have 32 letters and digits"))
	}
	if err := checkURL(c.URL); err != nil {
		errs = append(errs, err)
	}
	if _, ok := address(consoleURL(c.Console, "x")); c.Console != "" && !ok {
		errs = append(errs, errors.New("the console's address is not an http or https address"))
	}
	if _, ok := address(c.ClientURL); c.ClientURL != "" && !ok {
		errs = append(errs, errors.New("the client's address is not an http or https address"))
	}
	if c.DoubtAfter < 0 || c.Timeout < 0 {
		errs = append(errs, errors.New("a duration is below zero"))
	}
	return errs
}

func (c Config) severityProblems() []error {
	var errs []error
	known := []string{severityCritical, severityError, severityWarning, severityInfo}
	for _, value := range slices.Sorted(maps.Keys(c.Severities)) {
		if s := c.Severities[value]; !slices.Contains(known, s) {
			errs = append(errs, fmt.Errorf("severity of %q: %q is none of %s", value, s, strings.Join(known, ", ")))
		}
	}
	if !slices.Contains(known, c.Otherwise) {
		errs = append(errs, fmt.Errorf("severity of all others: %q is none of %s", c.Otherwise, strings.Join(known, ", ")))
	}
	return errs
}

func defaultSeverities() map[string]string {
	return map[string]string{"critical": severityCritical, "error": severityError, "high": severityError, "page": severityError,
		"warning": severityWarning}
}

// severity is PagerDuty's word for a value of the label.
func (c Config) severity(label string) string {
	if s, ok := c.Severities[strings.ToLower(label)]; ok {
		return s
	}
	return c.Otherwise
}

// changes says whether change events are sent.
func (c Config) changes() bool { return !c.NoChanges && !strings.HasPrefix(c.RoutingKey.Reveal(), "R") }

// checkURL lets the key out only over TLS, but for this machine. A parser's own error repeats the address, so it is not passed on.
func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("the address of the Events API is not an absolute address without a user and a query")
	}
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return errors.New("the address of the Events API is not https, and not on this machine: the key would be readable on the way")
	}
	return nil
}
