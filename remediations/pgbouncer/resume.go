package pgbouncer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/firebreak-sre/firebreak/internal/pgbouncer"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer/bounds"
)

// resume is resume of one database.
type resume struct {
	bounds.Resume
	console *pgbouncer.Console
}

func newResume(p Pooler, raw json.RawMessage) (fix, error) {
	params, err := bounds.ReadResume(raw)
	if err != nil {
		return nil, err
	}
	return &resume{Resume: params, console: p.Console}, nil
}

// read says whether there is something to resume. That a database runs cannot be told to be by our doing.
func (r *resume) read(d pgbouncer.Database) (remediations.State, string) {
	switch {
	case d.Disabled:
		return remediations.Foreign, "database " + d.Name + " is disabled by somebody"
	case d.Paused:
		return remediations.Absent, "database " + d.Name + " is paused"
	}
	return remediations.Satisfied, "database " + d.Name + " is not paused"
}

func (r *resume) check(ctx context.Context, o remediations.Order) (remediations.Presence, error) {
	_, d, err := look(ctx, o, r.console, r.Database)
	if err != nil {
		return remediations.Presence{}, err
	}
	state, words := r.read(d)
	return remediations.Presence{State: state, Detail: words}, nil
}

func (r *resume) apply(ctx context.Context, o remediations.Order) (remediations.Receipt, error) {
	_, d, err := change(ctx, o, r.console, pgbouncer.Resume(r.Database), r.Database, func(_ pgbouncer.Sight, d pgbouncer.Database) error {
		switch state, words := r.read(d); state {
		case remediations.Satisfied:
			return errAlready
		case remediations.Foreign:
			return errors.New(words)
		}
		return inTime(o)
	})
	switch {
	case errors.Is(err, errAlready):
		return remediations.Receipt{Note: fmt.Sprintf("database %s was resumed meanwhile, not by this: nothing was sent", r.Database)}, nil
	case errors.Is(err, pgbouncer.ErrNotPaused):
		return remediations.Receipt{Note: fmt.Sprintf("database %s was resumed in the same moment, not by this", r.Database)}, nil
	case err != nil:
		return remediations.Receipt{}, proven(err)
	case d.Paused:
		return remediations.Receipt{}, fmt.Errorf("in doubt: right after it was resumed database %s is paused again", r.Database)
	}
	return remediations.Receipt{Note: fmt.Sprintf("database %s runs again", r.Database)}, nil
}

// revert has nothing to do: what was resumed stays so.
func (r *resume) revert(ctx context.Context, _ remediations.Order) error { return ctx.Err() }
