package policy

import (
	"fmt"
	"strings"
)

// check looks at what the parts of a policy say about each other. Parts that could not be read are left out: what is
// wrong with them is said already.
func (d *document) check(p *Policy) {
	d.checkServer(p.Server)
	d.checkTrust(p.TLS)
	d.checkAPI(p.Server)
	d.checkBus(p.Bus)
	for i, a := range p.Alertmanagers {
		d.checkAlertmanager(at("alertmanagers", i), a)
	}
	d.unique("alertmanagers", len(p.Alertmanagers), ".url", func(i int) string { return p.Alertmanagers[i].URL })
	d.checkOutcomes(p.Outcomes)
	d.checkArchive(p)
	d.checkTracing(p.Tracing)
	d.checkBudget("limits.per_domain", p.Limits.PerDomain)
	d.checkOneAtATime(p.Limits.PerDomain)
	d.checkBudget("limits.per_action", p.Limits.PerAction)
	d.checkBudget("limits.global", p.Limits.Global)
	d.checkGuard(p)
	d.checkApprovals(p)
	d.checkPostgres(p.Postgres)
	d.checkMatches(p)
	d.checkRetryStorm(p.Handlers.RetryStorm)
	d.checkReplicationLag(p)
	d.checkPoolExhaustion(p)
	d.checkSessions(p)
	d.checkSessionDrift(p)
	d.checkAnswers(p)
}

// unique reports elements of a list that say the same as an earlier one. key is the part of an element that counts, such
// as ".url", or "" for the element itself.
func (d *document) unique(path string, n int, key string, value func(int) string) {
	first := map[string]int{}
	for i := range n {
		here := at(path, i) + key
		v := value(i)
		if v == "" || !d.sound(here) {
			continue
		}
		if j, twice := first[v]; twice {
			d.wrong(here, "is the same as %s: take one of the two out", at(path, j)+key)
			continue
		}
		first[v] = i
	}
}

// uniqueTexts is unique for a list of texts.
func (d *document) uniqueTexts(path string, list []string) {
	d.unique(path, len(list), "", func(i int) string { return list[i] })
}

// checkServer looks at who can reach the listener, and who may use it.
func (d *document) checkServer(s Server) {
	d.checkTLS("server.tls", s.TLS)
	d.checkWebhookAuth(s.Webhook)
	const path = "server.listen"
	if !d.sound(path) {
		return
	}
	if said := addressProblem(s.Listen, d.at[path].text); said != "" {
		d.wrong(path, "%s", said)
		return
	}
	if s.exposed() && d.sound("server.webhook", "server.tls") {
		d.wrong(path, "other machines can reach %s, %s", d.written(path), exposedAdvice)
	}
	if s.plain() && d.sound("server.allow_plain", "server.tls") {
		d.wrong(path, "other machines can reach %s, %s", d.written(path), plainAdvice)
	}
}

// checkLogin looks for half of a user name and password.
func (d *document) checkLogin(path, username string, password Secret) {
	switch {
	case !d.sound(path+".username", path+".password", path+".password_file"):
	case username != "" && password == "":
		d.wrong(path+".password", "is missing: username needs it, write password or password_file")
	case username == "" && password != "":
		d.wrong(path+".username", "is missing: password needs it, write the user's name")
	}
}

// either is the first of two paths if the file has it, else the second.
func (d *document) either(a, b string) string {
	if d.has(a) {
		return a
	}
	return b
}

// checkAlertmanager looks for two kinds of credentials, or half of one, and for a receiver without a name.
func (d *document) checkAlertmanager(path string, a Alertmanager) {
	if receiver := path + ".receiver"; blank(a.Receiver) && d.sound(receiver) {
		d.wrong(receiver, "is empty: write the receiver's name in Alertmanager's configuration, or take the key out for firebreak")
	}
	d.checkLogin(path, a.Username, a.Password)
	if d.sound(path) && a.BearerToken != "" && (a.Username != "" || a.Password != "") {
		d.wrong(path+".username", "is set together with a bearer token: keep one of the two")
	}
}

// checkBudget holds Concurrent ≤ Hour ≤ Day.
func (d *document) checkBudget(path string, b Budget) {
	if !d.sound(path) {
		return
	}
	d.ordered(path, "concurrent", b.Concurrent, "hour", b.Hour)
	d.ordered(path, "hour", b.Hour, "day", b.Day)
}

// checkOneAtATime holds what no policy can loosen: two fixes in one failure domain would act on each other.
func (d *document) checkOneAtATime(b Budget) {
	const path = "limits.per_domain.concurrent"
	if d.sound(path) && b.Concurrent > 1 {
		d.wrong(path, "is %d, and one fix at a time stands in a failure domain whatever the policy says: take it out, or write 1", b.Concurrent)
	}
}

// ordered reports two numbers of which the smaller is not the first. It stands at the one that the file has.
func (d *document) ordered(path, small string, a int, large string, b int) {
	if a <= b {
		return
	}
	if d.has(path + "." + large) {
		d.wrong(path+"."+large, "is %d, less than %s (%s): raise it, or lower %s",
			b, small, d.origin(path+"."+small, a), small)
		return
	}
	d.wrong(path+"."+small, "is %d, more than %s (%s): lower it, or raise %s", a, large, d.origin(path+"."+large, b), large)
}

// origin is a number, with a word on whether it is the default.
func (d *document) origin(path string, n int) string {
	if d.has(path) {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d, the default", n)
}

// blank says whether a text has nothing in it.
func blank(s string) bool { return strings.TrimSpace(s) == "" }
