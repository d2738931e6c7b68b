package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
)

const (
	// pollEvery is how often the bus is asked for news when there was none: so much the archive is behind at best.
	pollEvery = time.Second
	// pollSlow is how long a replica waits that found another one writing.
	pollSlow = 3 * time.Second
	// retryMost is how long a round waits at most after one that failed.
	retryMost = 30 * time.Second
	// sweepEvery is how often old months are looked for.
	sweepEvery = time.Hour
	// patience is how long the stream may look as if it had lost or forgotten what it acknowledged: a node of a cluster that has just become
	// the leader, or a copy that is behind, looks so for moments.
	patience = 30 * time.Second
)

// Config is where the archive is, and how long it keeps.
type Config struct {
	// URL is postgres://user:password@host/database with the parameters of libpq. It is a secret. Without sslmode the certificate is
	// verified, but on this machine, where there is none.
	URL string
	// Schema is the schema that is the archive's alone. It is made if it is missing and the login may do so.
	Schema string
	// Keep is how long months are kept after they are over.
	Keep time.Duration
	// Metrics are where it says how it is doing.
	Metrics prometheus.Registerer
	Log     zerolog.Logger
}

// Archive writes what the bus holds into the database, until it is told to stop.
type Archive struct {
	config  *pgx.ConnConfig
	schema  string
	keep    time.Duration
	name    string
	source  source
	metrics *metrics
	log     zerolog.Logger

	// All below belongs to Run. conn is the session, nil without one; at is the position in the database, as far as known says.
	conn  *pgx.Conn
	at    position
	known bool
	// from is where reading goes on, in the stream that was created at located; zero before the position was read once.
	from    cursor
	located time.Time
	// stories are those of incidents that were written to last, months those whose partitions are there.
	stories map[incidents.ID]*story
	months  map[time.Time]bool
	swept   time.Time
	// slow is by how much the database's clock is behind ours, 0 if it is not.
	slow time.Duration
	// doubted is since when the stream looks as if it had lost something; zero if it does not. patience bounds that.
	doubted  time.Time
	patience time.Duration
}

// New reads the settings. It connects to nothing yet, so that a database that is down keeps nothing from starting.
func New(b *bus.Bus, c Config) (*Archive, error) {
	config, err := login(c.URL)
	if err == nil {
		err = checkSchema(c.Schema)
	}
	if err == nil && c.Keep <= 24*time.Hour {
		err = errors.New("months cannot be kept for a day or less")
	}
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return &Archive{config: config, schema: c.Schema, keep: c.Keep, name: b.Name(), source: source{b.JetStream()}, metrics: newMetrics(c.Metrics),
		log:     c.Log.With().Str("part", "archive").Str("database", where(config)).Logger(),
		stories: map[incidents.ID]*story{}, months: map[time.Time]bool{}, patience: patience}, nil
}

// Run writes until ctx ends. Whatever the database or the bus answer, it goes on: a round that failed is tried again, later and later.
func (a *Archive) Run(ctx context.Context) error {
	defer a.hangUp()
	a.metrics.since(time.Now()) // until the position is known: it is behind at least since now
	for failures := 0; ctx.Err() == nil; {
		wait, err := a.round(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errMoved):
			wait = pollSlow
			a.forget()
		case err != nil:
			wait = min(time.Second<<min(failures, 10), retryMost)
			failures++
			a.failed(ctx, err, failures, wait)
		case failures > 0:
			failures = 0
			a.log.Info().Uint64("message", a.at.seq).Msg("the archive goes on")
		}
		pause(ctx, wait)
	}
	return nil
}

// failed says that a round did not work, and lets go of everything that it may have left half done.
func (a *Archive) failed(ctx context.Context, err error, failures int, wait time.Duration) {
	a.hangUp()
	a.forget()
	a.metrics.failed()
	event := a.log.Warn()
	if a.measure(ctx) {
		event = event.Uint64("messages_behind", a.metrics.waiting.Load())
	}
	event.Err(err).Int("failures", failures).Dur("again_in", wait).Msg("the archive is behind; what it has not is kept by the bus, for as long as that keeps it")
}

// measure says how far behind the archive is while it does not write, and whether that is known.
func (a *Archive) measure(ctx context.Context) bool {
	s, err := a.source.look(ctx)
	if err != nil {
		return false
	}
	next := s.first
	if a.from.from <= s.last+1 {
		next = max(a.from.from, s.first)
	}
	a.metrics.behind(s, next)
	switch {
	case next > s.last:
		return !a.located.IsZero()
	case a.located.IsZero():
		a.metrics.atLeastSince(a.now())
		return false
	}
	if stored, err := a.source.storedAt(ctx, next); err == nil && !stored.IsZero() {
		a.metrics.since(stored)
	}
	return true
}

// forget lets go of what is only true as long as nobody else writes and nothing fails.
func (a *Archive) forget() {
	a.known = false
	clear(a.stories)
	clear(a.months)
}

// hangUp ends the session.
func (a *Archive) hangUp() {
	if a.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = a.conn.Close(ctx) // what was not committed is rolled back whether it says so or not
	a.conn = nil
}

// round reads what is new and writes it. It says how long to wait before the next one.
func (a *Archive) round(ctx context.Context) (time.Duration, error) {
	if err := a.connect(ctx); err != nil {
		return 0, err
	}
	s, err := a.source.look(ctx)
	if err != nil {
		return 0, err
	}
	if err := a.locate(ctx, s); err != nil {
		return 0, err
	}
	a.sweep(ctx, a.now())
	var msgs []bus.Msg
	if a.from.from <= s.last {
		if msgs, err = a.source.batch(ctx, a.from.from); err != nil {
			return 0, err
		}
	}
	if s, err = a.confirm(ctx, s, msgs); err != nil {
		return 0, err
	}
	a.metrics.reading(s, a.from.from, msgs)
	if len(msgs) == 0 {
		return pollEvery, a.skipForgotten(ctx, s)
	}
	if err := a.put(ctx, s, msgs); err != nil {
		return 0, err
	}
	a.metrics.behind(s, a.from.from)
	if a.from.from > s.last {
		return pollEvery, nil
	}
	return 0, nil
}

// put writes messages. Of those that PostgreSQL refuses each is kept as bytes, and does not hold up the others.
func (a *Archive) put(ctx context.Context, s span, msgs []bus.Msg) error {
	b := a.gather(a.from, s, msgs, a.now())
	err := a.commit(ctx, b)
	if !isPoison(err) {
		return err
	}
	if len(msgs) == 1 {
		return a.commit(ctx, b.spoiled(msgs[0], err))
	}
	a.log.Warn().Err(err).Int("messages", len(msgs)).Msg("the archive's database refuses something that is in the record; writing one message at a time")
	for i := range msgs {
		if err := a.put(ctx, s, msgs[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// commit writes a batch and goes on behind it.
func (a *Archive) commit(ctx context.Context, b batch) error {
	if err := a.write(ctx, b); err != nil {
		clear(a.stories) // they hold what was not committed
		clear(a.months)
		return err
	}
	a.at, a.from = b.to, b.to.next()
	a.metrics.wrote(b)
	for _, g := range b.gaps {
		a.log.Error().Str("reason", g.reason).Uint64("from", g.from).Uint64("to", g.to).Uint64("messages", g.messages()).
			Msg("the bus forgot a part of the record before it was archived: it is in the table archive_gaps, and nowhere else")
	}
	for _, d := range b.damaged {
		a.log.Warn().Uint64("message", d.msg.Seq).Str("subject", d.msg.Subject).Str("why", d.why).
			Msg("a message of the record is kept whole in the table archive_damaged")
	}
	return nil
}

// connect opens the session, and sees to it that the schema is the one that this build writes.
func (a *Archive) connect(ctx context.Context) error {
	if a.conn != nil && !a.conn.IsClosed() {
		return nil
	}
	a.forget()
	dial, cancel := context.WithTimeout(ctx, 2*connectWithin)
	defer cancel()
	conn, err := pgx.ConnectConfig(dial, a.config.Copy())
	if err != nil {
		return fmt.Errorf("connect: %w", policy.Secret(a.config.Password).HiddenIn(err))
	}
	a.conn = conn
	work, done := context.WithTimeout(ctx, migrateWithin)
	defer done()
	if _, err := Migrate(work, conn, a.schema); err != nil {
		return err
	}
	a.metrics.connected()
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
