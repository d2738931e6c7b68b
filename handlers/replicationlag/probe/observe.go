package probe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/firebreak-sre/firebreak/handlers/replicationlag"
	"github.com/firebreak-sre/firebreak/policy"
)

// ErrUnreadable says that a look could not read any node at all.
var ErrUnreadable = errors.New("no node could be read")

// ErrUnknownTarget says that the policy does not name a target (any more).
var ErrUnknownTarget = errors.New("the policy names no such cluster")

// maxWords bounds what is repeated of a stranger's text.
const maxWords = 300

// Observe looks at one cluster: at all nodes at once, each within the cluster's connect timeout, at Patroni and at the read pool. It changes
// nothing. What could not be read says why in the observation. With an error no node could be read; the observation is returned beside
// it nevertheless, so that the record can say why.
func (p *Prober) Observe(ctx context.Context, target string) (replicationlag.Observation, error) {
	c, ok := p.find(target)
	if !ok {
		return replicationlag.Observation{}, fmt.Errorf("observe %s: %w", target, ErrUnknownTarget)
	}
	o := replicationlag.Observation{Nodes: make([]replicationlag.Node, len(c.topology.Nodes))}
	start := newStartLine(len(o.Nodes), c.topology.Connect.Timeout.D()/2)
	var all sync.WaitGroup
	for i, n := range c.topology.Nodes {
		all.Go(func() { o.Nodes[i] = p.readNode(ctx, c, n, start) })
	}
	if c.topology.Patroni != nil {
		all.Go(func() { o.Patroni = p.readPatroni(ctx, *c.topology.Patroni) })
	}
	if c.topology.Reads != nil {
		all.Go(func() { o.Pool = p.readPool(ctx, c) })
	}
	all.Wait()
	if c.topology.Reads != nil && c.readers == nil {
		only(o.Pool, o.Nodes)
	}
	if problems, none := unread(o); none {
		return o, fmt.Errorf("observe %s: %w: %s", target, ErrUnreadable, problems)
	}
	return o, nil
}

// unread says that no node was read, and why each was not.
func unread(o replicationlag.Observation) (string, bool) {
	var problems []string
	for _, n := range o.Nodes {
		if n.Problem == "" {
			return "", false
		}
		problems = append(problems, n.Name+": "+n.Problem)
	}
	return strings.Join(problems, "; "), true
}

// within bounds one part of a look, and says so where that ended it.
func within(ctx context.Context, d policy.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d.D(), fmt.Errorf("no answer within %s", d))
}

// startLine lets the nodes of a look be read at one moment: whoever is ready waits until all others are ready or are given up, and no
// longer than its patience. So a node whose session has yet to be opened does not spoil the comparison of positions, and one that hangs
// does not cost the others their time.
type startLine struct {
	missing  atomic.Int64
	complete chan struct{}
	patience time.Duration
}

func newStartLine(parties int, patience time.Duration) *startLine {
	s := &startLine{complete: make(chan struct{}), patience: patience}
	s.missing.Store(int64(parties))
	return s
}

// place gives one party its place. What it returns is called once it is ready, or will never be; only the first call counts.
func (s *startLine) place() (arrive func()) {
	return sync.OnceFunc(func() {
		if s.missing.Add(-1) == 0 {
			close(s.complete)
		}
	})
}

// wait returns when all have arrived, after its patience, or when ctx is over.
func (s *startLine) wait(ctx context.Context) {
	timer := time.NewTimer(s.patience)
	defer timer.Stop()
	select {
	case <-s.complete:
	case <-timer.C:
	case <-ctx.Done():
	}
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
