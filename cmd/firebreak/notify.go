package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/firebreak-sre/firebreak/console/operate"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/notify"
	"github.com/nats-io/nuid"
)

// testWithin bounds a test message to one place.
const testWithin = 20 * time.Second

// notifyTest tells every place of the policy something that says that it is a test.
func (d *daemon) notifyTest(ctx context.Context) []operate.Told {
	out := make([]operate.Told, 0, len(d.places))
	for _, p := range d.places {
		told := operate.Told{Place: p.Name()}
		one, cancel := context.WithTimeout(ctx, testWithin)
		if err := p.test(one); err != nil {
			told.Error = err.Error()
		}
		cancel()
		out = append(out, told)
	}
	return out
}

// sendTest is for places that show whatever they are told.
func sendTest(s notify.Sink) func(context.Context) error {
	return func(ctx context.Context) error {
		now := time.Now().UTC()
		const words = "this is a test of Firebreak: nothing was changed, and nothing is wrong"
		return s.Send(ctx, notify.Outcome{ID: "test-" + nuid.Next(), Incident: "firebreak-000000000000-1", Kind: incidents.Closed, At: now,
			Handler: "firebreak", Target: "test", Alert: "Test", Labels: map[string]string{"severity": "none"}, Words: words,
			Event: incidents.Event{V: incidents.Version, Kind: incidents.Closed, At: now, Note: words}})
	}
}

type notifyCmd struct {
	Test notifyTestCmd `cmd:"" help:"Send one marked test message to every place of the policy, and say which took it."`
}

type notifyTestCmd struct {
	operator
	JSON bool `help:"One object a line."`
}

// Help is what "firebreak notify test --help" teaches.
func (c *notifyTestCmd) Help() string {
	return `The running server sends it, with its own credentials, from where it runs. PagerDuty gets a change event, which calls nobody. It exits
with 1 if a place did not take it.`
}

// Run asks the server to send it.
func (c *notifyTestCmd) Run(a *app) error {
	raw, err := c.order(a.ctx, http.MethodPost, "/api/v1/notify/test", nil, struct{}{})
	if err != nil {
		return err
	}
	failed, n := false, 0
	err = eachLine(bytes.NewReader(raw), func(t operate.Told, line []byte) error {
		n++
		failed = failed || t.Error != ""
		if c.JSON {
			_, err := fmt.Fprintf(a.stdout, "%s\n", line)
			return err
		}
		words := "took it"
		if t.Error != "" {
			words = "did not take it: " + clean(t.Error, 300)
		}
		_, err := fmt.Fprintf(a.stdout, "%s %s\n", clean(t.Place, 40), words)
		return err
	})
	switch {
	case err != nil:
		return err
	case failed:
		return exitError{code: 1}
	case n == 0 && !c.JSON:
		fmt.Fprintln(a.stdout, "the policy names no place to tell (outcomes)")
	}
	return nil
}
