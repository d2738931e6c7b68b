package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/firebreak-sre/firebreak/handlers/replay"
)

// comparison is what a policy would have done, beside what was done.
type comparison struct {
	Policy string        `json:"policy"`
	Build  string        `json:"build"`
	Unset  []string      `json:"unset,omitempty"`
	Totals replay.Totals `json:"totals"`
	// Missing counts the incidents for which a look would have been needed that nobody made.
	Missing int `json:"missing"`
	// Failed are those of --fail-on that hold.
	Failed []string `json:"failed,omitempty"`

	differ []replay.Result
}

// against compares. With --json there is one line for each incident that differs, and the comparison last.
func (c *replayCmd) against(a *app, source records) error {
	p, err := loadCandidate(c.Policy, a.env)
	if err != nil {
		return err
	}
	got := comparison{Policy: p.rules.Hash, Build: p.rules.Build, Unset: p.unset}
	e := replay.New(p.rules, got.add)
	far := a.progress("replaying", "messages", 0, c.JSON)
	err = far.over(source)(a.ctx, func(m recorded) error { e.Next(m.Message); return nil })
	far.end()
	if err != nil {
		return err
	}
	got.Totals = e.Finish()
	if got.Totals.Incidents == 0 {
		return errNothing
	}
	slices.SortFunc(got.differ, byOpening)
	for _, what := range c.FailOn {
		if got.holds(what) {
			got.Failed = append(got.Failed, what)
		}
	}
	if err := c.printComparison(a, p, got); err != nil {
		return err
	}
	if len(got.Failed) > 0 {
		fmt.Fprintf(a.stderr, "failed: --fail-on %s\n", strings.Join(got.Failed, ","))
		return exitError{code: 1}
	}
	return nil
}

func (c *replayCmd) printComparison(a *app, p candidate, got comparison) error {
	if !c.JSON {
		p.print(a.stdout, c.Policy)
		got.print(a.stdout, c.Show, c.Since == "" || c.Handler != "" || c.Target != "")
		return nil
	}
	enc := json.NewEncoder(a.stdout)
	for _, r := range got.differ {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return enc.Encode(got)
}

// add takes an incident that has ended.
func (g *comparison) add(r replay.Result) {
	if slices.ContainsFunc(r.Now, func(d replay.Deed) bool { return d.Kind == replay.Missing }) {
		g.Missing++
	}
	if r.Differs {
		g.differ = append(g.differ, r)
	}
}

// holds says whether a reason to fail holds.
func (g *comparison) holds(what string) bool {
	switch what {
	case moreActions:
		return g.moved(func(was, is replay.Kind) bool { return was != replay.Acted && is == replay.Acted }) > 0
	case fewerActions:
		return g.moved(func(was, is replay.Kind) bool { return was == replay.Acted && is != replay.Acted }) > 0
	case newClassP:
		return g.Totals.NewRisky > 0
	case missingLooks:
		return g.Missing > 0
	}
	return g.Totals.Differ > 0
}

func (g *comparison) moved(is func(was, is replay.Kind) bool) int {
	n := 0
	for was, row := range g.Totals.Moves {
		for now, count := range row {
			if is(was, now) {
				n += count
			}
		}
	}
	return n
}
