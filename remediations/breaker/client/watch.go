package client

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/firebreak-sre/firebreak/remediations/breaker/lease"
)

// freshFor is the age, by the server's clock, up to which a lease that arrives counts as just stored. It is wide enough for
// the clocks of servers of one cluster to differ.
const freshFor = 5 * time.Second

// clock relates the server's clock to the local one: at local, the server said server.
type clock struct{ local, server time.Time }

// locally is the local time at which the server's clock shows t.
func (c clock) locally(t time.Time) time.Time { return c.local.Add(t.Sub(c.server)) }

func (c clock) age(created, now time.Time) time.Duration {
	return c.server.Add(now.Sub(c.local)).Sub(created)
}

// follow keeps a watch open until ctx ends, and makes it anew whenever it ends or may have missed something.
func (c *Client) follow(ctx context.Context) {
	status := c.conn.StatusChanged(nats.CONNECTED)
	defer c.conn.RemoveStatusListener(status)
	for ctx.Err() == nil {
		err := c.watch(ctx, status)
		if err == nil {
			continue
		}
		c.log.Debug("watch breakers", "service", c.service, "error", err)
		retry := time.NewTimer(c.pace.retry)
		select {
		case <-ctx.Done():
		case <-status:
		case <-retry.C:
		}
		retry.Stop()
	}
}

// watch lists all leases and follows their changes. It returns nil when it is time to list them again. The watch ends with
// its context, not by Stop, which would wait for the answer of a server that may be gone.
func (c *Client) watch(ctx context.Context, status <-chan nats.Status) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// A request that got lost with the connection would be waited for without end.
	setup := time.AfterFunc(c.pace.setup, cancel)
	defer setup.Stop()
	w, at, err := c.open(ctx)
	if err != nil {
		return err
	}
	if err := c.list(ctx, w, at); err != nil {
		return err
	}
	if !setup.Stop() {
		return context.Canceled
	}
	relist := time.NewTimer(c.pace.relist)
	defer relist.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-relist.C:
			return nil
		case <-status:
			return nil
		case e, open := <-w.Updates():
			if !open {
				return errors.New("watch ended")
			}
			if e != nil {
				c.take(e, at, true)
			}
		}
	}
}

// open starts a watch, and reads the server's clock before it.
func (c *Client) open(ctx context.Context) (jetstream.KeyWatcher, clock, error) {
	kv, err := c.js.KeyValue(ctx, lease.Bucket)
	if err != nil {
		return nil, clock{}, fmt.Errorf("open bucket %s: %w", lease.Bucket, err)
	}
	at := clock{local: time.Now()}
	s, err := kv.Status(ctx)
	if err != nil {
		return nil, clock{}, fmt.Errorf("read status of bucket %s: %w", lease.Bucket, err)
	}
	at.server = at.local
	if b, ok := s.(*jetstream.KeyValueBucketStatus); ok && !b.StreamInfo().TimeStamp.IsZero() {
		at.server = b.StreamInfo().TimeStamp
	}
	w, err := kv.Watch(ctx, c.service+".*")
	if err != nil {
		return nil, clock{}, fmt.Errorf("watch bucket %s: %w", lease.Bucket, err)
	}
	return w, at, nil
}

// list takes what is stored now, and lets go what is held and not stored any more.
func (c *Client) list(ctx context.Context, w jetstream.KeyWatcher, at clock) error {
	stored := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("list breakers: %w", ctx.Err())
		case e, open := <-w.Updates():
			if !open {
				return errors.New("list breakers: watch ended")
			}
			if e != nil {
				stored[c.edgeOf(e)] = true
				c.take(e, at, false)
				continue
			}
			for _, name := range c.table.names() {
				if !stored[name] {
					c.letGo(name, math.MaxUint64, "gone")
				}
			}
			c.touch()
			return nil
		}
	}
}

func (c *Client) edgeOf(e jetstream.KeyValueEntry) string {
	return strings.TrimPrefix(e.Key(), c.service+".")
}

// take obeys one entry. A live one was just stored, unless the server's clock says that it lay somewhere.
func (c *Client) take(e jetstream.KeyValueEntry, at clock, live bool) {
	name := c.edgeOf(e)
	if e.Operation() != jetstream.KeyValuePut {
		c.letGo(name, e.Revision(), "released")
		return
	}
	l, err := lease.Decode(e.Value())
	if err != nil {
		// Half a lease is not obeyed, and it has replaced what was there.
		c.log.Warn("lease not understood", "service", c.service, "edge", name, "error", err)
		c.letGo(name, e.Revision(), "replaced")
		return
	}
	now := time.Now()
	ttl := min(l.TTL(), c.maxTTL)
	ends := now.Add(ttl)
	if !live || at.age(e.Created(), now) > freshFor {
		if left := at.locally(e.Created().Add(ttl)); left.Before(ends) {
			ends = left
		}
	}
	if !now.Before(ends) {
		c.letGo(name, e.Revision(), "expired")
		return
	}
	put := func(before *hold) *hold { return newHold(name, l, e.Revision(), ends, before) }
	if c.table.hold(name, put, e.Revision()) {
		c.log.Info("edge held", "service", c.service, "edge", name, "fix", l.Fix, "released", l.Released, "action", l.Action,
			"incident", l.Incident, "ends", ends.Round(0), "reason", l.Reason)
		c.touch()
	}
}

// letGo ends what is held on an edge up to a revision.
func (c *Client) letGo(name string, revision uint64, why string) {
	if h := c.table.release(name, revision); h != nil {
		c.log.Info("edge let go", "service", c.service, "edge", name, "action", h.lease.Action, "why", why)
		c.touch()
	}
}
