package main

import (
	"io"

	"github.com/firebreak-sre/firebreak/alerts/rules"
)

type rulesCmd struct {
	Format string   `help:"prometheus: one file for rule_files. kubernetes: a PrometheusRule for each, for the operator." enum:"prometheus,kubernetes" default:"prometheus"`
	Names  []string `arg:"" optional:"" name:"name" help:"Only these, such as retrystorm or firebreak. Default: all."`
}

// Run prints the rules, with what they say about how to scrape.
func (c *rulesCmd) Run(a *app) error {
	names := c.Names
	if len(names) == 0 {
		names = rules.Names()
	}
	write := rules.Prometheus
	if c.Format == "kubernetes" {
		write = rules.Kubernetes
	}
	text, err := write(names...)
	if err != nil {
		return err
	}
	_, err = io.WriteString(a.stdout, text)
	return err
}
