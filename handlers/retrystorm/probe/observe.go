// Package probe looks at the edges of the retrystorm family, over the query API of Prometheus or by counters that instances tell as JSON. It
// only reads. What it sees is a [retrystorm.Observation]; package retrystorm thinks about it.
package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/retrystorm"
	"github.com/firebreak-sre/firebreak/policy"
)

// ErrUnreadable says that a look could not read anything at all.
var ErrUnreadable = errors.New("nothing could be read")

// ErrUnknownTarget says that the policy does not name a target (any more).
var ErrUnknownTarget = errors.New("the policy names no such edge")

// Prober looks at the edges of a policy. It is safe for concurrent use and holds no state.
type Prober struct {
	edges  *retrystorm.Handler // knows where the numbers of an edge are
	client *http.Client
}

// New checks the policy as [retrystorm.New] does, and returns the prober. It looks at nothing yet. The client's transport is used
// for the probes; its redirects are not, and nil is a plain client.
func New(p policy.RetryStorm, client *http.Client) (*Prober, error) {
	edges, err := retrystorm.New(p)
	if err != nil {
		return nil, err
	}
	if client == nil {
		client = &http.Client{}
	}
	return &Prober{edges: edges, client: refuseRedirects(client)}, nil
}

// Observe looks at one edge: it asks for all numbers at once, within the edge's probe timeout, and changes nothing.
// What could not be read says why in the observation. With an error, nothing at all could be read; the observation is returned
// beside it nevertheless, so that the record can say why.
func (p *Prober) Observe(ctx context.Context, target string) (retrystorm.Observation, error) {
	e, ok := p.edges.Probe(target)
	if !ok {
		return retrystorm.Observation{}, fmt.Errorf("observe %s: %w", target, ErrUnknownTarget)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, e.Timeout.D(),
		fmt.Errorf("no answer within %s: %w", e.Timeout, context.DeadlineExceeded))
	defer cancel()
	var o retrystorm.Observation
	if at := time.Now().UTC(); e.Prometheus != nil {
		o = p.observePrometheus(ctx, e, at)
	} else {
		o = p.observeJSON(ctx, e.JSON, at)
	}
	if empty(o) {
		return o, fmt.Errorf("observe %s: %w: %s", target, ErrUnreadable, o.Problem())
	}
	return o, nil
}

// empty says that not one number was read.
func empty(o retrystorm.Observation) bool {
	for _, i := range o.Instances {
		if anyRead(i.Numbers) {
			return false
		}
	}
	return !anyRead(o.Edge)
}

func anyRead(n retrystorm.Numbers) bool {
	return n.Calls.OK || n.Attempts.OK || n.Successes.OK || n.Failures.OK || n.PoolWaiting.OK || n.QueueAge.OK
}
