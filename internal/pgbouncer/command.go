package pgbouncer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5/pgconn"
)

// Key is a setting that may be changed.
type Key string

// The settings that may be changed; no others.
const (
	DefaultPoolSize Key = "default_pool_size"
	ReservePoolSize Key = "reserve_pool_size"
)

// Command is something that can be said to the console. The zero value says nothing, and is refused.
type Command struct {
	text     string
	database string // the one that it names, if it names one
	waits    bool   // its answer may take as long as the context lets it
	err      error  // why it cannot be said
}

// String is the command as it is sent.
func (c Command) String() string { return c.text }

const (
	// largestValue is as much as any of the keys can mean.
	largestValue = 100_000
	// longestName is what the console takes of a name, its quotes among it.
	longestName = 63
)

// Set changes a setting until the next RELOAD or restart.
func Set(key Key, value int) Command {
	switch {
	case !slices.Contains([]Key{DefaultPoolSize, ReservePoolSize}, key):
		return Command{err: fmt.Errorf("setting %.40q is none that may be changed here", key)}
	case value < 0 || value > largestValue:
		return Command{err: fmt.Errorf("%s cannot be %d", key, value)}
	}
	return Command{text: "SET " + string(key) + " = " + strconv.Itoa(value)}
}

// Pause closes the server's sessions of a database as they become free, and lets clients wait. It answers when all are closed, and hangs for as
// long as one is in use; the database is paused from its first moment on, and stays so until somebody resumes it.
func Pause(database string) Command { return named("PAUSE", database, true) }

// Resume ends a PAUSE of a database.
func Resume(database string) Command { return named("RESUME", database, false) }

func named(verb, database string, waits bool) Command {
	quoted, err := quote(database)
	if err != nil {
		return Command{err: err}
	}
	return Command{text: verb + " " + quoted, database: database, waits: waits}
}

// quote writes a name as the console reads it.
func quote(name string) (string, error) {
	quoted := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	switch {
	case name == "":
		return "", errors.New("the database has no name") // without one, PAUSE and RESUME mean everything
	case name == console:
		return "", fmt.Errorf("%s is the console itself", name)
	case strings.ContainsFunc(name, unicode.IsControl):
		return "", fmt.Errorf("%.80q is no name of a database", name)
	case len(quoted) > longestName:
		return "", fmt.Errorf("%.80q is too long for the console", name)
	}
	return quoted, nil
}

// Exec says a command whatever the pooler looks like, and once at most; see [Console.Change].
func (c *Console) Exec(ctx context.Context, command Command) error {
	_, err := c.Change(ctx, command, nil)
	return err
}

// Change looks, asks still whether the command is to be sent, sends it, and reads back. A database that is not listed is not sent: the pooler might
// make one. What was read back is what counts; it is empty if nothing was read after the command. Errors are [ErrNotSent], [ErrSaid], or doubt. An
// error of still is returned with ErrNotSent.
func (c *Console) Change(ctx context.Context, command Command, still func(Sight) error) (Sight, error) {
	if command.err == nil && command.text == "" {
		command.err = errors.New("an empty command")
	}
	if command.err != nil {
		return Sight{}, fmt.Errorf("%w: %w", ErrNotSent, command.err)
	}
	if err := c.take(ctx); err != nil {
		return Sight{}, fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	defer c.give()
	if err := c.ready(ctx, command, still); err != nil {
		return Sight{}, fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	send := c.exchange
	if command.waits {
		send = c.say
	}
	if _, err := send(ctx, command.text); err != nil {
		err = fmt.Errorf("%s at %s: %w", command, c, err)
		switch {
		case pgconn.SafeToRetry(err):
			return Sight{}, fmt.Errorf("%w: %w", ErrNotSent, err)
		case !errors.Is(err, ErrSaid):
			return Sight{}, err
		}
		after, unread := c.look(ctx)
		return after, errors.Join(err, unread)
	}
	after, err := c.look(ctx)
	if err != nil {
		return Sight{}, fmt.Errorf("%s at %s was answered, and nothing could be read back: %w", command, c, err)
	}
	return after, nil
}

// ready leaves a line on which the pooler answered a moment ago, and says whether the command may go over it.
func (c *Console) ready(ctx context.Context, command Command, still func(Sight) error) error {
	now, err := c.look(ctx)
	if err != nil {
		return err
	}
	if _, listed := now.Find(command.database); command.database != "" && !listed {
		return fmt.Errorf("%w: %.80q is not in SHOW DATABASES", ErrNoDatabase, command.database)
	}
	if still != nil {
		if err := still(now); err != nil {
			return err
		}
	}
	if c.line == nil || ctx.Err() != nil {
		return fmt.Errorf("the console has gone: %w", ctx.Err())
	}
	return nil
}
