package policy

import (
	"slices"
	"strings"
)

// checkApprovals looks at what each rule is for and whom it names, then for targets that wait for a yes that nobody may give.
func (d *document) checkApprovals(p *Policy) {
	const path = "approvals.rules"
	targets := d.targets(p)
	for i, r := range p.Approvals.Rules {
		here := at(path, i)
		d.checkScope(here, r, targets)
		d.checkPeople(here, r, p)
	}
	if d.sound(path) {
		d.checkAnyone(p, targets)
	}
}

// target is one target, where the file has it and how it writes its name. A name may come from a variable, whose value is never said.
type target struct {
	TargetName
	path, written string
	// named says that its name could be read, allowed that its fixes could be.
	named, allowed bool
}

// targets are those of all handlers, in the order of [Policy.Targets].
func (d *document) targets(p *Policy) []target {
	var list []target
	for _, handler := range handlerNames() {
		n := 0
		for _, t := range p.Targets() {
			if t.Handler != handler {
				continue
			}
			here := at(targetsOf(handler), n)
			n++
			named, written := d.named(handler, here)
			list = append(list, target{
				TargetName: t, path: here, written: written, named: t.Name != "" && named, allowed: d.sound(here + ".fix.allow"),
			})
		}
	}
	return list
}

// targetsOf is the path of a handler's targets.
func targetsOf(handler string) string {
	switch handler {
	case retryStorm:
		return join("handlers", handler) + ".edges"
	case sessionDrift:
		return join("handlers", handler) + ".stores"
	}
	return join("handlers", handler) + ".clusters"
}

// named says whether the name of a handler's target could be read, and how the file writes it.
func (d *document) named(handler, path string) (ok bool, written string) {
	switch handler {
	case retryStorm:
		return d.sound(path+".service", path+".edge"), d.at[path+".service"].text + "/" + d.at[path+".edge"].text
	case sessionDrift:
		return d.sound(path + ".store"), d.at[path+".store"].text
	}
	return d.sound(path + ".cluster"), d.at[path+".cluster"].text
}

// checkScope refuses a rule that is for what is not there: with such a slip nobody could approve what was meant.
func (d *document) checkScope(path string, r ApprovalRule, targets []target) {
	for _, list := range []struct {
		key  string
		text []string
	}{{".handlers", r.Handlers}, {".targets", r.Targets}, {".fixes", r.Fixes}} {
		here := path + list.key
		d.uniqueTexts(here, list.text)
		if d.has(here) && d.sound(here) && len(list.text) == 0 {
			d.wrong(here, "is empty, and an empty list is no list: name some, or take the key out for all of them")
		}
	}
	if !d.sound(path+".handlers", path+".targets") {
		return
	}
	of := "this policy"
	if len(r.Handlers) > 0 {
		of = alternatives(r.Handlers)
		targets = slices.DeleteFunc(slices.Clone(targets), func(t target) bool { return !slices.Contains(r.Handlers, t.Handler) })
	}
	unread := func(handler string) bool { return !d.reached(targetsOf(handler)) }
	if slices.ContainsFunc(handlerNames(), unread) || slices.ContainsFunc(targets, func(t target) bool { return !t.named }) {
		return
	}
	known := true
	for i, name := range r.Targets {
		if !slices.ContainsFunc(targets, func(t target) bool { return t.Name == name }) {
			known = false
			here := at(path+".targets", i)
			d.wrong(here, "%s is no target of %s: %s", d.written(here), of, oneOf(d.at[here].text, writtenNames(targets)))
		}
	}
	if len(r.Targets) > 0 {
		targets = slices.DeleteFunc(slices.Clone(targets), func(t target) bool { return !slices.Contains(r.Targets, t.Name) })
	}
	if known {
		d.checkFixes(path+".fixes", r.Fixes, targets)
	}
}

// writtenNames are the names of targets as the file writes them, each once: a cluster is a target of several handlers.
func writtenNames(targets []target) []string {
	var list []string
	for _, t := range targets {
		if !slices.Contains(list, t.written) {
			list = append(list, t.written)
		}
	}
	return list
}

// checkFixes refuses fixes that none of the targets of a rule allows.
func (d *document) checkFixes(path string, list []string, targets []target) {
	var allowed []string
	for _, t := range targets {
		if !t.allowed {
			return
		}
		allowed = append(allowed, t.Fixes...)
	}
	allowed = slices.DeleteFunc(allFixes(), func(fix string) bool { return !slices.Contains(allowed, fix) })
	for i, fix := range list {
		if here := at(path, i); fix != "" && d.sound(here) && !slices.Contains(allowed, fix) {
			d.wrong(here, "%s is allowed on no target of this rule: %s", fix, oneOf(fix, allowed))
		}
	}
}

// checkPeople looks at whom a rule names: they must exist as far as this file can tell, and be able to answer.
func (d *document) checkPeople(path string, r ApprovalRule, p *Policy) {
	d.uniqueTexts(path+".slack_users", r.SlackUsers)
	d.uniqueTexts(path+".slack_groups", r.SlackGroups)
	d.unique(path+".emails", len(r.Emails), "", func(i int) string { return strings.ToLower(r.Emails[i]) })
	d.uniqueTexts(path+".operators", r.Operators)
	if d.sound(path) && len(r.SlackUsers)+len(r.SlackGroups)+len(r.Emails)+len(r.Operators) == 0 {
		d.wrong(path, "names nobody, so nobody may approve by it: write slack_users, slack_groups, emails or operators, or take the rule out")
	}
	d.checkOperators(path+".operators", r.Operators, p.Server.API.Operators)
	if !d.sound("outcomes.slack") || p.Outcomes.Slack.Buttons() {
		return
	}
	for key, list := range map[string][]string{".slack_users": r.SlackUsers, ".slack_groups": r.SlackGroups, ".emails": r.Emails} {
		if here := path + key; len(list) > 0 && d.sound(here) {
			d.wrong(here, "nobody could press a button: write outcomes.slack with app_token or signing_secret, or name operators instead")
		}
	}
}

// checkOperators holds that the operators of a rule are there, and have the right.
func (d *document) checkOperators(path string, list []string, operators []Operator) {
	const theirs = "server.api.operators"
	var known []string
	if !d.reached(theirs) {
		return
	}
	for i := range operators {
		name := at(theirs, i) + ".name"
		if !d.sound(name) {
			return
		}
		known = append(known, d.at[name].text)
	}
	for i, name := range list {
		here := at(path, i)
		if name == "" || !d.sound(here) {
			continue
		}
		j := slices.IndexFunc(operators, func(o Operator) bool { return o.Name == name })
		switch {
		case len(known) == 0:
			d.wrong(here, "there are no %s: write them there with the right approve, or take the name out", theirs)
		case j < 0:
			d.wrong(here, "%s is not one of %s: %s", d.written(here), theirs, oneOf(d.at[here].text, known))
		case !operators[j].Can(rightApprove) && d.sound(at(theirs, j)+".may"):
			d.wrong(here, "%s has no right approve: add it to %s, or take the name out", d.written(here), at(theirs, j)+".may")
		}
	}
}

// checkAnyone looks for targets whose fixes wait for a yes that nobody may give: all of them in mode approve, those of class P in auto.
func (d *document) checkAnyone(p *Policy, targets []target) {
	for _, t := range targets {
		mode := t.path + ".mode"
		if !Observe.stricter(t.Mode) || !t.named || !t.allowed || !d.sound(mode, join("handlers", t.Handler)+".mode") {
			continue
		}
		if p.mode(t.Handler).stricter(t.Mode) {
			continue // which is said already
		}
		var waiting []string
		for _, fix := range t.Fixes {
			waits := t.Mode == Approve || personal(fix)
			if waits && !slices.Contains(waiting, fix) && p.Approvers(t.Handler, t.Name, fix).Empty() {
				waiting = append(waiting, fix)
			}
		}
		switch {
		case len(waiting) == 0:
		case t.Mode == Approve:
			d.wrong(mode, "nobody may approve %s on %s: name them under approvals.rules, or set mode: observe",
				alternatives(waiting), quote(t.written))
		default:
			d.wrong(t.path+".fix.allow", "nobody may approve %s on %s, which waits for a yes in mode auto too: "+
				"name people under approvals.rules, or take it out of allow", alternatives(waiting), quote(t.written))
		}
	}
}
