package probe

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/policy"
)

// maxSigns is how many signs of a partition are told.
const maxSigns = 20

// readAround asks Prometheus, everything at one evaluation time and all at once. One answer that is missing spoils no other.
func (p *Prober) readAround(ctx context.Context, m policy.DriftMetrics) sessiondrift.Around {
	ctx, cancel := within(ctx, m.Timeout.D())
	defer cancel()
	a := asker{client: p.client, url: m.URL, token: m.BearerToken, at: time.Now()}
	var o sessiondrift.Around
	var all sync.WaitGroup
	ask := func(expression string, read func() error, problem *string) {
		if expression == "" {
			return
		}
		all.Go(func() {
			if err := read(); err != nil {
				*problem = why(ctx, err, m.BearerToken)
			}
		})
	}
	ask(m.Partition, func() (err error) { o.Partition, err = a.signs(ctx, m.Partition); return err }, &o.PartitionProblem)
	ask(m.Deploying, func() error {
		n, err := a.number(ctx, m.Deploying)
		if err == nil {
			o.Deploying = new(n > 0)
		}
		return err
	}, &o.DeployingProblem)
	ask(m.NotFound, func() (err error) { o.NotFound, err = a.pointer(ctx, m.NotFound); return err }, &o.NotFoundProblem)
	ask(m.OrphansBefore, func() (err error) { o.OrphansBefore, err = a.pointer(ctx, m.OrphansBefore); return err }, &o.OrphansBeforeProblem)
	all.Wait()
	return o
}

// pointer is a number, nil if there is none.
func (a asker) pointer(ctx context.Context, expression string) (*float64, error) {
	n, err := a.number(ctx, expression)
	if err != nil {
		return nil, err
	}
	return &n, nil
}

// signs are the names of the elements that are not zero, each once.
func (a asker) signs(ctx context.Context, expression string) ([]string, error) {
	list, err := a.elements(ctx, expression)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range list {
		if e.value != 0 {
			names = append(names, cut(e.name, maxName))
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), maxSigns)], nil
}
