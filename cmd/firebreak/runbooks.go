package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/alerts/runbooks"
	"github.com/firebreak-sre/firebreak/handlers"
	targets "github.com/firebreak-sre/firebreak/incidents/measure"
)

type runbooksCmd struct {
	List runbooksListCmd `cmd:"" default:"1" help:"All of them by severity: who answers how soon, the targets, the alerts, what to type first, whom else to call, what is practised when."`
	Show runbooksShowCmd `cmd:"" help:"One runbook: what is looked at, decided, changed and never done, and what a person does by hand."`
}

type runbooksListCmd struct{}

// Run prints the index. It needs no server: a person may be without one.
func (runbooksListCmd) Run(a *app) error {
	p := newPage(a)
	p.line(p.bold("RUNBOOKS"))
	for _, l := range runbooks.Levels() {
		p.severity(l)
		for _, r := range runbooks.All() {
			if r.Severity == l.Severity {
				p.runbook(r)
			}
		}
	}
	p.title("PRACTISE")
	p.entry("  ", "Nothing here begins a drill by itself.")
	for _, d := range runbooks.Drills() {
		p.entry(fmt.Sprintf("  %-10s %-18s ", d.Every, d.Name), d.Shows)
	}
	p.line("")
	p.entry("", "One of them: firebreak runbooks show NAME. What each alert is about: firebreak rules list. How incidents went against the targets: firebreak kpi.")
	return nil
}

// severity says what one means, and who is called when.
func (p page) severity(l runbooks.Level) {
	p.title(fmt.Sprintf("%s  respond within %s", l.Severity, brief(l.Respond)))
	p.entry("  ", l.Means)
	var calls []string
	for _, c := range l.Calls {
		calls = append(calls, strings.TrimSpace(c.Who+" "+after(c.After)))
	}
	p.entry("  call     ", strings.Join(calls, "; "))
}

func after(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return "after " + brief(d)
}

// runbook is one entry: what automates it, what is measured, and who must learn of what.
func (p page) runbook(r runbooks.Runbook) {
	p.line("\n  " + p.bold(r.ID+"  "+r.Title))
	families := familiesOf(r.ID)
	p.entry("    show     ", cmp.Or(strings.Join(families, ", "), "nothing automates it yet"))
	if sources := sourcesOf(r.ID); len(sources) > 0 {
		p.entry("    targets  ", strings.Join(sources, "; "))
	}
	p.entry("    alerts   ", strings.Join(alertsOf(r.ID), ", "))
	for i, c := range r.Commands {
		prefix := "             "
		if i == 0 {
			prefix = "    type     "
		}
		p.line(prefix + c)
	}
	for i, e := range r.Escalations {
		prefix := "             "
		if i == 0 {
			prefix = "    tell     "
		}
		within := "at once"
		if e.Within > 0 {
			within = "within " + brief(e.Within)
		}
		p.entry(prefix, fmt.Sprintf("%s: %s %s", e.When, e.Who, within))
	}
}

// alertsOf are the rules that notice what a runbook is for. "firebreak rules list" says what each is about.
func alertsOf(id string) []string {
	var names []string
	for _, row := range runbooks.Rows() {
		if row.Runbook == id {
			names = append(names, row.Alert)
		}
	}
	return names
}

// familiesOf are the failure families that automate a runbook.
func familiesOf(id string) []string {
	return slices.DeleteFunc(handlers.RunbookNames(), func(name string) bool { return targets.Runbook(name) != id })
}

// sourcesOf are a runbook's targets as they are written in it, each once, without what the severity says already.
func sourcesOf(id string) []string {
	var all []string
	for _, t := range targets.Targets() {
		if t.Runbook == id && t.Name != targets.Response && !slices.Contains(all, t.Source) {
			all = append(all, t.Source)
		}
	}
	return all
}

type runbooksShowCmd struct {
	Name string `arg:"" help:"A handler, such as retrystorm, or a runbook's number, such as RB-011."`
}

// Run prints the runbook, or all that a number stands for.
func (c *runbooksShowCmd) Run(a *app) error {
	names := []string{c.Name}
	for _, r := range runbooks.All() {
		if strings.EqualFold(r.ID, c.Name) {
			if names = familiesOf(r.ID); len(names) == 0 {
				return fmt.Errorf("%s (%s) is not automated, and has no page here", r.ID, r.Title)
			}
		}
	}
	p := newPage(a)
	for i, name := range names {
		text, err := handlers.Runbook(name)
		if err != nil {
			return err
		}
		if i > 0 {
			p.line("")
		}
		p.markdown(text)
	}
	return nil
}
