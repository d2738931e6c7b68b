package policy

import (
	"net/url"
	"slices"
	"strings"
)

// The names of outcomes that are not the operator's own.
const (
	outcomeSlack     = "slack"
	outcomePagerDuty = "pagerduty"
	outcomeLog       = "log"
)

// checkOutcomes looks at names, keys and addresses of whoever is told what happened.
func (d *document) checkOutcomes(o Outcomes) {
	d.checkOutcomeNames(o)
	for i, w := range o.Webhooks {
		d.checkWebhook(at("outcomes.webhooks", i), w)
	}
	if o.Slack != nil {
		d.checkSlack(*o.Slack)
	}
	if o.PagerDuty != nil {
		d.checkPagerDuty(*o.PagerDuty)
	}
	for i, m := range o.Messages {
		d.checkMessage(at("outcomes.messages", i), m)
	}
	const console = "outcomes.console"
	if o.Console != "" && d.sound(console) && !strings.Contains(o.Console, "{incident}") {
		d.wrong(console, "has no {incident} in it, so every link would lead to the same page: "+
			"write for example https://firebreak.example.com/incidents/{incident}")
	}
	d.checkEscalation(o)
}

// checkOutcomeNames holds that every outcome has a name of its own: what was sent where is kept by it, and the ladder calls it by it.
func (d *document) checkOutcomeNames(o Outcomes) {
	const webhooks, messages = "outcomes.webhooks", "outcomes.messages"
	d.unique(webhooks, len(o.Webhooks), ".name", func(i int) string { return o.Webhooks[i].Name })
	d.unique(messages, len(o.Messages), ".name", func(i int) string { return o.Messages[i].Name })
	for i, w := range o.Webhooks {
		d.reserved(at(webhooks, i)+".name", w.Name)
	}
	for i, m := range o.Messages {
		here := at(messages, i) + ".name"
		if d.reserved(here, m.Name) {
			continue
		}
		j := slices.IndexFunc(o.Webhooks, func(w OutcomeWebhook) bool { return w.Name == m.Name })
		if j >= 0 && m.Name != "" && d.sound(here, at(webhooks, j)+".name") {
			d.wrong(here, "is the same as %s: give one of the two another name", at(webhooks, j)+".name")
		}
	}
}

// reserved refuses a name that means another outcome already, and says whether it did.
func (d *document) reserved(path, name string) bool {
	own := []string{outcomeSlack, outcomePagerDuty, outcomeLog}
	if !slices.Contains(own, name) || !d.sound(path) {
		return false
	}
	d.wrong(path, "%s is taken, as %s are outcomes by themselves: write another name", d.written(path), strings.Join(own, ", "))
	return true
}

// checkWebhook looks at the signing key of one webhook.
func (d *document) checkWebhook(here string, w OutcomeWebhook) {
	d.uniqueTexts(here+".events", w.Events)
	if !d.sound(here+".secret", here+".secret_file") {
		return
	}
	if w.Secret == "" {
		d.wrong(here+".secret", "is missing: every call is signed, write secret or secret_file: "+
			"whsec_ and base64, or plain text of at least 24 bytes")
	} else if said := signingProblem(w.Secret); said != "" {
		d.wrong(d.either(here+".secret", here+".secret_file"), "%s", said)
	}
}

// checkMessage looks at where one line of text goes. The address holds credentials: nothing of it is ever said.
func (d *document) checkMessage(here string, m Message) {
	d.uniqueTexts(here+".events", m.Events)
	path, file := here+".url", here+".url_file"
	if !d.sound(path, file) {
		return
	}
	if m.URL == "" {
		d.wrong(path, "is missing: write url or url_file, the service's shoutrrr address, such as discord://token@id")
		return
	}
	u, err := url.Parse(m.URL.Reveal())
	switch {
	case err != nil || u.Scheme == "" || u.Host == "":
		d.wrong(d.either(path, file), "must be a shoutrrr address, such as discord://token@id (it is a secret, so it is not shown)")
	case u.Scheme == "http" || u.Scheme == "https":
		d.wrong(d.either(path, file), "is a plain %s address, which names no service: write the service's shoutrrr address, "+
			"such as discord://token@id, or use outcomes.webhooks (it is a secret, so it is not shown)", u.Scheme)
	}
}
