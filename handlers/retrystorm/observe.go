package retrystorm

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrUnreadable says that a look could not read anything at all.
var ErrUnreadable = errors.New("nothing could be read")

// ErrUnknownTarget says that the policy does not name a target (any more).
var ErrUnknownTarget = errors.New("the policy names no such edge")

// Observe looks at one edge: it asks for all numbers at once, within the edge's probe timeout, and changes nothing.
// What could not be read says why in the observation. With an error, nothing at all could be read; the observation is returned
// beside it nevertheless, so that the record can say why.
func (h *Handler) Observe(ctx context.Context, target string) (Observation, error) {
	e, ok := h.find(target)
	if !ok {
		return Observation{}, fmt.Errorf("observe %s: %w", target, ErrUnknownTarget)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, e.Probe.Timeout.D(),
		fmt.Errorf("no answer within %s: %w", e.Probe.Timeout, context.DeadlineExceeded))
	defer cancel()
	var o Observation
	if at := time.Now().UTC(); e.Probe.Prometheus != nil {
		o = h.observePrometheus(ctx, e, at)
	} else {
		o = h.observeJSON(ctx, e, at)
	}
	if o.empty() {
		return o, fmt.Errorf("observe %s: %w: %s", target, ErrUnreadable, o.problem())
	}
	return o, nil
}

// empty says that not one number was read.
func (o Observation) empty() bool {
	for _, n := range o.everything() {
		if n.OK {
			return false
		}
	}
	return true
}

// everything lists all the numbers of a look.
func (o Observation) everything() []Number {
	var all []Number
	add := func(n Numbers) {
		for _, r := range n.required() {
			all = append(all, r.Number)
		}
		for _, g := range n.gauges() {
			all = append(all, g.Number)
		}
	}
	add(o.Edge)
	for _, i := range o.Instances {
		add(i.Numbers)
	}
	return all
}
