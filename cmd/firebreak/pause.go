package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/firebreak-sre/firebreak/console/operate"
	"github.com/firebreak-sre/firebreak/remediations/guard"
)

type pauseCmd struct {
	operator
	Reason  string        `help:"Why: colleagues read it while nothing is fixed." required:"" placeholder:"TEXT"`
	For     time.Duration `help:"How long, such as 30m or 2h. Without it: until somebody resumes." placeholder:"DURATION"`
	Handler string        `help:"Only this handler, such as retrystorm." placeholder:"NAME"`
	Domain  string        `help:"Only this failure domain." placeholder:"NAME"`
	JSON    bool          `help:"The pause as JSON."`
}

// Help is what "firebreak pause --help" teaches.
func (c *pauseCmd) Help() string {
	return `While a pause stands no change is started where it holds; incidents are still opened, looked at and told of. What stands already is
still given back on time: to have it taken back now, use "firebreak recall".

  firebreak pause --reason "deploying checkout" --for 30m --domain checkout
  firebreak resume p1`
}

// Run pauses.
func (c *pauseCmd) Run(a *app) error {
	if c.For < 0 {
		return a.wrongly("--for %s: write how long, such as 30m or 2h", c.For)
	}
	o := operate.PauseOrder{Reason: c.Reason, Handler: c.Handler, Domain: c.Domain}
	if c.For > 0 {
		o.For = c.For.String()
	}
	answer, err := c.order(a.ctx, http.MethodPost, "/api/v1/pauses", nil, o)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err := a.stdout.Write(answer)
		return err
	}
	p, err := decoded[guard.Pause](answer)
	if err != nil {
		return err
	}
	item(a.stdout, "", fmt.Sprintf("%s: no change is started %s, %s.", p.ID, where(p), until(p)))
	item(a.stdout, "", "What stands already is still given back on time. End the pause with:")
	command(a.stdout, "firebreak resume "+p.ID)
	return nil
}

// where is what a pause holds for, in the words of a sentence.
func where(p guard.Pause) string {
	switch {
	case p.Handler != "" && p.Domain != "":
		return fmt.Sprintf("by handler %s in failure domain %s", p.Handler, p.Domain)
	case p.Handler != "":
		return "by handler " + p.Handler
	case p.Domain != "":
		return "in failure domain " + p.Domain
	}
	return "anywhere"
}

func until(p guard.Pause) string {
	if p.Until.IsZero() {
		return "until somebody resumes"
	}
	return "until " + moment(p.Until, time.Now())
}

type resumeCmd struct {
	operator
	ID     string `arg:"" optional:"" help:"The pause to end, such as p1. Without it: all of them."`
	Reason string `help:"Why, for the server's log." placeholder:"TEXT"`
	JSON   bool   `help:"The pauses that were ended, as JSON."`
}

// Help is what "firebreak resume --help" teaches.
func (c *resumeCmd) Help() string {
	return `"firebreak blocked" lists the pauses that stand. Resuming does not touch the kill switch.`
}

// Run ends pauses.
func (c *resumeCmd) Run(a *app) error {
	var query url.Values
	if c.ID != "" {
		query = url.Values{"id": {c.ID}}
	}
	answer, err := c.order(a.ctx, http.MethodDelete, "/api/v1/pauses", query, operate.ReasonOrder{Reason: c.Reason})
	if err != nil {
		return err
	}
	if c.JSON {
		_, err := a.stdout.Write(answer)
		return err
	}
	r, err := decoded[operate.Resumed](answer)
	if err != nil {
		return err
	}
	if len(r.Resumed) == 0 {
		fmt.Fprintln(a.stdout, "no pause stands")
	}
	for _, p := range r.Resumed {
		item(a.stdout, "", fmt.Sprintf("%s is over: %s had paused %s: %s", p.ID, p.By, where(p), p.Reason))
	}
	return nil
}

type killSwitchCmd struct {
	operator
	To     string `arg:"" name:"on|off" enum:"on,off" help:"on: no change is started any more. off: changes may be started again."`
	Reason string `help:"Why: whoever finds the switch like this must know." required:"" placeholder:"TEXT"`
	JSON   bool   `help:"The state of the switch and the pauses, as JSON."`
}

// Help is what "firebreak kill-switch --help" teaches.
func (c *killSwitchCmd) Help() string {
	return `"on" stops Firebreak from starting any change, on all replicas, until somebody says "off". What stands already is still given back on
time. If the server cannot be reached, two other means do the same for one replica, and need neither bus nor API: create its stop
file (guard.stop_file in the policy), or send SIGUSR1 to its process.

  firebreak kill-switch on --reason "it fights our failover"
  firebreak kill-switch off --reason "failover done"`
}

// Run throws the switch.
func (c *killSwitchCmd) Run(a *app) error {
	method := http.MethodPost
	if c.To == "off" {
		method = http.MethodDelete
	}
	answer, err := c.order(a.ctx, method, "/api/v1/kill-switch", nil, operate.ReasonOrder{Reason: c.Reason})
	switch {
	case err != nil && c.To == "on":
		return fmt.Errorf("%w\nTo stop a replica without its API: create its stop file (guard.stop_file in the policy), or send SIGUSR1 to its process", err)
	case err != nil:
		return err
	}
	if c.JSON {
		_, err := a.stdout.Write(answer)
		return err
	}
	g, err := decoded[operate.Guarded](answer)
	if err != nil {
		return err
	}
	printSwitch(a.stdout, g, c.To == "on")
	return nil
}

// printSwitch says what holds now, and what else does.
func printSwitch(w io.Writer, g operate.Guarded, on bool) {
	switch {
	case on:
		item(w, "", "The kill switch is ON: no change is started any more, on any replica. What stands already is still given back on time.")
		item(w, "", "Let it go with:")
		command(w, `firebreak kill-switch off --reason "…"`)
		return
	case g.Acting:
		item(w, "", "The kill switch is OFF: changes may be started again.")
	default:
		item(w, "", "Your switch is off, and changes are still not started, because another means says no:")
		for _, s := range g.Switches {
			if s.Off {
				item(w, "  ", switchWords(s))
			}
		}
	}
	for _, p := range g.Pauses {
		item(w, "", fmt.Sprintf("Pause %s still stands %s, %s: %s", p.ID, where(p), until(p), p.Reason))
	}
}

func switchWords(s guard.Switch) string {
	words := map[guard.Means]string{guard.MeansFile: "the stop file " + s.Path + " on the server's machine",
		guard.MeansProcess: "the server's process was told to stop (SIGUSR2 lets it go)", guard.MeansDocument: "the shared switch"}[s.Means]
	switch {
	case s.Unread != "":
		words += " cannot be read: " + s.Unread
	case s.Reason != "":
		words += ": " + s.Reason
	}
	return words
}
