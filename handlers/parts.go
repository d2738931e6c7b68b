package handlers

import (
	"context"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/guard"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

// What the loop works with, as it needs it. Each has one implementation on the bus; the model test has another one, in simulated time.

// Records keep what happened: see [incidents.Store].
type Records interface {
	Load(ctx context.Context, id incidents.ID) (*incidents.State, error)
	Latest(ctx context.Context, handler, target string) (*incidents.State, error)
	Append(ctx context.Context, st *incidents.State, events ...incidents.Event) error
}

// Agenda says when to look at an open incident again: see bus.Agenda.
type Agenda interface {
	Set(ctx context.Context, key string, due time.Time) error
	Move(ctx context.Context, key string, due time.Time) error
	Clear(ctx context.Context, key string) error
	Nudge(key string)
	AwaitEntry(ctx context.Context, key string) bool
	Knows(key string) bool
	Count(prefix string) int
	Open(ctx context.Context) (map[string]time.Time, error)
}

// Ledger bounds all fixes together: see [ledger.Ledger].
type Ledger interface {
	Reserve(ctx context.Context, ask ledger.Ask, now time.Time) (remediations.Grant, error)
	Would(ctx context.Context, ask ledger.Ask, now time.Time) (*remediations.NoError, error)
	Release(ctx context.Context, end ledger.End, now time.Time) error
	Surge(ctx context.Context, zone string, now time.Time) error
}

// Gate is everything else that may say no: see [guard.Guard].
type Gate interface {
	Admit(ctx context.Context, ask guard.Ask) *remediations.NoError
	LastGate(ctx context.Context, ask guard.Ask) *remediations.NoError
}

// Permits says whether the policy names a fix at a place (see [remediations.Step.Place]) for one target. Default deny: what it does not
// name is not allowed.
type Permits func(handler, target, place, fix string) bool
