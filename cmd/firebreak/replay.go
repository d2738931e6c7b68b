package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/firebreak-sre/firebreak/console/recordings"
)

// instantly is the speed without any waiting.
const instantly = "instant"

// The reasons for which a comparison ends with exit status 1.
const (
	moreActions  = "more-actions"
	fewerActions = "fewer-actions"
	newClassP    = "new-class-P"
	missingLooks = "missing"
	anyDiffer    = "any"
)

type replayCmd struct {
	server
	Incident string   `arg:"" optional:"" help:"The incident's id."`
	Since    string   `help:"All incidents since then instead: how long ago (24h), or a time (2026-11-22T12:00:00Z)." placeholder:"TIME"`
	Until    string   `help:"And until then; now if it is not given." placeholder:"TIME"`
	Handler  string   `help:"Only this handler's incidents." placeholder:"NAME"`
	Target   string   `help:"Only this target's incidents." placeholder:"NAME"`
	File     []string `short:"f" help:"Read these incident files, and ask no server." type:"existingfile" placeholder:"FILE"`
	Imported bool     `help:"The incident is one that was imported."`
	Speed    string   `help:"How fast the story is told: 1x, 10x, instant." default:"instant"`
	To       string   `help:"Tell it again on this subject of the bus, which must begin with replay." placeholder:"SUBJECT"`
	Policy   string   `help:"Say what this policy would have done." placeholder:"FILE"`
	Check    bool     `help:"With --policy: derive every decision again, and compare it with the record bit for bit."`
	FailOn   []string `help:"With --policy: exit with 1 for more-actions, fewer-actions, new-class-P, missing or any." placeholder:"WHAT,..."`
	Show     int      `help:"With --policy: print so many incidents that differ." default:"20"`
	JSON     bool     `help:"JSON, one object a line."`
}

// Help is what "firebreak replay --help" teaches.
func (c *replayCmd) Help() string {
	return `Without --policy it tells the story from the record alone. With --policy it runs the recorded looks through another policy
and says what that would have done: nothing is reached, and nothing can be. What nobody looked at is not known, and is said to be
"missing"; from the first change that differs on, what would have followed is "unknown". Limits are simulated from an empty ledger and
count only what is replayed.

Exit status: 0; 1 if --check finds a decision of the same policy and the same build that comes out otherwise, or if --fail-on holds; 2 if
it was called wrongly. --fail-on: more-actions (a change in an incident that had none), fewer-actions (none in one that had some),
new-class-P (a change for people's approval, or one made with it, in an incident without), missing (a look would have been needed that
nobody made), any (any incident differs).`
}

// Validate refuses what does not go together.
func (c *replayCmd) Validate() error {
	sources := 0
	for _, given := range []bool{c.Incident != "", c.Since != "", len(c.File) > 0} {
		if given {
			sources++
		}
	}
	known := []string{moreActions, fewerActions, newClassP, missingLooks, anyDiffer}
	_, speedErr := speedOf(c.Speed)
	switch {
	case sources == 0:
		return errors.New("name an incident, or --since 24h for all, or --file")
	case sources > 1:
		return errors.New("name one of an incident, --since and --file")
	case c.Since == "" && (c.Until != "" || c.Handler != "" || c.Target != ""):
		return errors.New("--until, --handler and --target go with --since")
	case c.Imported && c.Incident == "":
		return errors.New("--imported goes with an incident's id")
	case c.Check && c.Policy == "":
		return errors.New("--check needs the policy of then: --policy FILE")
	case c.Check && len(c.FailOn) > 0, c.Policy == "" && len(c.FailOn) > 0:
		return errors.New("--fail-on goes with --policy, and not with --check")
	case c.To != "" && c.Policy != "":
		return errors.New("--to and --policy are two different things: name one")
	case speedErr != nil:
		return speedErr
	case c.Speed != instantly && c.Policy != "":
		return errors.New("--speed is for a story, and --policy tells none")
	}
	for _, what := range c.FailOn {
		if !slices.Contains(known, what) {
			return fmt.Errorf("--fail-on %s: write some of %s", what, strings.Join(known, ","))
		}
	}
	if c.To != "" {
		return recordings.CheckSubject(c.To)
	}
	return nil
}

// speedOf reads a speed; 0 is without waiting.
func speedOf(text string) (float64, error) {
	if text == instantly {
		return 0, nil
	}
	number, ok := strings.CutSuffix(text, "x")
	speed, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || speed < 0.01 || speed > 10_000 {
		return 0, fmt.Errorf("--speed %s: write 1x, 10x or instant", text)
	}
	return speed, nil
}

// Run replays.
func (c *replayCmd) Run(a *app) error {
	source, err := c.source(a)
	if err != nil {
		return err
	}
	switch {
	case c.Check:
		return c.check(a, source)
	case c.Policy != "":
		return c.against(a, source)
	case c.To != "":
		return c.send(a, source)
	}
	return c.tell(a, source)
}

// source is where the past is read.
func (c *replayCmd) source(a *app) (records, error) {
	switch {
	case len(c.File) > 0:
		return filesAt(c.File)
	case c.Imported:
		return c.imported(a.ctx, c.Incident)
	case c.Incident != "":
		return c.incident(a, c.Incident)
	}
	return c.span(a, span{since: c.Since, until: c.Until, handler: c.Handler, target: c.Target}), nil
}
