package main

import (
	"errors"
	"fmt"

	"github.com/firebreak-sre/firebreak/policy"
)

type configCmd struct {
	Check   configCheckCmd   `cmd:"" help:"Say everything that is wrong with a policy file."`
	Schema  configSchemaCmd  `cmd:"" help:"Print the JSON schema, for editors."`
	Example configExampleCmd `cmd:"" help:"Print a complete policy with comments."`
}

type configCheckCmd struct {
	File string `arg:"" type:"path" help:"The policy file."`
}

// Run prints every problem on a line of its own and exits 1, or says what the policy allows.
func (c *configCheckCmd) Run(a *app) error {
	p, err := policy.Load(c.File, a.env)
	var problems *policy.Problems
	if errors.As(err, &problems) {
		fmt.Fprintln(a.stderr, problems.Error())
		return exitError{code: 1}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "%s is fine: listens on %s, policy hash %s\n", c.File, p.Server.Listen, p.Hash())
	storm := p.Handlers.RetryStorm
	fmt.Fprintf(a.stdout, "  retrystorm: mode %s, %d edges\n", storm.Mode, len(storm.Edges))
	for _, e := range storm.Edges {
		mode := e.Mode
		if mode == "" {
			mode = storm.Mode
		}
		fmt.Fprintf(a.stdout, "    %s/%s: mode %s, may %v, at most %s\n", e.Service, e.Edge, mode, e.Fix.Allow, e.Fix.Limit)
	}
	return nil
}

type configSchemaCmd struct{}

// Run prints the schema.
func (configSchemaCmd) Run(a *app) error {
	b, err := policy.Schema()
	if err != nil {
		return err
	}
	_, err = a.stdout.Write(b)
	return err
}

type configExampleCmd struct{}

// Run prints the example.
func (configExampleCmd) Run(a *app) error {
	_, err := a.stdout.Write(policy.Example())
	return err
}
