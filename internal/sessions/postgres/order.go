package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// work is one order while it is carried out, in its transaction.
type work struct {
	tx         pgx.Tx
	membership sessions.Membership
	answer     sessions.Answer
	took       []taken
	cut        *sessions.Cut
	// guard is when nothing may be written any more.
	guard time.Time
}

// taken is what is kept of a session so that it can be given back.
type taken struct {
	Was sessions.Session `json:"was"`
	// Left is what it was made into; nil for one that was quarantined.
	Left *sessions.Session `json:"left,omitempty"`
	// Back is the action that gave it back.
	Back string `json:"back,omitempty"`
}

// done is what became of an order.
type done struct {
	answer sessions.Answer
	cut    *sessions.Cut
}

// freshFor is how long what was read of the nodes may be acted on.
const freshFor = time.Second

// order is what all acts have in common; lock is called before the nodes are read, act after.
type order struct {
	sessions.Order
	kind   string
	whole  any
	quorum bool
	lock   func(context.Context, *work) error
	act    func(context.Context, *work) error
}

// carryOut runs an order in one transaction at the primary.
func (s *Store) carryOut(ctx context.Context, o order) (done, error) {
	print, err := sessions.Print(o.kind, o.whole)
	if err != nil {
		return done{}, err
	}
	primary, err := s.primary(ctx)
	if err != nil {
		return done{}, fmt.Errorf("%s: %w", o.kind, err)
	}
	var result done
	err = s.config.Servers.Act(ctx, primary.Server, o.Action, func(ctx context.Context, c *pgx.Conn) error {
		return pgx.BeginTxFunc(ctx, c, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
			inserted, err := tx.Exec(ctx, s.sql.insert, o.Action, o.kind, print)
			if err != nil {
				return fmt.Errorf("keep the action: %w", err)
			}
			if inserted.RowsAffected() == 0 {
				result, err = s.known(ctx, tx, o.Action, print)
				return err
			}
			result, err = s.first(ctx, tx, o)
			return err
		})
	})
	if err != nil {
		return done{}, fmt.Errorf("%s: %w", o.kind, refusal(err))
	}
	return result, nil
}

// known is the answer to an action that was carried out before.
func (s *Store) known(ctx context.Context, tx pgx.Tx, action, print string) (done, error) {
	var was string
	var answer, cut []byte
	if err := tx.QueryRow(ctx, s.sql.known, action).Scan(&was, &answer, &cut); err != nil {
		return done{}, fmt.Errorf("read the action: %w", err)
	}
	if was != print {
		return done{}, sessions.ErrAction
	}
	return readDone(answer, cut)
}

func readDone(answer, cut []byte) (done, error) {
	var d done
	err := json.Unmarshal(answer, &d.answer)
	if err == nil && cut != nil {
		err = json.Unmarshal(cut, &d.cut)
	}
	if err != nil {
		return done{}, fmt.Errorf("read the answer: %w", err)
	}
	return d, nil
}

// first carries an order out for the first time.
func (s *Store) first(ctx context.Context, tx pgx.Tx, o order) (done, error) {
	w := &work{tx: tx, answer: sessions.Answer{Action: o.Action, Items: []sessions.Item{}}}
	err := o.lock(ctx, w)
	if err == nil {
		w.membership, err = s.membership(ctx, tx)
	}
	if err != nil {
		return done{}, err
	}
	now := w.membership.At
	switch {
	case !o.Deadline.After(now):
		return done{}, sessions.ErrDeadline
	case w.membership.Epoch != o.Epoch:
		return done{}, fmt.Errorf("%w: it is %d", sessions.ErrEpoch, w.membership.Epoch)
	case o.quorum && !w.membership.Quorum:
		return done{}, sessions.ErrQuorum
	}
	w.answer.At, w.guard = now, now.Add(freshFor)
	if o.Deadline.Before(w.guard) {
		w.guard = o.Deadline
	}
	if err := o.act(ctx, w); err != nil {
		return done{}, err
	}
	return s.keep(ctx, w)
}

// keep writes the answer beside the action. What is returned is what a repeat will read.
func (s *Store) keep(ctx context.Context, w *work) (done, error) {
	var took, cut []byte
	var errs [3]error
	if len(w.took) > 0 {
		w.answer.Until = w.answer.At.Add(sessions.QuarantineFor)
		took, errs[0] = json.Marshal(w.took)
	}
	if w.cut != nil {
		cut, errs[1] = json.Marshal(w.cut)
	}
	answer, err := json.Marshal(w.answer)
	errs[2] = err
	if err := errors.Join(errs[:]...); err != nil {
		return done{}, fmt.Errorf("write the answer: %w", err)
	}
	if _, err := w.tx.Exec(ctx, s.sql.keep, w.answer.Action, answer, took, cut); err != nil {
		return done{}, fmt.Errorf("write the answer: %w", err)
	}
	return readDone(answer, cut)
}

// say adds what became of a session.
func (w *work) say(key sessions.Key, o sessions.Outcome) {
	w.answer.Items = append(w.answer.Items, sessions.Item{Key: key, Outcome: o})
}

// write runs an update of one row, which must hit it. It can miss only if the guard's time has come: the row is locked.
func (w *work) write(ctx context.Context, sql string, args ...any) error {
	tag, err := w.tx.Exec(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("write a session: %w", err)
	}
	if tag.RowsAffected() != 1 {
		return fmt.Errorf("%w: it took too long", sessions.ErrDeadline)
	}
	return nil
}

// refusal tells errors that ended the transaction before its commit, and so prove that nothing was changed. An error of the commit itself,
// or of the network, stays in doubt.
func refusal(err error) error {
	var said *pgconn.PgError
	if errors.Is(err, sessions.ErrRefused) || !errors.As(err, &said) {
		return err
	}
	switch said.Code {
	case "55P03", "40001", "40P01", "57014", "25006", "42501": // a lock, a race, a deadlock, too slow, read-only, no right
		return fmt.Errorf("%w: %w", sessions.ErrBusy, err)
	}
	return err
}
