package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"

	"github.com/firebreak-sre/firebreak/console/operate"
	"github.com/firebreak-sre/firebreak/console/recordings"
	"github.com/firebreak-sre/firebreak/incidents"
)

type importCmd struct {
	server
	Files []string `arg:"" optional:"" type:"existingfile" name:"file" help:"Incident files. Without any: list what was imported."`
	JSON  bool     `help:"The list as one object a line."`
}

// Help is what "firebreak import --help" teaches.
func (c *importCmd) Help() string {
	return `Puts incident files on the server, where everybody who may read can replay them: firebreak replay ID --imported. They lie apart from the
server's own records for 90 days: nothing acts on them, no limit counts them, and no list of incidents has them. One with the id of
another that was imported takes its place.`
}

// Run imports, or lists.
func (c *importCmd) Run(a *app) error {
	if len(c.Files) == 0 {
		return c.list(a)
	}
	far := a.progress("importing", "files", int64(len(c.Files)), c.JSON)
	defer far.end()
	for _, path := range c.Files {
		f, err := readFile(path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read the incident file: %w", err)
		}
		req, err := c.request(a.ctx, http.MethodPost, "/api/v1/imports", nil, bytes.NewReader(text))
		if err != nil {
			return err
		}
		body, err := c.send(req)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		_ = body.Close()
		far.add(1)
		fmt.Fprintf(a.stdout, "%s was imported:\n", f.ID)
		command(a.stdout, fmt.Sprintf("firebreak replay %s --imported", f.ID))
	}
	return nil
}

func (c *importCmd) list(a *app) error {
	body, err := c.get(a.ctx, "/api/v1/imports", nil)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	n := 0
	err = eachLine(body, func(one recordings.Imported, line []byte) error {
		n++
		if c.JSON {
			_, err := a.stdout.Write(line)
			return err
		}
		_, err := fmt.Fprintf(a.stdout, "%s  imported %s\n", clean(one.ID.String(), 80), stamp(one.ImportedAt))
		return err
	})
	if err == nil && n == 0 && !c.JSON {
		fmt.Fprintln(a.stdout, "nothing was imported")
	}
	return err
}

// recordings is what was put on the server from elsewhere, and the way out for what is told again.
func (d *daemon) recordings(who func(*http.Request) (incidents.Person, operate.Rights, error), next http.Handler) (http.Handler, error) {
	return recordings.New(recordings.Config{Bus: d.bus, Next: next, Log: d.log,
		MayOperate: func(r *http.Request) (string, error) {
			person, rights, err := who(r)
			if err == nil && !rights.Operate {
				err = fmt.Errorf("%s may not do this: it needs the right operate (server.api.operators[].may in the policy)", person)
			}
			return person.Name, err
		},
		Inspect: inspect})
}
