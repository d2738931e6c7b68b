package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/firebreak-sre/firebreak/console"
	"github.com/firebreak-sre/firebreak/incidents"
)

type incidentsCmd struct {
	List  incidentsListCmd  `cmd:"" default:"withargs" help:"Incidents, newest first."`
	Show  incidentsShowCmd  `cmd:"" help:"One incident's whole timeline."`
	Watch incidentsWatchCmd `cmd:"" help:"Every event of every incident, as it happens."`
}

type incidentsListCmd struct {
	server
	Since time.Duration `help:"How far back." default:"168h"`
	Open  bool          `help:"Only those that have not ended."`
	JSON  bool          `help:"One object a line."`
}

// Run prints a table, or JSON lines.
func (c *incidentsListCmd) Run(a *app) error {
	body, err := c.get(a.ctx, "/api/v1/incidents", url.Values{"since": {c.Since.String()}})
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	w := tabwriter.NewWriter(a.stdout, 2, 8, 2, ' ', 0)
	n := 0
	err = eachLine(body, func(s incidents.Summary, line []byte) error {
		if c.Open && s.Stage == incidents.Ended {
			return nil
		}
		n++
		if c.JSON {
			_, err := a.stdout.Write(line)
			return err
		}
		if n == 1 {
			fmt.Fprintln(w, "INCIDENT\tOPENED\tTARGET\tALERT\tSTATE\tCAUSE\tFIX\tWORDS")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, stamp(s.OpenedAt), clean(s.Target, 40), clean(s.Alert, 40),
			standing(s), orDash(s.Cause), orDash(s.Fix), clean(s.Words, 80))
		return nil
	})
	if err != nil {
		return err
	}
	if n == 0 && !c.JSON {
		fmt.Fprintf(a.stdout, "no incidents in the last %s\n", c.Since)
	}
	return w.Flush()
}

// standing is an outcome if there is one, else where it stands.
func standing(s incidents.Summary) string {
	switch {
	case s.Outcome != "":
		return string(s.Outcome)
	case s.Refused != "":
		return "refused: " + s.Refused
	}
	return string(s.Stage)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

type incidentsShowCmd struct {
	server
	ID   string `arg:"" help:"The incident's id."`
	JSON bool   `help:"The whole record as JSON, one event a line."`
}

// Run prints the timeline.
func (c *incidentsShowCmd) Run(a *app) error {
	if _, err := incidents.ParseID(c.ID); err != nil {
		return err
	}
	body, err := c.get(a.ctx, "/api/v1/incidents/"+url.PathEscape(c.ID), nil)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	var rec console.Record
	if err := json.NewDecoder(body).Decode(&rec); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	if c.JSON {
		enc := json.NewEncoder(a.stdout)
		for _, e := range rec.Events {
			if err := enc.Encode(e); err != nil {
				return err
			}
		}
		return nil
	}
	return printRecord(a.stdout, rec)
}

// printRecord prints an incident as people read it: what, how it stands, then every event with its time since the first.
func printRecord(w io.Writer, rec console.Record) error {
	s := rec.Summary
	fmt.Fprintf(w, "%s  %s  %s\n", s.ID, clean(s.Target, 80), standing(s))
	if s.Words != "" {
		fmt.Fprintf(w, "%s\n", clean(s.Words, 0))
	}
	fmt.Fprintf(w, "opened %s", stamp(s.OpenedAt))
	if !s.ClosedAt.IsZero() {
		fmt.Fprintf(w, ", closed %s, after %s", stamp(s.ClosedAt), s.ClosedAt.Sub(s.OpenedAt).Round(time.Millisecond))
	}
	fmt.Fprint(w, "\n\n")
	for _, e := range rec.Events {
		fmt.Fprintf(w, "%10s  %-15s  %s\n", since(s.OpenedAt, e.At), e.Kind, clean(e.Words(), 0))
	}
	return nil
}

func since(start, at time.Time) string {
	return fmt.Sprintf("+%.3fs", at.Sub(start).Seconds())
}

type incidentsWatchCmd struct {
	server
	Since time.Duration `help:"Begin this far back." default:"0s"`
	JSON  bool          `help:"One object a line."`
}

// Run prints until it is interrupted. When the server goes away it says so and exits 1.
func (c *incidentsWatchCmd) Run(a *app) error {
	body, err := c.get(a.ctx, "/api/v1/incidents/watch", url.Values{"since": {c.Since.String()}})
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	err = eachLine(body, func(l console.Line, line []byte) error {
		if c.JSON {
			_, err := a.stdout.Write(line)
			return err
		}
		_, err := fmt.Fprintf(a.stdout, "%s  %s  %-15s  %s\n", l.Event.At.Local().Format("15:04:05.000"), l.ID, l.Event.Kind, clean(l.Event.Words(), 0))
		return err
	})
	if a.ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return nil
	}
	if err == nil {
		return errors.New("the server has ended the watch")
	}
	return err
}
