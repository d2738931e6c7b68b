package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/replay"
	"github.com/firebreak-sre/firebreak/handlers/replay/incidentfile"
	"github.com/firebreak-sre/firebreak/incidents"
)

type exportCmd struct {
	server
	Incident string `arg:"" optional:"" help:"The incident's id; its file goes to stdout."`
	Since    string `help:"All incidents since then instead, one file each, into --dir: how long ago (24h), or a time." placeholder:"TIME"`
	Until    string `help:"And until then; now if it is not given." placeholder:"TIME"`
	Handler  string `help:"Only this handler's incidents." placeholder:"NAME"`
	Target   string `help:"Only this target's incidents." placeholder:"NAME"`
	Dir      string `short:"d" help:"The folder for the files; it is made if it is not there." type:"path" placeholder:"DIR"`
	Policy   string `help:"The policy of then: hold that the file can still be replayed after its secrets were masked." placeholder:"FILE"`
}

// Help is what "firebreak export --help" teaches.
func (c *exportCmd) Help() string {
	return `The file stands for itself: it is read, replayed and tested without the server. Secrets are masked by their shape, and the file lists
where; names of hosts, services and databases are not. Read it before you give it away.`
}

// Validate refuses what does not go together.
func (c *exportCmd) Validate() error {
	switch {
	case (c.Incident == "") == (c.Since == ""):
		return errors.New("name an incident, or --since 24h for all")
	case c.Since != "" && c.Dir == "":
		return errors.New("--since makes many files: name a folder for them, --dir DIR")
	case c.Since == "" && (c.Until != "" || c.Handler != "" || c.Target != ""):
		return errors.New("--until, --handler and --target go with --since")
	}
	return nil
}

// Run exports.
func (c *exportCmd) Run(a *app) error {
	var rules *replay.Rules
	if c.Policy != "" {
		p, err := loadCandidate(c.Policy, a.env)
		if err != nil {
			return err
		}
		rules = &p.rules
	}
	var source records
	var err error
	if c.Incident != "" {
		source, err = c.incident(a, c.Incident)
	} else {
		source = c.span(a, span{since: c.Since, until: c.Until, handler: c.Handler, target: c.Target})
	}
	if err != nil {
		return err
	}
	far := a.progress("reading records", "messages", 0, false)
	defer far.end()
	order, byID, err := gather(a.ctx, far.over(source), func(id incidents.ID) {
		fmt.Fprintf(a.stderr, "left out: incident %s: %v\n", id, incidentfile.ErrPartial)
	})
	if err != nil {
		return err
	}
	if len(order) == 0 {
		return errors.New("there is nothing to export: no incident was found with its beginning")
	}
	far.next("exporting", "incidents", int64(len(order)))
	for _, id := range order {
		f, err := export(byID[id], rules)
		if err != nil {
			return err
		}
		if err := c.write(a, f); err != nil {
			return err
		}
		far.add(1)
	}
	if rules == nil {
		fmt.Fprintln(a.stderr, "whether it can be replayed was not tried: no --policy was given")
	}
	return nil
}

// export makes a file of a record, and tries it if a policy is at hand.
func export(list []recorded, rules *replay.Rules) (incidentfile.File, error) {
	messages, original := make([]incidentfile.Message, len(list)), make([]replay.Message, len(list))
	for i, m := range list {
		messages[i], original[i] = incidentfile.Message{Seq: m.Seq, At: m.At, Events: m.raw}, m.Message
	}
	f, err := incidentfile.Make(list[0].ID, buildVersion(), time.Now(), messages)
	if err != nil || rules == nil {
		return f, err
	}
	tried, err := f.Check(*rules, original)
	if err != nil {
		return f, fmt.Errorf("export incident %s: %w", f.ID, err)
	}
	f.Replayed = &tried
	return f, nil
}

// write writes one file: to stdout, or into the folder under the incident's name. It is whole or not there, and only for its owner.
func (c *exportCmd) write(a *app, f incidentfile.File) error {
	if c.Dir == "" {
		if err := f.Write(a.stdout); err != nil {
			return err
		}
		c.said(a, f, "")
		return nil
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fmt.Errorf("make the folder for the files: %w", err)
	}
	path := filepath.Join(c.Dir, f.ID.String()+".json")
	temp, err := os.CreateTemp(c.Dir, ".export-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() { _ = os.Remove(temp.Name()) }() // it is gone if it was renamed
	err = errors.Join(f.Write(temp), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	c.said(a, f, path+": ")
	return nil
}

// said tells on stderr what was masked and tried: stdout is the file.
func (c *exportCmd) said(a *app, f incidentfile.File, prefix string) {
	masked := 0
	for _, m := range f.Masked {
		masked += m.Times
	}
	words := fmt.Sprintf("%sincident %s, %d messages, %d secrets masked", prefix, f.ID, len(f.Messages), masked)
	if r := f.Replayed; r != nil {
		words += fmt.Sprintf("; %d of its %d decisions come out identical", r.Identical, r.Decisions)
	}
	fmt.Fprintln(a.stderr, words)
}
