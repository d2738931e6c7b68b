package main

import (
	"fmt"
	"strings"

	"github.com/firebreak-sre/firebreak/console/operate"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
)

type ackCmd struct {
	operator
	Incident string `arg:"" help:"The incident's id."`
	Note     string `help:"What you saw, for the record." placeholder:"TEXT"`
	JSON     bool   `help:"The answer as JSON."`
}

// Help is what "firebreak ack --help" teaches.
func (c *ackCmd) Help() string {
	return `After a risky change, and after one that ended in doubt, nothing more is changed in the failure domain until a person has looked and
says so. The same word begins a new count for a target that was fixed again and again. It is taken once nothing of the incident
stands any more.`
}

// Run acknowledges.
func (c *ackCmd) Run(a *app) error {
	answer, err := c.about(a.ctx, c.Incident, "ack", operate.ReasonOrder{Reason: c.Note})
	if err != nil {
		return err
	}
	if c.JSON {
		_, err := a.stdout.Write(answer)
		return err
	}
	got, err := decoded[operate.Acked](answer)
	if err != nil {
		return err
	}
	if len(got.Lifted) == 0 {
		item(a.stdout, "", got.Incident.String()+" is acknowledged. Nothing waited for it.")
		return nil
	}
	item(a.stdout, "", fmt.Sprintf("%s is acknowledged. No longer refused because of it: %s.", got.Incident, strings.Join(got.Lifted, ", ")))
	return nil
}

type recallCmd struct {
	operator
	Incident string `arg:"" help:"The incident's id."`
	Reason   string `help:"Why, for the record." required:"" placeholder:"TEXT"`
	JSON     bool   `help:"The answer as JSON."`
}

// Help is what "firebreak recall --help" teaches.
func (c *recallCmd) Help() string {
	return `The change of the incident is taken back at once, and no other one is made in that incident. It is the order to give when a change
does harm. Taking back is never refused by a pause, a budget or the kill switch.`
}

// Run recalls.
func (c *recallCmd) Run(a *app) error {
	answer, err := c.about(a.ctx, c.Incident, "recall", operate.ReasonOrder{Reason: c.Reason})
	if err != nil {
		return err
	}
	if c.JSON {
		_, err := a.stdout.Write(answer)
		return err
	}
	item(a.stdout, "", "The change of "+c.Incident+" is being taken back. See it with:")
	command(a.stdout, "firebreak incidents show "+c.Incident)
	return nil
}

type actCmd struct {
	operator
	Incident   string `arg:"" help:"The incident's id."`
	AsOperator bool   `help:"Say that you take it upon yourself."`
	Reason     string `help:"Why, for the record. Required with --as-operator." placeholder:"TEXT"`
	JSON       bool   `help:"The answer as JSON."`
}

// breakGlass says what an override does, and what it never does.
const breakGlass = `The next change of this incident passes, once and within the next ten minutes: pauses, the kill switch, maintenance windows, a
silence, mode observe, cooldowns, budgets, storms and what waits for an "ack". It is spent from every budget all the same, and your name
and reason are in the record.

It never passes what protects the target: another change that stands there or in its failure domain, a fix that the policy does
not name, an alert that resolved, a clock that is wrong. The plan is still made from fresh looks, it is still bounded and taken back by
itself, and a fix of class P or P2 still needs the yes of somebody else than you.`

// Help is what "firebreak act --help" teaches.
func (c *actCmd) Help() string {
	return breakGlass + `

  firebreak explain INCIDENT                                  what it would do
  firebreak act INCIDENT --as-operator --reason "users first"`
}

// Run orders an override. Without --as-operator it says what that means, and what would be done.
func (c *actCmd) Run(a *app) error {
	if !c.AsOperator {
		return c.explain(a)
	}
	if strings.TrimSpace(c.Reason) == "" {
		return a.wrongly("--as-operator needs --reason: others will read it in the record")
	}
	answer, err := c.about(a.ctx, c.Incident, "override", operate.ReasonOrder{Reason: c.Reason})
	if err != nil {
		return err
	}
	if c.JSON {
		_, err := a.stdout.Write(answer)
		return err
	}
	item(a.stdout, "", "The next change of "+c.Incident+" passes the brakes, once and within the next ten minutes. See it with:")
	command(a.stdout, "firebreak incidents show "+c.Incident)
	return nil
}

// explain says what the order would mean. It is not an error of the server, and it is not done: so it is 2.
func (c *actCmd) explain(a *app) error {
	rec, err := c.record(a.ctx, c.Incident)
	if err != nil {
		return err
	}
	st := incidents.Fold(rec.Events)
	for _, paragraph := range strings.Split(breakGlass, "\n\n") {
		item(a.stderr, "", paragraph)
		fmt.Fprintln(a.stderr)
	}
	switch {
	case !st.Open():
		item(a.stderr, "", c.Incident+" has ended, so there is nothing to let pass.")
	case st.Refusal != nil && neverPassed(st.Refusal.Reason):
		item(a.stderr, "", fmt.Sprintf("%s is refused for %s now, which no person's order passes: %s", c.Incident, st.Refusal.Reason, st.Refusal.Words))
	default:
		item(a.stderr, "What it would do: ", wouldDo(st))
		item(a.stderr, "", "If that is what you want:")
		command(a.stderr, fmt.Sprintf("firebreak act %s --as-operator --reason \"…\"", c.Incident))
	}
	return exitError{2}
}

// neverPassed are the refusals that an override does not help with.
func neverPassed(r remediations.Reason) bool {
	switch r {
	case remediations.ReasonResolved, remediations.ReasonNotAllowed, remediations.ReasonTargetBusy, remediations.ReasonProbeUnknown,
		remediations.ReasonPlanChanged, remediations.ReasonTooLate, remediations.ReasonNewerRecord, remediations.ReasonClass:
		return true
	}
	return false
}
