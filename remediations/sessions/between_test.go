package sessions_test

import (
	"context"
	"errors"
	"sync"

	store "github.com/firebreak-sre/firebreak/internal/sessions"
)

// errLost is what the network says of a call of which nothing more is known.
var errLost = errors.New("the connection was lost")

// between stands between the remediation and a store. It counts the calls, and can do what networks and stores do.
type between struct {
	store.Store

	mu sync.Mutex // guards what follows
	// calls counts all; fail says of the n-th, from 0, whether it is lost, and whether only its answer is. Nil: none is.
	calls int
	fail  func(n int) (lost, answered bool)
	// before is called with each order before it is sent, after with its answer, which it may change.
	before func(kind string, o store.Order)
	after  func(kind string, a *store.Answer)
}

// call runs one call.
func call[T any](ctx context.Context, b *between, do func() (T, error)) (T, error) {
	b.mu.Lock()
	n, fail := b.calls, b.fail
	b.calls++
	b.mu.Unlock()
	var none T
	if ctx.Err() != nil {
		return none, context.Cause(ctx)
	}
	lost, answered := false, false
	if fail != nil {
		lost, answered = fail(n)
	}
	if lost && !answered {
		return none, errLost
	}
	result, err := do()
	if lost {
		return none, errLost
	}
	return result, err
}

// act runs one order.
func act(ctx context.Context, b *between, kind string, o store.Order, do func() (store.Answer, error)) (store.Answer, error) {
	b.mu.Lock()
	before, after := b.before, b.after
	b.mu.Unlock()
	if before != nil {
		before(kind, o)
	}
	a, err := call(ctx, b, do)
	if after != nil && err == nil {
		after(kind, &a)
	}
	return a, err
}

func (b *between) set(change func(*between)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}

// whole is a network that loses nothing, and counts from now.
func (b *between) whole() {
	b.set(func(b *between) { b.fail, b.before, b.after, b.calls = nil, nil, nil, 0 })
}

func (b *between) Membership(ctx context.Context) (store.Membership, error) {
	return call(ctx, b, func() (store.Membership, error) { return b.Store.Membership(ctx) })
}

func (b *between) List(ctx context.Context, q store.Query) (store.Page, error) {
	return call(ctx, b, func() (store.Page, error) { return b.Store.List(ctx, q) })
}

func (b *between) Quarantine(ctx context.Context, q store.Quarantine) (store.Answer, error) {
	return act(ctx, b, "quarantine", q.Order, func() (store.Answer, error) { return b.Store.Quarantine(ctx, q) })
}

func (b *between) Restore(ctx context.Context, r store.Restore) (store.Answer, error) {
	return act(ctx, b, "restore", r.Order, func() (store.Answer, error) { return b.Store.Restore(ctx, r) })
}

func (b *between) Reconcile(ctx context.Context, r store.Reconcile) (store.Answer, error) {
	return act(ctx, b, "reconcile", r.Order, func() (store.Answer, error) { return b.Store.Reconcile(ctx, r) })
}

func (b *between) Recover(ctx context.Context, r store.Recover) (store.Answer, error) {
	return act(ctx, b, "recover", r.Order, func() (store.Answer, error) { return b.Store.Recover(ctx, r) })
}

func (b *between) Sync(ctx context.Context, s store.Sync) (store.Synced, error) {
	var synced store.Synced
	var err error
	synced.Answer, err = act(ctx, b, "sync", s.Order, func() (store.Answer, error) {
		synced, err = b.Store.Sync(ctx, s)
		return synced.Answer, err
	})
	return synced, err
}
