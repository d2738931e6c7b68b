package main

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

type sessionsRestoreCmd struct {
	inStore
	Action string `arg:"" help:"The action that took them: \"firebreak sessions status\" and the incident name it."`
	Yes    bool   `help:"Do not ask."`
}

// Help is what "firebreak sessions restore --help" teaches.
func (c *sessionsRestoreCmd) Help() string {
	return `Gives sessions back that were quarantined, with their contents, and gives sessions back to their old owner that were given to another one and
that the new one has not written yet. A session that somebody has made anew meanwhile is left alone. It may be ordered again: what was
given back stays as it is. While the change still stands in a running server, "firebreak recall" does the same and keeps the record.`
}

// restoreWithin is how long the order may take effect, by the store's clock.
const restoreWithin = time.Minute

// Run shows, asks and restores.
func (c *sessionsRestoreCmd) Run(a *app) error {
	if !c.Yes && (!a.terminal || c.JSON) {
		return a.wrongly("nobody can be asked here: look with \"firebreak sessions status %s\", then add --yes", c.Store)
	}
	o, err := c.open(a)
	if err != nil {
		return err
	}
	defer o.close()
	var list []sessions.Session
	unreadable := 0
	far := a.progress("looking for what it took", "", 0, c.JSON)
	err = eachSession(a.ctx, o.store, sessions.Query{Quarantined: true}, c.Most, &unreadable, func(s sessions.Session) {
		if s.Quarantined != nil && s.Quarantined.Action == c.Action {
			list = append(list, s)
		}
	})
	far.end()
	if err != nil {
		return err
	}
	if !c.JSON {
		item(a.stdout, "", fmt.Sprintf("%d sessions are quarantined by %s in %s.", len(list), c.Action, c.Store))
		for i, s := range list[:min(len(list), mostPrinted)] {
			if i == 0 {
				item(a.stdout, "  until:  ", moment(s.Quarantined.Until, time.Now()))
			}
			item(a.stdout, "  ", s.String())
		}
	}
	if !c.Yes {
		yes, err := a.confirm("Give back what this action took?")
		if err != nil {
			return err
		}
		if !yes {
			fmt.Fprintln(a.stdout, "Nothing was given back.")
			return exitError{1}
		}
	}
	return c.restore(a, o)
}

func (c *sessionsRestoreCmd) restore(a *app, o opened) error {
	m, err := o.store.Membership(a.ctx)
	if err != nil {
		return fmt.Errorf("read the membership: %w", err)
	}
	// What one action took is bounded, so this is enough for all of it.
	order := sessions.Order{Action: "restore-" + strings.ToLower(rand.Text()[:12]), Epoch: m.Epoch, Max: sessions.MostNamed, Deadline: m.At.Add(restoreWithin)}
	answer, err := o.store.Restore(a.ctx, sessions.Restore{Order: order, Undo: c.Action})
	if err != nil {
		return fmt.Errorf("restore %s: %w", c.Action, err)
	}
	if c.JSON {
		err = a.printJSON(answer)
	} else {
		item(a.stdout, "", fmt.Sprintf("%d given back, %d were back already, by action %s.", answer.Count(sessions.Done), answer.Count(sessions.Kept), answer.Action))
	}
	left := 0
	for _, one := range answer.Items {
		if one.Outcome == sessions.Done || one.Outcome == sessions.Kept {
			continue
		}
		if left++; !c.JSON && left <= mostPrinted {
			item(a.stdout, "  not: ", one.String())
		}
	}
	if err == nil && left > 0 {
		err = exitError{1}
	}
	return err
}
