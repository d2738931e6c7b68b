package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/firebreak-sre/firebreak/handlers/replay"
)

// checked is what a check came to, as --json prints it.
type checked struct {
	Policy string   `json:"policy"`
	Build  string   `json:"build"`
	Unset  []string `json:"unset,omitempty"`
	replay.Check
}

// check derives every decision again.
func (c *replayCmd) check(a *app, source records) error {
	p, err := loadCandidate(c.Policy, a.env)
	if err != nil {
		return err
	}
	checker := replay.NewChecker(p.rules)
	far := a.progress("deriving decisions", "messages", 0, c.JSON)
	err = far.over(source)(a.ctx, func(m recorded) error { checker.Next(m.Message); return nil })
	far.end()
	if err != nil {
		return err
	}
	got := checked{Policy: p.rules.Hash, Build: p.rules.Build, Unset: p.unset, Check: checker.Result()}
	if got.Incidents == 0 && got.Decisions == 0 {
		return errNothing
	}
	if c.JSON {
		err = json.NewEncoder(a.stdout).Encode(got)
	} else {
		p.print(a.stdout, c.Policy)
		got.print(a.stdout)
	}
	if err == nil && got.Unexplained > 0 {
		fmt.Fprintf(a.stderr, "%d decisions of this very policy and build came out otherwise\n", got.Unexplained)
		err = exitError{code: 1}
	}
	return err
}

func (c checked) print(w io.Writer) {
	fmt.Fprintln(w)
	rows := []struct {
		n     int
		words string
	}{
		{c.Incidents, "incidents"},
		{c.Decisions, "decisions"},
		{c.Identical, "derived again, identical bit for bit"},
		{c.Different, "derived again, different"},
		{c.Partial, "not derived: the beginning of their records is not kept"},
		{c.OtherPolicy, "were made under another policy"},
		{c.OtherBuild, "were made by another build"},
		{c.Unsaid, "do not say under which policy they were made (an older build)"},
	}
	for i, r := range rows {
		if r.n > 0 || i < 4 {
			fmt.Fprintf(w, "%8d  %s\n", r.n, r.words)
		}
	}
	if c.First != nil {
		heading(w, "THE FIRST DIFFERENCE")
		item(w, "  ", c.First.String())
	}
	fmt.Fprintln(w)
	switch {
	case c.Unexplained > 0:
		item(w, "", fmt.Sprintf("%d of those were made under this very policy and by this very build. That must not be: the record was changed, or a decision rests on something that is not in it.", c.Unexplained))
	case c.Different > 0:
		item(w, "", "What differs was decided under another policy, by another build, or by one that did not say: it shows nothing about whether decisions can be derived.")
	case c.Identical == 0:
		item(w, "", "Nothing could be derived.")
	default:
		item(w, "", "Every decision came out the same.")
	}
}
