package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/console/operate"
)

type approvalsCmd struct {
	server
	JSON bool `help:"One object a line."`
}

// Help is what "firebreak approvals --help" teaches.
func (c *approvalsCmd) Help() string {
	return `A fix of class P needs the yes of one person, one of class P2 of two different ones; in mode approve every fix needs one. A yes is for one
plan: if the world has moved, it is asked for anew, with what is different. Who answers in time can also say no ("firebreak deny").`
}

// Run lists what waits.
func (c *approvalsCmd) Run(a *app) error {
	list, raw, err := askAll[operate.Approval](a.ctx, c.server, "/api/v1/approvals")
	if err != nil {
		return err
	}
	if c.JSON {
		_, err := a.stdout.Write(raw)
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(a.stdout, "nothing waits for approval")
		return nil
	}
	for i, ap := range list {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		printApproval(a.stdout, ap, time.Now())
		command(a.stdout, fmt.Sprintf("answer: firebreak approve %s --plan %.12s", ap.Incident, ap.Plan))
	}
	return nil
}

// printApproval shows all that somebody says yes to.
func printApproval(w io.Writer, ap operate.Approval, now time.Time) {
	item(w, clean(ap.Incident.String(), 64)+"  ", ap.Target)
	item(w, "  fix:    ", stepWords(ap.Step))
	item(w, "          ", fmt.Sprintf("ends by itself unless it is renewed within %s; %s", ap.Step.TTL, rampWords(planned{Step: ap.Step})))
	item(w, "  why:    ", ap.Cause+": "+ap.Why)
	for i, e := range ap.Evidence {
		prefix := "          "
		if i == 0 {
			prefix = "  seen:   "
		}
		item(w, prefix, e.Words)
	}
	for _, changed := range ap.Changed {
		item(w, "  new:    ", changed)
	}
	item(w, "  agreed: ", agreedWords(ap))
	item(w, "  until:  ", moment(ap.Until, now))
	item(w, "  plan:   ", fmt.Sprintf("%.12s, class %s", ap.Plan, ap.Class))
}

func agreedWords(ap operate.Approval) string {
	words := fmt.Sprintf("%d of %d", ap.Have, ap.Need)
	names := make([]string, len(ap.By))
	for i, p := range ap.By {
		names[i] = p.Name
	}
	if len(names) > 0 {
		words += " (" + strings.Join(names, ", ") + ")"
	}
	if ap.Requested != nil {
		words += "; asked for by " + ap.Requested.Name + ", who cannot approve it"
	}
	return words
}

// asked finds the plan that an answer is about. A prefix must fit the plan that is asked about now.
func (o operator) asked(a *app, incident string, plan *string) (operate.Approval, error) {
	list, _, err := askAll[operate.Approval](a.ctx, o.server, "/api/v1/approvals")
	if err != nil {
		return operate.Approval{}, err
	}
	for _, ap := range list {
		if ap.Incident.String() != incident {
			continue
		}
		if plan != nil && !strings.HasPrefix(ap.Plan, *plan) {
			return operate.Approval{}, fmt.Errorf("%s asks about another plan by now, %.12s: read it with \"firebreak approvals\"", incident, ap.Plan)
		}
		return ap, nil
	}
	return operate.Approval{}, fmt.Errorf("nothing is asked for in %s: it was answered, withdrawn, or is over (\"firebreak explain %s\" says which)", incident, incident)
}

// minPlan is how much of a plan's hash names it, in hex digits.
const minPlan = 8

type approveCmd struct {
	operator
	Incident string  `arg:"" help:"The incident's id."`
	Plan     *string `help:"The plan that you have read: the beginning of its hash, at least 8 digits. Another one is refused." placeholder:"HASH"`
	Yes      bool    `help:"Do not ask. Better with --plan, or you say yes to what you have not seen."`
	JSON     bool    `help:"The answer as JSON."`
}

// Help is what "firebreak approve --help" teaches.
func (c *approveCmd) Help() string {
	return `Shows the plan and asks. The yes is for exactly what was shown: if it is another plan when the answer arrives, the answer is refused.
Before the change is made the plan is built again from a fresh look, and must still be the same. It needs a token of an operator
with the right approve, whom the policy also names for this fix.`
}

// Run shows, asks and approves.
func (c *approveCmd) Run(a *app) error {
	switch {
	case c.Plan != nil && len(*c.Plan) < minPlan:
		return a.wrongly("--plan %q: give at least the first %d digits of the hash", *c.Plan, minPlan)
	case !c.Yes && (!a.terminal || c.JSON):
		return a.wrongly("nobody can be asked here: read the plan with \"firebreak approvals\", then add --plan HASH --yes")
	}
	ap, err := c.asked(a, c.Incident, c.Plan)
	if err != nil {
		return err
	}
	if !c.JSON {
		printApproval(a.stdout, ap, time.Now())
	}
	if !c.Yes {
		yes, err := a.confirm("Approve exactly this plan?")
		if err != nil {
			return err
		}
		if !yes {
			fmt.Fprintln(a.stdout, "Not approved, and not denied: it still waits.")
			return exitError{1}
		}
	}
	answer, err := c.about(a.ctx, c.Incident, "approve", operate.AnswerOrder{Asking: ap.Asking, Plan: ap.Plan})
	if err != nil {
		return err
	}
	if c.JSON {
		_, err := a.stdout.Write(answer)
		return err
	}
	got, err := decoded[operate.Answered](answer)
	if err != nil {
		return err
	}
	if got.Have < got.Need {
		item(a.stdout, "", fmt.Sprintf("Your yes is recorded: %d of %d. The change waits for somebody else's.", got.Have, got.Need))
		return nil
	}
	item(a.stdout, "", "Approved. The change is made if a fresh look asks for the same plan; see it with:")
	command(a.stdout, "firebreak incidents show "+c.Incident)
	return nil
}

// confirm asks whoever sits at the terminal. Everything but a yes is a no.
func (a *app) confirm(question string) (bool, error) {
	fmt.Fprint(a.stdout, question+" [y/N] ")
	said := make(chan string, 1)
	go func() { // it ends with the line, or with the program
		line, _ := bufio.NewReader(a.stdin).ReadString('\n') // an end of the input is a no
		said <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case line := <-said:
		return line == "y" || line == "yes", nil
	case <-a.ctx.Done():
		fmt.Fprintln(a.stdout)
		return false, a.ctx.Err()
	}
}

type denyCmd struct {
	operator
	Incident string  `arg:"" help:"The incident's id."`
	Plan     *string `help:"The plan that you have read: the beginning of its hash, at least 8 digits. Another one is refused." placeholder:"HASH"`
	Reason   string  `help:"Why, for the record." placeholder:"TEXT"`
	JSON     bool    `help:"The answer as JSON."`
}

// Help is what "firebreak deny --help" teaches.
func (c *denyCmd) Help() string {
	return `One no is enough, however many have said yes. The same plan is not asked for again in this incident; another one can be.`
}

// Run denies.
func (c *denyCmd) Run(a *app) error {
	if c.Plan != nil && len(*c.Plan) < minPlan {
		return a.wrongly("--plan %q: give at least the first %d digits of the hash", *c.Plan, minPlan)
	}
	ap, err := c.asked(a, c.Incident, c.Plan)
	if err != nil {
		return err
	}
	answer, err := c.about(a.ctx, c.Incident, "deny", operate.AnswerOrder{Asking: ap.Asking, Plan: ap.Plan, Reason: c.Reason})
	if err != nil {
		return err
	}
	if c.JSON {
		_, err := a.stdout.Write(answer)
		return err
	}
	item(a.stdout, "", fmt.Sprintf("Denied: %s. It is not asked for again in this incident.", stepWords(ap.Step)))
	return nil
}
