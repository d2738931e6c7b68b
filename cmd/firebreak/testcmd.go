package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/firebreak-sre/firebreak/handlers/replay"
	"github.com/firebreak-sre/firebreak/handlers/replay/incidentfile"
	"github.com/firebreak-sre/firebreak/incidents"
)

type testCmd struct {
	Paths  []string `arg:"" name:"path" help:"Incident files, or folders with some."`
	Policy string   `required:"" placeholder:"FILE" help:"The policy that is tried on them."`
	Exact  bool     `help:"Besides, every decision must come out as it was recorded, bit for bit."`
	JSON   bool     `help:"One object a line."`
}

// Help is what "firebreak test --help" teaches.
func (c *testCmd) Help() string {
	return `Each incident is replayed by itself. What the policy would do must be what was done, or what the file's own section says:

  "expect": {"deeds": [{"kind": "refused", "reason": "observe"}]}

The deeds are those of a replay in their order, without waiting; of each, only what is written is compared: kind (acted, asked, refused,
missing, paged, off), cause, reason, fix, place, class. An empty list is nothing. Exit status: 0; 1 if any file comes out otherwise, cannot
be read, or if there is none; 2 if it was called wrongly.`
}

// tested is what one file came to.
type tested struct {
	File        string       `json:"file"`
	Incident    incidents.ID `json:"incident,omitempty"`
	Target      string       `json:"target,omitempty"`
	OK          bool         `json:"ok"`
	Differences []string     `json:"differences,omitempty"`
}

// Run tests.
func (c *testCmd) Run(a *app) error {
	p, err := loadCandidate(c.Policy, a.env)
	if err != nil {
		return err
	}
	paths, err := c.files()
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return fmt.Errorf("there is no incident file (*.json) in %s", strings.Join(c.Paths, ", "))
	}
	if !c.JSON {
		p.print(a.stdout, c.Policy)
	}
	far := a.progress("trying the policy", "files", int64(len(paths)), c.JSON)
	defer far.end()
	failed := 0
	for _, path := range paths {
		if a.ctx.Err() != nil {
			return a.ctx.Err()
		}
		t := c.test(path, p.rules)
		far.add(1)
		if !t.OK {
			failed++
		}
		if c.JSON {
			if err := json.NewEncoder(a.stdout).Encode(t); err != nil {
				return err
			}
			continue
		}
		t.print(a.stdout)
	}
	if !c.JSON {
		fmt.Fprintf(a.stdout, "%d of %d come out as they should\n", len(paths)-failed, len(paths))
	}
	if failed > 0 {
		fmt.Fprintf(a.stderr, "%d of %d incidents do not come out as they should\n", failed, len(paths))
		return exitError{code: 1}
	}
	return nil
}

// files are all incident files, those of folders with everything below, in the order of their names.
func (c *testCmd) files() ([]string, error) {
	var all []string
	for _, path := range c.Paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("look for incident files: %w", err)
		}
		if !info.IsDir() {
			all = append(all, path)
			continue
		}
		err = filepath.WalkDir(path, func(found string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && filepath.Ext(found) == ".json" && !strings.HasPrefix(d.Name(), ".") {
				all = append(all, found)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("look for incident files: %w", err)
		}
	}
	return all, nil
}

// test replays one file by itself. One that cannot be read is one that fails.
func (c *testCmd) test(path string, rules replay.Rules) tested {
	t := tested{File: path}
	f, err := readFile(path)
	if err != nil {
		t.Differences = []string{err.Error()}
		return t
	}
	t.Incident, t.Target = f.ID, f.Target
	_, t.Differences, err = f.Try(rules)
	if err == nil && c.Exact {
		var exact []string
		exact, err = inexact(f, rules)
		t.Differences = append(t.Differences, exact...)
	}
	if err != nil {
		t.Differences = append(t.Differences, err.Error())
	}
	t.OK = len(t.Differences) == 0
	return t
}

// inexact says what does not come out bit for bit.
func inexact(f incidentfile.File, rules replay.Rules) ([]string, error) {
	list, err := f.Records()
	if err != nil {
		return nil, err
	}
	checker := replay.NewChecker(rules)
	for _, m := range list {
		checker.Next(m)
	}
	if got := checker.Result(); got.First != nil {
		return []string{fmt.Sprintf("%d of %d decisions are not the same, the first: %s", got.Different, got.Decisions, got.First)}, nil
	}
	return nil, nil
}

func (t tested) print(w io.Writer) {
	word := "ok    "
	if !t.OK {
		word = "FAIL  "
	}
	about := "an incident that cannot be read"
	if t.Incident != "" {
		about = fmt.Sprintf("%s, %s", t.Incident, t.Target)
	}
	item(w, word, about)
	fmt.Fprintf(w, "      %s\n", clean(t.File, 0))
	for _, d := range t.Differences {
		item(w, "      ", d)
	}
}

// inspect reads an incident file for the server.
func inspect(text []byte) (incidents.ID, error) {
	f, err := incidentfile.Read(strings.NewReader(string(text)))
	if err != nil {
		return "", err
	}
	if f.ID == "" {
		return "", errors.New("the incident file has no id")
	}
	return f.ID, nil
}
