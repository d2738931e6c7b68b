package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/firebreak-sre/firebreak/incidents/archive"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/prometheus/client_golang/prometheus"
)

// withArchive adds what keeps incidents in PostgreSQL, if the policy names a place. Nothing waits for it.
func (d *daemon) withArchive(parts []part, reg prometheus.Registerer) ([]part, error) {
	p := d.policy.Archive
	if p == nil {
		return parts, nil
	}
	a, err := archive.New(d.bus, archive.Config{URL: p.URL.Reveal(), Schema: p.Schema, Keep: p.Keep.D(), Metrics: reg, Log: d.log})
	if err != nil {
		return nil, err
	}
	return append(parts, part{"archive", a.Run}), nil
}

type archiveCmd struct {
	Migrate archiveMigrateCmd `cmd:"" help:"Make the tables and views of the archive, or bring them up to date."`
	Status  archiveStatusCmd  `cmd:"" help:"Say how far the archive is, and what is missing in it."`
}

// archiveURL is the variable with the archive's address. There is no flag for it: others see a command line.
const archiveURL = "FIREBREAK_ARCHIVE_URL"

// archivePlace is where an archive is.
type archivePlace struct {
	Config  string `help:"Policy file whose archive it is." type:"path" placeholder:"FILE"`
	URLFile string `help:"File with the address of the database, instead of the policy's. The variable FIREBREAK_ARCHIVE_URL does the same." type:"existingfile" placeholder:"FILE"`
	Schema  string `help:"The archive's schema, instead of the policy's (default firebreak)." placeholder:"NAME"`
}

// find is the address, which is a secret, and the schema.
func (c archivePlace) find(a *app) (policy.Secret, string, error) {
	place := policy.Archive{Schema: "firebreak"}
	if c.Config != "" {
		p, err := policy.Load(c.Config, a.env)
		if err != nil {
			return "", "", fmt.Errorf("the policy cannot be used:\n%w", err)
		}
		if p.Archive != nil {
			place = *p.Archive
		}
	}
	if url, ok := a.env(archiveURL); ok && url != "" {
		place.URL = policy.Secret(url)
	}
	if c.URLFile != "" {
		url, err := secretIn(c.URLFile)
		if err != nil {
			return "", "", fmt.Errorf("read --url-file: %w", err)
		}
		place.URL = policy.Secret(url)
	}
	if c.Schema != "" {
		place.Schema = c.Schema
	}
	if place.URL == "" {
		return "", "", errors.New("say where the archive is: --config with a policy that has one, --url-file, or the variable " + archiveURL)
	}
	return place.URL, place.Schema, nil
}

type archiveMigrateCmd struct {
	archivePlace
	Writer  string   `help:"Role that the server logs in as: it gets what it needs to write, and no more." placeholder:"ROLE"`
	Readers []string `name:"reader" help:"Roles that may read the reports, and nothing else." placeholder:"ROLE"`
}

// Help is what "firebreak archive migrate --help" teaches.
func (c *archiveMigrateCmd) Help() string {
	return `Log in as the role that shall own the tables. It makes the schema if it is missing, and needs CREATE on the database for that. It can be run
again, by several at once, and while servers write: it only ever adds. The server does the same by itself where its login may; with
--writer it need not, and owns nothing. Roles must be there.`
}

// Run migrates, then grants.
func (c *archiveMigrateCmd) Run(a *app) error {
	url, schema, err := c.find(a)
	if err != nil {
		return err
	}
	conn, err := archive.Connect(a.ctx, url.Reveal())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(a.ctx) }() // the process ends anyway
	far := a.progress("making the tables", "", 0, false)
	defer far.end()
	version, err := archive.Migrate(a.ctx, conn, schema)
	if err != nil {
		return err
	}
	if err := archive.Grant(a.ctx, conn, schema, c.Writer, c.Readers); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "schema %s is at version %d\n", schema, version)
	return nil
}

type archiveStatusCmd struct {
	archivePlace
	JSON bool `help:"One object."`
}

// Help is what "firebreak archive status --help" teaches.
func (c *archiveStatusCmd) Help() string {
	return `Asks the database alone. How many events wait in the bus is said by the server: the metrics firebreak_archive_lag_events and
firebreak_archive_lag_seconds. The login must be the owner's or the writer's. It exits with 1 if the tables are missing, or not those of this build.`
}

// Run asks and prints.
func (c *archiveStatusCmd) Run(a *app) error {
	url, schema, err := c.find(a)
	if err != nil {
		return err
	}
	conn, err := archive.Connect(a.ctx, url.Reveal())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(a.ctx) }() // the process ends anyway
	far := a.progress("asking the archive", "", 0, c.JSON)
	s, err := archive.ReadStatus(a.ctx, conn, schema)
	far.end()
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(a.stdout).Encode(s)
	} else {
		printArchive(a.stdout, s, time.Now())
	}
	if err == nil && s.Version != s.Knows {
		return exitError{code: 1}
	}
	return err
}

func printArchive(w io.Writer, s archive.Status, now time.Time) {
	fmt.Fprintf(w, "%s, schema %s\n", clean(s.Where, 200), s.Schema)
	switch {
	case s.Version == 0:
		fmt.Fprintln(w, "  there are no tables yet: firebreak archive migrate")
		return
	case s.Version < s.Knows:
		fmt.Fprintf(w, "  version %d, and this build writes version %d: firebreak archive migrate\n", s.Version, s.Knows)
	case s.Version > s.Knows:
		fmt.Fprintf(w, "  version %d is of a newer build; this one knows %d and does not write\n", s.Version, s.Knows)
	}
	if s.Seq == 0 {
		fmt.Fprintln(w, "  nothing is archived yet")
	} else {
		fmt.Fprintf(w, "  archived up to message %d, stored %s\n", s.Seq, moment(s.StoredAt, now))
		fmt.Fprintf(w, "  last written %s by %s\n", moment(s.MovedAt, now), clean(s.MovedBy, 60))
	}
	fmt.Fprintf(w, "  months: %d", len(s.Months))
	if n := len(s.Months); n > 0 {
		fmt.Fprintf(w, ", %s to %s", s.Months[0], s.Months[n-1])
	}
	fmt.Fprintf(w, "\n  messages that could not be taken apart: %d\n", s.Damaged)
	if len(s.Gaps) == 0 {
		fmt.Fprintln(w, "  no gaps")
		return
	}
	heading(w, "gaps: what the bus forgot before it was archived, newest first")
	for _, g := range s.Gaps {
		words := fmt.Sprintf("messages %d to %d", g.FromSeq, g.ToSeq)
		if g.ToSeq == 0 {
			words = fmt.Sprintf("from message %d on, nobody knows how many", g.FromSeq)
		}
		item(w, "  ", fmt.Sprintf("%s: %s, found %s", clean(g.Reason, 40), words, moment(g.FoundAt, now)))
	}
}
