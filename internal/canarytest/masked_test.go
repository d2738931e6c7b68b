package canarytest

import (
	"strings"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// secretive puts secrets of others into the labels of an alert, in the shapes that docs/replay.md says are masked in an exported file. They
// are what Alertmanager told us, so that they are in the record; a file that leaves the house has none of them.
func (x *product) secretive(a *blackbox.Alert) []canary {
	x.t.Helper()
	var all []canary
	for label, form := range map[string]string{
		"info_password":   "password=%s",
		"info_named":      `{"api_key": "%s"}`,
		"info_bearer":     "curl said: Authorization: Bearer %s4",
		"info_basic":      "Basic dXNlcjp%s4",
		"info_user":       "could not reach postgres://app:%s@db.example.com/orders",
		"info_slack":      "xoxb-%s",
		"info_webhook":    "https://hooks.slack.com/services/T000/B000/%s",
		"info_github":     "github_pat_%s",
		"info_statement":  "failed: SELECT * FROM users WHERE name = '%s'",
		"info_privatekey": "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----",
		"db_password":     "%s",
	} {
		c := newCanary(label, form)
		all = append(all, c)
		a.Labels[label] = c.value
	}
	// What AWS gives out is of capitals and digits.
	aws := newCanary("info_aws", "AKIA%s")
	aws.core = aws.core[:16]
	a.Labels["info_aws"] = "the key AKIA" + strings.ToUpper(aws.core)
	return append(all, aws)
}

// requireMasked holds that the exported files have none of them, and that the record had them all: else nothing was shown.
func (x *product) requireMasked(told []canary) {
	x.t.Helper()
	s := newSieve(told)
	exported, recorded := 0, map[string]bool{}
	for _, one := range x.haul.all {
		file := strings.HasPrefix(one.where, "files of commands: export/") || strings.HasPrefix(one.where, "firebreak export ")
		for _, n := range s.find(one.text) {
			if file {
				x.t.Errorf("%s has what an alert said, and docs/replay.md says that it is masked: %s, %s", one.where, n.canary, n.as)
			}
			recorded[n.canary] = recorded[n.canary] || strings.HasPrefix(one.where, "firebreak incidents show ")
		}
		if file && strings.Contains(string(one.text), "firebreak-incident") {
			exported++
		}
	}
	if exported < 2 {
		x.t.Errorf("%d files were exported, want one to stdout and one to a folder at least", exported)
	}
	for _, c := range told {
		if !recorded[c.name] {
			x.t.Errorf("the record does not have what the alert said in %s, so that its masking is not shown", c.name)
		}
	}
}
