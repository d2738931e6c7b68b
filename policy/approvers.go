package policy

import (
	"slices"
	"strings"
)

// ApproverList is who may say yes to a fix of a target. Empty is nobody.
type ApproverList struct {
	// SlackUsers and SlackGroups are ids; Emails are those of Slack users. Operators are names of server.api.operators.
	SlackUsers, SlackGroups, Emails, Operators []string
}

// Empty says that nobody may.
func (l ApproverList) Empty() bool {
	return len(l.SlackUsers)+len(l.SlackGroups)+len(l.Emails)+len(l.Operators) == 0
}

// Approvers is whom the rules name for a fix of a target of a handler, all of them together, in the order of the policy and each once.
// For a target that the policy does not name, or a fix that it does not allow there, it is nobody. Whoever gets the list may change it.
// It says nothing about the person who asked: they are not to answer themselves, whatever the rules name.
func (p Policy) Approvers(handler, target, fix string) ApproverList {
	var l ApproverList
	known := slices.ContainsFunc(p.Targets(), func(t TargetName) bool {
		return t.Handler == handler && t.Name == target && slices.Contains(t.Fixes, fix)
	})
	if !known || target == "" || fix == "" {
		return l
	}
	for _, r := range p.Approvals.Rules {
		if !r.fits(handler, target, fix) {
			continue
		}
		l.SlackUsers = merge(l.SlackUsers, r.SlackUsers, exactly)
		l.SlackGroups = merge(l.SlackGroups, r.SlackGroups, exactly)
		l.Emails = merge(l.Emails, r.Emails, strings.EqualFold) // as Slack's users are compared with them
		l.Operators = merge(l.Operators, r.Operators, exactly)
	}
	return l
}

// Anyone says whether the rules name anybody who may say yes to a fix of a target. A fix that needs a yes and has nobody to give it is not
// made.
func (p Policy) Anyone(handler, target, fix string) bool {
	return !p.Approvers(handler, target, fix).Empty()
}

// fits says whether a rule is about a fix of a target of a handler.
func (r ApprovalRule) fits(handler, target, fix string) bool {
	covers := func(list []string, one string) bool { return len(list) == 0 || slices.Contains(list, one) }
	return covers(r.Handlers, handler) && covers(r.Targets, target) && covers(r.Fixes, fix)
}

// merge adds what is not there yet. A name that is empty is nobody's: it must never match somebody who has none.
func merge(list, more []string, same func(a, b string) bool) []string {
	for _, one := range more {
		if one != "" && !slices.ContainsFunc(list, func(known string) bool { return same(known, one) }) {
			list = append(list, one)
		}
	}
	return list
}

// exactly says whether two names are the same.
func exactly(a, b string) bool { return a == b }
