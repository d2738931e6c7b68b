package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/firebreak-sre/firebreak/alerts/rules"
	"github.com/firebreak-sre/firebreak/alerts/runbooks"
)

type rulesCmd struct {
	Format string   `help:"prometheus: one file for rule_files. kubernetes: a PrometheusRule for each, for the operator." enum:"prometheus,kubernetes" default:"prometheus"`
	Pages  string   `help:"Where the runbooks lie that the alerts link to, if you keep them elsewhere, such as https://wiki.example.com/firebreak/." placeholder:"URL"`
	Names  []string `arg:"" optional:"" name:"name" help:"Only these, such as retrystorm or firebreak. Default: all. By itself, list: what each alert is about."`
}

// listRules is the one name that is no file.
const listRules = "list"

// Run prints the rules. A name that is given twice is printed once: Prometheus takes no group twice.
func (c *rulesCmd) Run(a *app) error {
	if slices.Equal(c.Names, []string{listRules}) {
		return c.list(a)
	}
	names := rules.Names()
	if len(c.Names) > 0 {
		names = nil
		for _, name := range c.Names {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	write := rules.Prometheus
	if c.Format == "kubernetes" {
		write = rules.Kubernetes
	}
	text, err := write(names...)
	if err != nil {
		return err
	}
	if c.Pages != "" {
		text = strings.ReplaceAll(text, rules.Pages, strings.TrimSuffix(c.Pages, "/")+"/")
	}
	_, err = io.WriteString(a.stdout, text)
	return err
}

// list prints a line for each alert.
func (c *rulesCmd) list(a *app) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ALERT\tFILE\tRUNBOOK\tFIREBREAK\tABOUT")
	for _, row := range runbooks.Rows() {
		runbook, does := row.Runbook, row.Handler
		if runbook == "" {
			runbook = "-"
		}
		if does == "" {
			does = "pages only"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", row.Alert, row.File, runbook, does, row.Sign)
	}
	return w.Flush()
}
