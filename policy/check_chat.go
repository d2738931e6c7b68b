package policy

import (
	"net/netip"
	"net/url"
	"strings"
	"unicode"
)

// checkSlack looks at the tokens of the app, and at how presses of buttons come back. Nothing of a token is ever said.
func (d *document) checkSlack(s Slack) {
	const path = "outcomes.slack"
	const bot, app, signing = path + ".bot_token", path + ".app_token", path + ".signing_secret"
	if s.BotToken == "" && d.sound(bot, bot+"_file") {
		d.wrong(bot, "is missing: write bot_token or bot_token_file, the app's Bot User OAuth Token (xoxb-…)")
	}
	d.checkToken(bot, s.BotToken, "xoxb-", "the app's Bot User OAuth Token, under OAuth & Permissions")
	d.checkToken(app, s.AppToken, "xapp-", "an app-level token with connections:write, under Basic Information")
	d.checkToken(signing, s.SigningSecret, "", "")
	if s.AppToken != "" && s.SigningSecret != "" && d.sound(app, app+"_file", signing, signing+"_file") {
		d.wrong(d.either(signing, signing+"_file"), "is set together with app_token: presses come over Socket Mode (app_token) "+
			"or over HTTP (signing_secret), keep one of the two")
	}
	d.checkSecure(path+".api_url", s.APIURL, "the token")
}

// checkToken holds what a token begins with, and that it can be sent. what says where the right one is found.
func (d *document) checkToken(path string, token Secret, begins, what string) {
	if token == "" || !d.sound(path, path+"_file") {
		return
	}
	here := d.either(path, path+"_file")
	switch {
	case !strings.HasPrefix(token.Reveal(), begins):
		d.wrong(here, "must begin with %s: it is %s (what is here is a secret, so it is not shown)", begins, what)
	case strings.ContainsFunc(token.Reveal(), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		d.wrong(here, "has a space or a line break in it, which no token can have: take it out")
	}
}

// routingKey is how many characters an integration's key has.
const routingKey = 32

// checkPagerDuty looks at the key of the integration, and at where events go. Nothing of the key is ever said.
func (d *document) checkPagerDuty(p PagerDuty) {
	const path = "outcomes.pagerduty"
	const key, file = path + ".routing_key", path + ".routing_key_file"
	switch {
	case !d.sound(key, file):
	case p.RoutingKey == "":
		d.wrong(key, "is missing: write routing_key or routing_key_file, the Integration Key of an Events API v2 integration")
	case len(p.RoutingKey) != routingKey || !isName(p.RoutingKey.Reveal()):
		d.wrong(d.either(key, file), "must have %d letters and digits: it is the Integration Key of an Events API v2 integration "+
			"(what is here is a secret, so it is not shown)", routingKey)
	}
	d.checkSecure(path+".url", p.URL, "the key")
}

// checkSecure lets a secret out only over TLS, but for this machine.
func (d *document) checkSecure(path, value, secret string) {
	if value == "" || !d.sound(path) {
		return
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme == "https" {
		return // what is no address is said already
	}
	if ip, err := netip.ParseAddr(u.Hostname()); u.Hostname() != "localhost" && (err != nil || !ip.Unmap().IsLoopback()) {
		d.wrong(path, "is not https, and not on this machine, so %s could be read on the way: write https, got %s",
			secret, showURL(d.at[path].text))
	}
}
