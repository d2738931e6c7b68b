package probe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode"

	"github.com/firebreak-sre/firebreak/handlers/poolexhaustion"
	"github.com/firebreak-sre/firebreak/policy"
)

// ErrUnreadable says that a look could not read anything at all.
var ErrUnreadable = errors.New("nothing could be read")

// ErrUnknownTarget says that the policy does not name a target (any more).
var ErrUnknownTarget = errors.New("the policy names no such cluster")

const (
	// maxWords bounds what is repeated of a stranger's text.
	maxWords = 300
	// appsAtOnce is how many applications are asked about side by side, with three questions each.
	appsAtOnce = 4
)

// Observe looks at one cluster: at all its poolers and nodes at once, each within the cluster's connect timeout, and at its applications, each
// within its own. It changes nothing. What could not be read says why in the observation. With an error nothing could be read; the
// observation is returned beside it nevertheless, so that the record can say why.
func (p *Prober) Observe(ctx context.Context, target string) (poolexhaustion.Observation, error) {
	c, ok := p.clusters[target]
	if !ok {
		return poolexhaustion.Observation{}, fmt.Errorf("observe %s: %w", target, ErrUnknownTarget)
	}
	var (
		all     sync.WaitGroup
		poolers = make([]poolexhaustion.Pooler, len(c.topology.PgBouncers))
		nodes   = make([]node, len(c.topology.Nodes))
		apps    = make([]poolexhaustion.App, len(c.apps))
		room    = make(chan struct{}, appsAtOnce)
	)
	for i, b := range c.topology.PgBouncers {
		all.Go(func() { poolers[i] = p.readPooler(ctx, c, b) })
	}
	for i, n := range c.topology.Nodes {
		all.Go(func() { nodes[i] = p.readNode(ctx, c, n) })
	}
	for i, a := range c.apps {
		all.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			apps[i] = p.readApp(ctx, a)
		})
	}
	all.Wait()
	o := poolexhaustion.Observation{Poolers: poolers, Server: primary(nodes), Apps: apps}
	if problems, none := unread(o, nodes); none {
		return o, fmt.Errorf("observe %s: %w: %s", target, ErrUnreadable, problems)
	}
	return o, nil
}

// unread says that nothing was read, and why each part was not. A server that says that it is full has said something.
func unread(o poolexhaustion.Observation, nodes []node) (string, bool) {
	var problems []string
	add := func(name, problem string) bool {
		problems = append(problems, name+": "+problem)
		return problem == ""
	}
	for _, p := range o.Poolers {
		if add(p.Name, p.Problem) {
			return "", false
		}
	}
	for _, n := range nodes {
		if n.full || add(n.name, n.problem) {
			return "", false
		}
	}
	for _, a := range o.Apps {
		if add(a.Name, a.Problem) {
			return "", false
		}
	}
	return strings.Join(problems, "; "), true
}

// within bounds one part of a look, and says so where that ended it.
func within(ctx context.Context, d policy.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d.D(), fmt.Errorf("no answer within %s", d))
}

// problem is why something could not be read, without the passwords of the cluster.
func (c cluster) problem(ctx context.Context, err error) string {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	logins := []*policy.PostgresLogin{&c.topology.Connect.Probe, c.topology.Connect.Act}
	for _, b := range c.topology.PgBouncers {
		logins = append(logins, &b.Stats, b.Admin)
	}
	var secrets []policy.Secret
	for _, l := range logins {
		if l != nil {
			secrets = append(secrets, l.Password)
		}
	}
	return printable(err.Error(), secrets...)
}

// printable makes a stranger's text fit to be kept and shown: on one line, printable, short, and without the secrets.
func printable(text string, secrets ...policy.Secret) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s.Reveal(), s.String())
		}
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, "?"))
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxWords {
		return string(runes[:maxWords]) + "…"
	}
	return text
}
