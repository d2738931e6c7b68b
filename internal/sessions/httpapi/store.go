package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

func (c *Client) get(ctx context.Context, path string, query url.Values, out any) error {
	return c.Do(ctx, Request{Method: http.MethodGet, Path: path, Query: query}, out)
}

// Membership is who is there.
func (c *Client) Membership(ctx context.Context) (sessions.Membership, error) {
	var m sessions.Membership
	if err := c.get(ctx, PathStatus, nil, &m); err != nil {
		return sessions.Membership{}, err
	}
	if err := m.Check(); err != nil {
		return sessions.Membership{}, fmt.Errorf("read the membership: %w", err)
	}
	return m, nil
}

// Replication is how far the replicas are.
func (c *Client) Replication(ctx context.Context) (sessions.Replication, error) {
	var r sessions.Replication
	err := c.get(ctx, PathReplication, nil, &r)
	return r, err
}

// Cut is the primary's position.
func (c *Client) Cut(ctx context.Context) (sessions.Cut, error) {
	var cut sessions.Cut
	err := c.get(ctx, PathCut, nil, &cut)
	if err == nil && cut.History == "" {
		err = fmt.Errorf("read the cut: it has no history")
	}
	return cut, err
}

// List gives sessions. One that cannot be read makes the whole page unreadable.
func (c *Client) List(ctx context.Context, q sessions.Query) (sessions.Page, error) {
	if err := q.Check(); err != nil {
		return sessions.Page{}, err
	}
	var page sessions.Page
	if err := c.get(ctx, PathList, Values(q), &page); err != nil {
		return sessions.Page{}, err
	}
	for _, s := range page.Sessions {
		if err := s.Check(); err != nil {
			return sessions.Page{}, fmt.Errorf("read a list: %w", err)
		}
	}
	if len(page.Sessions) > sessions.MostListed || page.At.IsZero() {
		return sessions.Page{}, fmt.Errorf("read a list: it holds %d sessions, or has no time", len(page.Sessions))
	}
	return page, nil
}

// Digest counts what a node holds.
func (c *Client) Digest(ctx context.Context, node string, cut sessions.Cut) (sessions.Digest, error) {
	var d sessions.Digest
	if err := c.get(ctx, PathDigest, CutValues(node, cut), &d); err != nil {
		return sessions.Digest{}, err
	}
	if len(d.Buckets) != sessions.Buckets || d.Node != node {
		return sessions.Digest{}, fmt.Errorf("read a digest: %d buckets of node %q, not %d of %q", len(d.Buckets), d.Node, sessions.Buckets, node)
	}
	return d, nil
}

// post orders an act and makes sure that the answer is about it.
func (c *Client) post(ctx context.Context, path string, o sessions.Order, body any) (sessions.Answer, error) {
	var a sessions.Answer
	if err := c.Do(ctx, Request{Method: http.MethodPost, Path: path, Action: o.Action, Body: body}, &a); err != nil {
		return sessions.Answer{}, err
	}
	return a, about(a, o)
}

// about refuses an answer that is about another action, or did more than was ordered. What happened then is not known.
func about(a sessions.Answer, o sessions.Order) error {
	if a.Action != o.Action || a.At.IsZero() {
		return fmt.Errorf("read the answer: it is about action %q at %s", a.Action, a.At)
	}
	if n := a.Count(sessions.Done); n > o.Max {
		return fmt.Errorf("read the answer: %d sessions were changed, and max was %d", n, o.Max)
	}
	return nil
}

// Quarantine takes orphans out of sight.
func (c *Client) Quarantine(ctx context.Context, q sessions.Quarantine) (sessions.Answer, error) {
	if err := q.Check(); err != nil {
		return sessions.Answer{}, err
	}
	return c.post(ctx, PathQuarantine, q.Order, q)
}

// Restore gives back what an action took.
func (c *Client) Restore(ctx context.Context, r sessions.Restore) (sessions.Answer, error) {
	if err := r.Check(); err != nil {
		return sessions.Answer{}, err
	}
	return c.post(ctx, PathRestore, r.Order, r)
}

// Reconcile takes away copies that another one dominates.
func (c *Client) Reconcile(ctx context.Context, r sessions.Reconcile) (sessions.Answer, error) {
	if err := r.Check(); err != nil {
		return sessions.Answer{}, err
	}
	return c.post(ctx, PathReconcile, r.Order, r)
}

// Recover gives orphans to a member.
func (c *Client) Recover(ctx context.Context, r sessions.Recover) (sessions.Answer, error) {
	if err := r.Check(); err != nil {
		return sessions.Answer{}, err
	}
	return c.post(ctx, PathRecover, r.Order, r)
}

// Sync sends sessions to the replicas again. Whether it is complete is judged here, by the positions.
func (c *Client) Sync(ctx context.Context, s sessions.Sync) (sessions.Synced, error) {
	if err := s.Check(); err != nil {
		return sessions.Synced{}, err
	}
	var result sessions.Synced
	if err := c.Do(ctx, Request{Method: http.MethodPost, Path: PathSync, Action: s.Action, Body: s}, &result); err != nil {
		return sessions.Synced{}, err
	}
	for i, r := range result.Replicas {
		result.Replicas[i].Has = r.Has && r.Position >= result.Cut.Position
	}
	result.Finish()
	return result, about(result.Answer, s.Order)
}
