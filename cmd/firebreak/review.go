package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/review"
)

type reviewCmd struct {
	server
	Incident string `arg:"" help:"The incident's id."`
	Format   string `help:"md, html or json." enum:"md,html,json" default:"md"`
	Out      string `help:"Write here instead of to the standard output." short:"o" type:"path" placeholder:"FILE"`
}

// Help is what "firebreak review --help" teaches.
func (c *reviewCmd) Help() string {
	return `Writes the document that a post-incident review begins with: what happened and when, a picture of it and of what was measured, who
agreed to which plan, what was refused and what that means, the evidence, what was not done and why, and how it stands to the
targets of the runbook. It leaves room for what only people know. It says nothing that is not in the record: the same record always
gives the same document. The page of --format html needs nothing else: no script, no file, no network.`
}

// Run writes the document. A file that is there already is replaced as a whole, or not at all.
func (c *reviewCmd) Run(a *app) error {
	far := a.progress("reading the record", "", 0, c.Format == "json")
	rec, err := c.record(a.ctx, c.Incident)
	far.end()
	if err != nil {
		return err
	}
	id := incidents.ID(c.Incident)
	d := review.New(rec.Events, review.Options{Incident: id, Series: seriesOf(id.Handler(), rec.Events)})
	var text bytes.Buffer
	switch c.Format {
	case "html":
		err = d.HTML(&text)
	case "json":
		err = d.JSON(&text)
	default:
		err = d.Markdown(&text)
	}
	if err != nil {
		return err
	}
	if c.Out == "" {
		_, err = a.stdout.Write(text.Bytes())
		return err
	}
	return replaceFile(c.Out, text.Bytes())
}

// replaceFile writes a file beside the one that it replaces, and then takes its place.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already where all went well
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
