package client

import (
	"context"
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/firebreak-sre/firebreak/remediations/breaker/lease"
)

// goodbyeWithin bounds how long Close waits for its last word to be sent.
const goodbyeWithin = time.Second

// attend ends leases on time and says what is held: when that changes, and every few seconds.
func (c *Client) attend(ctx context.Context) {
	tick := time.NewTicker(c.pace.report)
	defer tick.Stop()
	for {
		ended, next := c.table.expired(time.Now())
		for name, h := range ended {
			c.log.Info("edge let go", "service", c.service, "edge", name, "action", h.lease.Action, "why", "expired")
		}
		c.report()
		var end <-chan time.Time
		if !next.IsZero() {
			end = time.After(time.Until(next))
		}
		select {
		case <-ctx.Done():
			c.goodbye()
			return
		case <-c.changed:
		case <-tick.C:
		case <-end:
		}
	}
}

// report says what this instance holds. It is not answered: the next one follows.
func (c *Client) report() {
	r := lease.Report{V: lease.Version, Edges: map[string]lease.EdgeReport{}, At: time.Now().UTC()}
	for _, e := range c.all() {
		var er lease.EdgeReport
		if l, held := e.Held(); held {
			er = lease.EdgeReport{Action: l.Action, Revision: l.Revision, Released: l.Released, Held: true}
		}
		r.Edges[e.name] = er
	}
	data, err := json.Marshal(r)
	if err != nil {
		c.log.Error("encode report", "service", c.service, "error", err)
		return
	}
	m := c.reportMessage(lease.ReportTTL)
	m.Data = data
	c.send(m)
}

// goodbye takes this instance out of the count.
func (c *Client) goodbye() {
	m := c.reportMessage(time.Second)
	m.Header.Set("KV-Operation", "PURGE")
	m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	if c.send(m) {
		_ = c.conn.FlushTimeout(goodbyeWithin)
	}
}

func (c *Client) reportMessage(ttl time.Duration) *nats.Msg {
	m := nats.NewMsg(lease.Subject(lease.InstancesBucket, c.service+"."+c.instance))
	m.Header.Set(jetstream.MsgTTLHeader, ttl.String())
	return m
}

// send does not hand anything to a connection that is down: it would be kept there, and arrive when it is no longer true.
func (c *Client) send(m *nats.Msg) bool {
	if !c.conn.IsConnected() {
		return false
	}
	if err := c.conn.PublishMsg(m); err != nil {
		c.log.Debug("report to Firebreak", "service", c.service, "error", err)
		return false
	}
	return true
}
