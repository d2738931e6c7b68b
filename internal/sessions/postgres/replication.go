package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// sender is what the primary knows of a standby.
type sender struct {
	state string
	// lag is how long ago what was replayed last was written; nil if nothing is missing, or nothing was written.
	lag   *float64
	reply *time.Time
}

// standby is what a standby says of itself.
type standby struct {
	cut sessions.Cut
	// replayed is the commit time of the last transaction that it replayed.
	replayed *time.Time
}

// Replication is how far each standby is by its own position. The primary's view adds its state, and how old what it lacks is.
func (s *Store) Replication(ctx context.Context) (sessions.Replication, error) {
	primary, err := s.primary(ctx)
	if err != nil {
		return sessions.Replication{}, err
	}
	// The standbys first: a position of the primary that is read later is never under theirs.
	own := map[string]standby{}
	for _, n := range s.config.Nodes {
		var one standby
		err := s.config.Servers.Look(ctx, n.Server, func(ctx context.Context, c *pgx.Conn) (err error) {
			if one.cut, _, err = where(ctx, c); err != nil {
				return err
			}
			return c.QueryRow(ctx, "SELECT pg_last_xact_replay_timestamp()").Scan(&one.replayed)
		})
		if err == nil { // one that does not answer is unreachable
			own[n.Name] = one
		}
	}
	result := sessions.Replication{Replicas: []sessions.Replica{}}
	senders := map[string]sender{}
	err = s.config.Servers.Look(ctx, primary.Server, func(ctx context.Context, c *pgx.Conn) (err error) {
		if result.Cut, result.At, err = where(ctx, c); err != nil {
			return err
		}
		return readSenders(ctx, c, senders)
	})
	if err != nil {
		return sessions.Replication{}, err
	}
	for _, n := range s.config.Nodes {
		if n == primary {
			continue
		}
		one, answers := own[n.Name]
		sent, streams := senders[n.Name]
		result.Replicas = append(result.Replicas, replica(n.Name, one, answers, sent, streams, result.Cut, result.At))
	}
	return result, nil
}

func readSenders(ctx context.Context, c *pgx.Conn, into map[string]sender) error {
	const ask = `SELECT application_name, coalesce(state, ''), extract(epoch FROM replay_lag)::float8, reply_time FROM pg_stat_replication`
	rows, err := c.Query(ctx, ask)
	if err != nil {
		return fmt.Errorf("read who streams: %w", err)
	}
	var name string
	var one sender
	_, err = pgx.ForEachRow(rows, []any{&name, &one.state, &one.lag, &one.reply}, func() error {
		into[name] = one
		return nil
	})
	if err != nil {
		return fmt.Errorf("read who streams: %w", err)
	}
	return nil
}

func replica(name string, own standby, answers bool, sent sender, streams bool, cut sessions.Cut, at time.Time) sessions.Replica {
	r := sessions.Replica{Name: name, State: "down"}
	if streams {
		r.State = sent.state
		if sent.reply != nil {
			r.LastContact = sent.reply.UTC()
		}
	}
	switch {
	case !answers:
		r.State = "unreachable"
		return r
	case own.cut.History != cut.History:
		r.State += ", another history"
		return r
	case own.cut.Position >= cut.Position:
		r.Known = true
		return r
	}
	r.LagUnits = cut.Position - own.cut.Position
	switch {
	case streams && sent.lag != nil:
		r.LagSeconds, r.Known = *sent.lag, true
	case streams && sent.reply != nil: // it had everything when it replied
		r.LagSeconds, r.Known = max(at.Sub(*sent.reply).Seconds(), 0), true
	case own.replayed != nil: // it has everything up to then
		r.LagSeconds, r.Known = max(at.Sub(*own.replayed).Seconds(), 0), true
	}
	return r
}
