package watch

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

const (
	// mostPages and mostCopies bound what is read of one store in a round.
	mostPages  = 100_000
	mostCopies = 100_000
	// mostBuckets is how many buckets that differ are looked into in one round for each replica: each costs a list on both sides. The next
	// round looks into the next ones.
	mostBuckets = 4
	// mostInBucket bounds one bucket.
	mostInBucket = 50_000
)

// gauge measures one store.
type gauge struct {
	name  string
	store sessions.Looker
	descs descs
	drift map[string]*drift // by replica
}

// drift is what is known of the buckets of one replica from this round and earlier ones.
type drift struct {
	found [sessions.Buckets]int
	next  int // the bucket after the last one that was looked into
}

// part is what one part of a round found.
type part struct {
	metrics []prometheus.Metric
	errs    []error
}

func (p *part) add(d *prometheus.Desc, value float64, labels ...string) {
	p.metrics = append(p.metrics, prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...))
}

func (p *part) fail(what string, err error) { p.errs = append(p.errs, fmt.Errorf("%s: %w", what, err)) }

// measure is one round. What it could not measure is an error, and missing among the metrics.
func (g *gauge) measure(ctx context.Context) (round, error) {
	var here, owners part
	var both sync.WaitGroup
	both.Go(func() { g.copies(ctx, &here) })
	both.Go(func() { g.sessions(ctx, &owners) })
	both.Wait()
	err := errors.Join(append(here.errs, owners.errs...)...)
	return round{metrics: append(here.metrics, owners.metrics...), whole: err == nil}, err
}

// copies measures the replicas: how far each is, and whether it holds the same.
func (g *gauge) copies(ctx context.Context, p *part) {
	known := map[string]bool{}
	replication, err := g.store.Replication(ctx)
	if err != nil {
		p.fail("read the replication", err)
	}
	for _, r := range replication.Replicas {
		known[r.Name] = r.Known
		if !r.Known {
			p.fail("measure how far "+r.Name+" is", fmt.Errorf("it is %s", r.State))
			continue
		}
		p.add(g.descs.lag, r.LagSeconds, g.name, r.Name)
	}
	cut, err := g.store.Cut(ctx)
	if err != nil {
		p.fail("read the position", err)
		return
	}
	primary, err := g.store.Digest(ctx, sessions.Primary, cut)
	if err != nil {
		p.fail("count sessions", err)
		return
	}
	p.add(g.descs.total, float64(primary.Count()), g.name)
	for _, r := range replication.Replicas {
		if !known[r.Name] {
			continue
		}
		n, err := g.inconsistent(ctx, r.Name, cut, primary)
		switch {
		case errors.Is(err, sessions.ErrBehind): // its lag says so
		case err != nil:
			p.fail("compare with "+r.Name, err)
		default:
			p.add(g.descs.inconsistent, float64(n), g.name, r.Name)
		}
	}
}

// inconsistent counts what has drifted at a replica. Buckets that are the same hold nothing; of the others some are looked into, and of the
// rest counts what was found there last.
func (g *gauge) inconsistent(ctx context.Context, replica string, cut sessions.Cut, primary sessions.Digest) (int, error) {
	there, err := g.store.Digest(ctx, replica, cut)
	if err != nil {
		return 0, err
	}
	d := g.drift[replica]
	if d == nil {
		d = &drift{}
		g.drift[replica] = d
	}
	differ := map[int]bool{}
	for _, bucket := range sessions.Differ(primary, there) {
		if bucket < sessions.Buckets {
			differ[bucket] = true
		}
	}
	looked, total := 0, 0
	for i, first := 0, d.next; i < sessions.Buckets; i++ {
		bucket := (first + i) % sessions.Buckets
		switch {
		case !differ[bucket]:
			d.found[bucket] = 0
		case looked < mostBuckets:
			found, err := sessions.Examine(ctx, g.store, replica, bucket, mostInBucket)
			if err != nil {
				return 0, err
			}
			d.found[bucket], d.next = len(found), bucket+1
			looked++
		}
		total += d.found[bucket]
	}
	return total, nil
}

// sessions measures the sessions at the primary: orphans, and copies that are concurrent.
func (g *gauge) sessions(ctx context.Context, p *part) {
	m, err := g.store.Membership(ctx)
	if err != nil {
		p.fail("read the membership", err)
		return
	}
	if !m.Quorum {
		p.fail("count orphans", errors.New("the membership has no quorum"))
	}
	orphans, oldest := map[sessions.Key]bool{}, 0.0
	copied := map[string]bool{}
	err = g.each(ctx, func(s sessions.Session) error {
		if sessions.Orphan(s, m) {
			orphans[s.Key] = true
			oldest = max(oldest, m.At.Sub(s.LeaseUntil).Seconds())
		}
		if s.Copy != "" {
			copied[s.ID] = true
		}
		if len(copied) > mostCopies {
			return fmt.Errorf("more than %d have copies", mostCopies)
		}
		return nil
	})
	if err != nil {
		p.fail("list sessions", err)
		return
	}
	if m.Quorum {
		p.add(g.descs.orphaned, float64(len(orphans)), g.name)
		p.add(g.descs.recovery, oldest, g.name)
	}
	n, err := g.concurrent(ctx, copied)
	if err != nil {
		p.fail("compare copies", err)
		return
	}
	p.add(g.descs.concurrent, float64(n), g.name)
}

// each reads all live sessions of the primary.
func (g *gauge) each(ctx context.Context, fn func(sessions.Session) error) error {
	q := sessions.Query{}
	for range mostPages {
		page, err := g.store.List(ctx, q)
		if err != nil {
			return err
		}
		for _, s := range page.Sessions {
			if err := fn(s); err != nil {
				return err
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return nil
		}
	}
	return fmt.Errorf("there are more than %d pages", mostPages)
}

// concurrent counts sessions whose copies are concurrent when they are read together.
func (g *gauge) concurrent(ctx context.Context, copied map[string]bool) (int, error) {
	ids := make([]string, 0, len(copied))
	for id := range copied {
		ids = append(ids, id)
	}
	n := 0
	for len(ids) > 0 {
		// A page may be bounded, and each of these has copies.
		part := ids[:min(len(ids), sessions.MostSent)]
		ids = ids[len(part):]
		var list []sessions.Session
		for q := (sessions.Query{IDs: part}); ; {
			page, err := g.store.List(ctx, q)
			if err != nil {
				return 0, err
			}
			if list = append(list, page.Sessions...); len(list) > mostCopies {
				return 0, fmt.Errorf("%d sessions have more than %d copies", len(part), mostCopies)
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
		for _, copies := range sessions.ByID(list) {
			for _, outcome := range sessions.Resolve(copies) {
				if outcome == sessions.Conflict {
					n++
					break
				}
			}
		}
	}
	return n, nil
}
