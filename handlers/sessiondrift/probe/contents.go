package probe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/internal/sessions"
)

const (
	// maxReplicas is how many replicas are compared.
	maxReplicas = 32
	// maxExamined is how many buckets of a replica are looked into, session by session, and maxBucket how many sessions one may have.
	maxExamined = 4
	maxBucket   = 5000
	// maxDifferences is how many differences are told of a replica.
	maxDifferences = 100
	// unreachable is the contract's word for a replica that does not answer.
	unreachable = "unreachable"
)

// readReplicas reads how far the replicas are, then what they hold.
func (p *Prober) readReplicas(ctx context.Context, s store) (sessiondrift.Replicas, sessiondrift.Contents) {
	r := p.readPositions(ctx, s)
	if r.Problem != "" {
		return r, sessiondrift.Contents{Problem: "nothing was compared, as the replicas are not known"}
	}
	if len(r.Replicas) == 0 {
		return r, sessiondrift.Contents{}
	}
	return r, readContents(ctx, s, r.Replicas)
}

// readPositions reads the positions. What could not be written down, or told apart, is not believed.
func (p *Prober) readPositions(ctx context.Context, s store) sessiondrift.Replicas {
	ctx, cancel := within(ctx, p.limits.positions)
	defer cancel()
	r, err := s.Replication(ctx)
	if err == nil && len(r.Replicas) > maxReplicas {
		err = fmt.Errorf("there are %d replicas, at most %d", len(r.Replicas), maxReplicas)
	}
	if err == nil && cut(r.Cut.History, maxName) != r.Cut.History {
		err = errors.New("the position is of a history without a usable name")
	}
	names := map[string]bool{}
	r.Replicas = slices.Clone(r.Replicas)
	for i, one := range r.Replicas {
		lag := one.LagSeconds
		if one.Name == "" || names[one.Name] || cut(one.Name, maxName) != one.Name || math.IsNaN(lag) || math.IsInf(lag, 0) || lag < 0 {
			err = errors.Join(err, fmt.Errorf("replica %q has no usable name or lag, or is there twice", cut(one.Name, maxName)))
		}
		names[one.Name] = true
		r.Replicas[i].State = cut(one.State, maxName)
	}
	if err != nil {
		return sessiondrift.Replicas{Problem: why(ctx, err)}
	}
	return sessiondrift.Replicas{Replication: r}
}

// readContents compares all replicas with the primary on one cut, side by side, so that one that hangs holds nobody up.
func readContents(ctx context.Context, l sessions.Looker, replicas []sessions.Replica) sessiondrift.Contents {
	c := sessiondrift.Contents{Replicas: make([]sessiondrift.Compared, len(replicas))}
	for i, r := range replicas {
		c.Replicas[i].Name = r.Name
		if r.State == unreachable {
			c.Replicas[i].Problem = "it does not answer"
		}
	}
	slices.SortFunc(c.Replicas, func(a, b sessiondrift.Compared) int { return strings.Compare(a.Name, b.Name) })
	first, err := digests(ctx, l, c.Replicas)
	if err != nil {
		return sessiondrift.Contents{Problem: why(ctx, err)}
	}
	c.Cut = first.cut
	again := slices.ContainsFunc(c.Replicas, func(r sessiondrift.Compared) bool { return r.Problem == "" && r.Buckets > maxExamined })
	if again {
		// Under load much is on its way. What drifted is there at the next cut too.
		second := slices.Clone(c.Replicas)
		if later, err := digests(ctx, l, second); err == nil {
			first.keepBoth(later)
		}
	}
	space := recorded / room(len(c.Replicas))
	var all sync.WaitGroup
	for i := range c.Replicas {
		r := &c.Replicas[i]
		if r.Problem == "" {
			r.Buckets = len(first.differ[r.Name])
			all.Go(func() { examine(ctx, l, r, first.differ[r.Name], space) })
		}
	}
	all.Wait()
	return c
}

// round is one comparison of digests at one cut: which buckets differ, by replica.
type round struct {
	cut    sessions.Cut
	differ map[string][]int
}

// keepBoth leaves those buckets that differ in a later round too. A replica that was not read there keeps its own.
func (r round) keepBoth(later round) {
	for name, list := range r.differ {
		if also, ok := later.differ[name]; ok {
			r.differ[name] = slices.DeleteFunc(list, func(b int) bool { return !slices.Contains(also, b) })
		}
	}
}

// digests reads all digests at the primary's present cut. A replica's own problem is said with it; an error is the primary's.
func digests(ctx context.Context, l sessions.Looker, replicas []sessiondrift.Compared) (round, error) {
	r := round{differ: map[string][]int{}}
	var err error
	if r.cut, err = l.Cut(ctx); err != nil {
		return r, err
	}
	if cut(r.cut.History, maxName) != r.cut.History {
		return r, errors.New("the position is of a history without a usable name")
	}
	read := make([]sessions.Digest, len(replicas))
	var here sessions.Digest
	var all sync.WaitGroup
	all.Go(func() { here, err = l.Digest(ctx, sessions.Primary, r.cut) })
	for i := range replicas {
		if replicas[i].Problem == "" {
			all.Go(func() {
				d, err := l.Digest(ctx, replicas[i].Name, r.cut)
				if read[i] = d; err != nil {
					replicas[i].Problem = why(ctx, err)
				}
			})
		}
	}
	all.Wait()
	if err != nil {
		return r, err
	}
	for i := range replicas {
		if one := &replicas[i]; one.Problem == "" {
			r.differ[one.Name] = sessions.Differ(here, read[i])
			one.Buckets = len(r.differ[one.Name])
		}
	}
	return r, nil
}

// examine looks into a few buckets of a replica. Where the time ends it, those that were looked into are told.
func examine(ctx context.Context, l sessions.Looker, r *sessiondrift.Compared, buckets []int, space room) {
	var list []sessions.Difference
	for _, bucket := range buckets[:min(len(buckets), maxExamined)] {
		differences, err := sessions.Examine(ctx, l, r.Name, bucket, maxBucket)
		if err != nil && isOver(ctx) && r.Examined > 0 {
			break
		}
		if err != nil {
			*r = sessiondrift.Compared{Name: r.Name, Problem: why(ctx, err)}
			return
		}
		r.Examined++
		list = append(list, differences...)
	}
	slices.SortFunc(list, func(a, b sessions.Difference) int { return byName(a.Key, b.Key) })
	for _, d := range list {
		if len(r.Differences) >= maxDifferences || !space.take(d.Primary, d.Replica) {
			r.More = true
			break
		}
		r.Differences = append(r.Differences, d)
	}
}
