package pagerduty

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakepagerduty"
)

// A configuration that cannot work is refused before anything starts, says what is wrong, and never shows the key.
func TestConfig(t *testing.T) {
	t.Parallel()
	good := Config{RoutingKey: fakepagerduty.DefaultKey}
	c, err := good.withDefaults()
	if err != nil || c.URL != DefaultURL || c.Client != "Firebreak" || c.Timeout != DefaultTimeout || c.DoubtAfter != defaultDoubtAfter || c.Otherwise != "info" {
		t.Errorf("got %v, %v, want the defaults", c, err)
	}
	for want, change := range map[string]func(*Config){
		"routing key is missing":    func(c *Config) { c.RoutingKey = "" },
		"32 letters and digits":     func(c *Config) { c.RoutingKey = "0fake0routing0key0for0tests0000-" },
		"not https":                 func(c *Config) { c.URL = "http://events.pagerduty.com" },
		"absolute address":          func(c *Config) { c.URL = "events.pagerduty.com" },
		"without a user":            func(c *Config) { c.URL = "https://me:hush@events.pagerduty.com" },
		"the console's address":     func(c *Config) { c.Console = "javascript:{incident}" },
		"the client's address":      func(c *Config) { c.ClientURL = "firebreak" },
		`"page": "loud" is none of`: func(c *Config) { c.Severities = map[string]string{"page": "loud"} },
		`all others: "none"`:        func(c *Config) { c.Otherwise = "none" },
		"below zero":                func(c *Config) { c.Timeout = -time.Second },
	} {
		c := good
		change(&c)
		_, err := New(c, unreadable{}, missing, nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "0fake0") {
			t.Errorf("got %v, want %q in it and nothing secret", err, want)
		}
	}
	if _, err := New(good, nil, missing, nil); err == nil {
		t.Error("it is made without a record")
	}
	if s := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(s, fakepagerduty.DefaultKey) {
		t.Errorf("it prints the key: %s", s)
	}
	if c.changes() != true {
		t.Error("it sends no changes")
	}
}

// The label's severity is read as people write it, and what is not known is the least.
func TestSeverity(t *testing.T) {
	t.Parallel()
	c, err := Config{RoutingKey: fakepagerduty.DefaultKey, Severities: map[string]string{"SEV-1": "critical", "warning": "error"}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	for label, want := range map[string]string{"critical": "critical", "CRITICAL": "critical", "error": "error", "high": "error", "page": "error",
		"warning": "error", "sev-1": "critical", "": "info", "none": "info"} {
		if got := c.severity(label); got != want {
			t.Errorf("%q is %s, want %s", label, got, want)
		}
	}
}

// The kinds are asked for without doubles, and each of them can become something.
func TestKinds(t *testing.T) {
	t.Parallel()
	seen := map[incidents.Kind]bool{}
	for _, k := range Kinds() {
		if seen[k] {
			t.Errorf("%s is in it twice", k)
		}
		seen[k] = true
	}
	if len(seen) != 17 || seen[incidents.Observed] || seen[incidents.AlertSeen] {
		t.Errorf("got %v", seen)
	}
}
