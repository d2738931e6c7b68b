package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/firebreak-sre/firebreak/console/operate"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

type blockedCmd struct {
	server
	JSON bool `help:"One object a line."`
}

// Help is what "firebreak blocked --help" teaches.
func (c *blockedCmd) Help() string {
	return `Lists what stops most first: the kill switch, pauses, maintenance windows, the limits (locks, budgets, cooldowns, storms, what waits for
an "ack"), and then each open incident whose last word is a no, with since when, until when and what lifts it. It exits with 0
whether something is blocked or not; without an answer of the server it exits with 1 and never says "nothing is blocked".`
}

// Run says what is blocked.
func (c *blockedCmd) Run(a *app) error {
	list, raw, err := askAll[operate.Block](a.ctx, c.server, "/api/v1/blocked")
	if err != nil {
		return err
	}
	if c.JSON {
		_, err := a.stdout.Write(raw)
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(a.stdout, "nothing is blocked")
		return nil
	}
	now := time.Now()
	for i, b := range list {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		printBlock(a.stdout, b, now)
	}
	return nil
}

func printBlock(w io.Writer, b operate.Block, now time.Time) {
	reach := b.Where
	if b.What == operate.WhatIncident {
		reach += ", " + b.ID
	}
	item(w, clean(string(b.Reason), 40)+"  ", reach)
	item(w, "  ", b.Words)
	if !b.Since.IsZero() || !b.Until.IsZero() {
		when := ""
		if !b.Since.IsZero() {
			when = "since " + moment(b.Since, now) + ", "
		}
		if b.Until.IsZero() {
			when += "until it is lifted"
		} else {
			when += "until " + moment(b.Until, now)
		}
		item(w, "  ", when)
	}
	item(w, "  lifted by: ", b.Lifts)
}

type budgetCmd struct {
	server
	JSON bool `help:"One object a line."`
}

// Help is what "firebreak budget --help" teaches.
func (c *budgetCmd) Help() string {
	return `Each change costs one of every budget that it is under: of its failure domain, of its action, and of all. HOUR and DAY are spent of
allowed, STANDING those that stand now of how many may at once. NEXT is when one comes back. The limits are in the policy
(limits.per_domain, per_action, global).`
}

// Run shows the budgets.
func (c *budgetCmd) Run(a *app) error {
	list, raw, err := askAll[ledger.Budget](a.ctx, c.server, "/api/v1/budget")
	if err != nil {
		return err
	}
	if c.JSON {
		_, err := a.stdout.Write(raw)
		return err
	}
	now := time.Now()
	w := tabwriter.NewWriter(a.stdout, 2, 8, 2, ' ', 0)
	fmt.Fprintln(w, "SCOPE\tNAME\tHOUR\tDAY\tSTANDING\tNEXT")
	for _, b := range list {
		next := "-"
		if !b.Next.IsZero() {
			next = "in " + brief(b.Next.Sub(now))
		}
		if b.HourUsed >= b.HourMax || b.DayUsed >= b.DayMax {
			next += " (spent)"
		}
		fmt.Fprintf(w, "%s\t%s\t%d/%d\t%d/%d\t%d/%d\t%s\n", b.Scope, orDash(clean(b.Name, 32)), b.HourUsed, b.HourMax, b.DayUsed, b.DayMax,
			b.Standing, b.Concurrent, next)
	}
	return w.Flush()
}
