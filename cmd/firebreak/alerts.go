package main

import (
	"fmt"
	"net/url"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/firebreak-sre/firebreak/console"
)

type alertsCmd struct {
	server
	Since time.Duration `help:"How far back." default:"24h"`
	JSON  bool          `help:"One object a line."`
}

// Run prints the history of what Alertmanager sent. The same news is one line, however many times it came.
func (c *alertsCmd) Run(a *app) error {
	body, err := c.get(a.ctx, "/api/v1/alerts", url.Values{"since": {c.Since.String()}})
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	w := tabwriter.NewWriter(a.stdout, 2, 8, 2, ' ', 0)
	n := 0
	err = eachLine(body, func(d console.Delivered, line []byte) error {
		n++
		if c.JSON {
			_, err := a.stdout.Write(line)
			return err
		}
		if n == 1 {
			fmt.Fprintln(w, "RECEIVED\tSTATUS\tALERT\tSTARTED\tCOPIES\tFINGERPRINT\tLABELS")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", stamp(d.Delivery.At), d.Status, clean(d.Name(), 40), stamp(d.StartsAt),
			d.Copies, clean(d.Fingerprint, 16), clean(labels(d.Labels), 100))
		return nil
	})
	if err != nil {
		return err
	}
	if n == 0 && !c.JSON {
		fmt.Fprintf(a.stdout, "no alerts in the last %s\n", c.Since)
	}
	return w.Flush()
}

// labels are written as in a selector, without the alert's name.
func labels(set map[string]string) string {
	parts := make([]string, 0, len(set))
	for k, v := range set {
		if k != "alertname" {
			parts = append(parts, fmt.Sprintf("%s=%q", k, v))
		}
	}
	sort.Strings(parts)
	return strings.Join(parts, " ")
}
