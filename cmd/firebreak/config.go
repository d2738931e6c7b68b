package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/firebreak-sre/firebreak/policy"
)

type configCmd struct {
	Check   configCheckCmd   `cmd:"" help:"Say everything that is wrong with a policy file."`
	Schema  configSchemaCmd  `cmd:"" help:"Print the JSON schema, for editors."`
	Example configExampleCmd `cmd:"" help:"Print a complete policy with comments."`
}

type configCheckCmd struct {
	File    string `arg:"" type:"path" help:"The policy file."`
	Connect bool   `help:"Connect to everything that the policy names, and say exactly which right is missing where. Changes nothing."`
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
	printClusters(a.stdout, p)
	printStores(a.stdout, p)
	for _, said := range p.Plain() {
		fmt.Fprintf(a.stdout, "  note: %s\n", said)
	}
	if !c.Connect {
		return nil
	}
	fmt.Fprintln(a.stdout, "connecting:")
	far := a.progress("asking the servers", "", 0, false)
	failed, err := connectAll(a.ctx, a.stdout, p)
	far.end()
	if err != nil {
		return err
	}
	if failed > 0 {
		fmt.Fprintf(a.stderr, "%d things do not work, see above\n", failed)
		return exitError{code: 1}
	}
	return nil
}

// printClusters says what may be done in which cluster, by the handlers that have some, and what should be looked at again.
func printClusters(w io.Writer, p policy.Policy) {
	places := map[string][]string{}
	for _, c := range p.Postgres {
		for _, n := range c.Nodes {
			places[c.Cluster] = append(places[c.Cluster], n.Node)
		}
		for _, b := range c.PgBouncers {
			places[c.Cluster] = append(places[c.Cluster], b.PgBouncer)
		}
	}
	if lag := p.Handlers.ReplicationLag; len(lag.Clusters) > 0 {
		fmt.Fprintf(w, "  replicationlag: mode %s, %d clusters\n", lag.Mode, len(lag.Clusters))
		for _, c := range lag.Clusters {
			fmt.Fprintf(w, "    %s %v: mode %s, may %v, at most %s, sessions of %v, at most %d\n",
				c.Cluster, places[c.Cluster], c.Mode, c.Fix.Allow, c.Fix.Limit, c.Fix.Roles, c.Fix.MaxSessions)
		}
	}
	if pool := p.Handlers.PoolExhaustion; len(pool.Clusters) > 0 {
		fmt.Fprintf(w, "  poolexhaustion: mode %s, %d clusters\n", pool.Mode, len(pool.Clusters))
		for _, c := range pool.Clusters {
			all := slices.Clone(places[c.Cluster])
			for _, app := range c.Apps {
				all = append(all, app.App)
			}
			fmt.Fprintf(w, "    %s %v: mode %s, may %v, at most %s, sessions of %v, at most %d\n",
				c.Cluster, all, c.Mode, c.Fix.Allow, c.Fix.Limit, c.Fix.Roles, c.Fix.MaxSessions)
		}
	}
	for _, c := range p.Postgres {
		if c.Connect.Act != nil && c.Connect.Act.User == c.Connect.Probe.User {
			fmt.Fprintf(w, "  note: %s: probe and act are one login, so what only looks could change something\n", c.Cluster)
		}
	}
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
