package archive

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one step of the schema. Steps are only ever added.
type migration struct {
	version   int
	name, sql string
}

// migrations are all steps in order.
func migrations() ([]migration, error) {
	entries, err := fs.ReadDir(migrationFiles, "migrations") // sorted by name
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	all := make([]migration, 0, len(entries))
	for i, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".sql")
		number, _, _ := strings.Cut(name, "_")
		text, err := fs.ReadFile(migrationFiles, "migrations/"+e.Name())
		if err != nil {
			return nil, fmt.Errorf("read migration %s: %w", name, err)
		}
		if n, err := strconv.Atoi(number); err != nil || n != i+1 {
			return nil, fmt.Errorf("migration %s: the steps must be numbered without a hole", name)
		}
		all = append(all, migration{version: i + 1, name: name, sql: string(text)})
	}
	return all, nil
}

// ErrNewer says that a newer build made the schema: this one must not write into it.
var ErrNewer = errors.New("the archive's schema is of a newer build: this build does not write into it")

// ErrOlder says that the schema is not made, or is of an older build, or not opened to the login, and that the login may not change that.
var ErrOlder = errors.New("the archive's schema is missing or old, or this login was not let in: run firebreak archive migrate as its owner, with --writer and this login")

// The time limits of statements. Migrations and retention may have to wait for people who read.
const (
	statementWithin = 30 * time.Second
	lockWithin      = 5 * time.Second
	migrateWithin   = 5 * time.Minute
)

// begin starts a transaction whose names are the archive's, and whose statements are bounded. All of it is said for the transaction alone,
// so it also holds behind a pooler that gives each transaction another session.
func begin(ctx context.Context, conn *pgx.Conn, schema string, within time.Duration) (pgx.Tx, error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	const set = `SELECT set_config('search_path', $1, true), set_config('statement_timeout', $2, true), set_config('lock_timeout', $3, true),
		set_config('idle_in_transaction_session_timeout', $2, true), set_config('timezone', 'UTC', true)`
	path := pgx.Identifier{schema}.Sanitize() + ", pg_temp"
	if _, err := tx.Exec(ctx, set, path, milliseconds(within), milliseconds(lockWithin)); err != nil {
		_ = tx.Rollback(ctx)
		return nil, fmt.Errorf("begin: %w", err)
	}
	return tx, nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }

// Migrate brings the schema to what this build writes, and returns its version. Replicas that do so at once wait for each other; one that
// finds nothing to do changes nothing. It never goes back.
func Migrate(ctx context.Context, conn *pgx.Conn, schema string) (int, error) {
	if err := checkSchema(schema); err != nil {
		return 0, err
	}
	steps, err := migrations()
	if err != nil {
		return 0, err
	}
	tx, err := begin(ctx, conn, schema, migrateWithin)
	if err != nil {
		return 0, fmt.Errorf("migrate the archive: %w", err)
	}
	defer func() { _ = tx.Rollback(ctx) }() // of what was committed it does nothing
	v, err := version(ctx, tx, schema)
	if err == nil && v < len(steps) {
		if v, err = migrate(ctx, tx, schema, steps); err == nil {
			err = tx.Commit(ctx)
		}
	}
	if isState(err, "42501") { // insufficient privilege
		return 0, errors.Join(ErrOlder, err)
	}
	if err != nil {
		return 0, fmt.Errorf("migrate the archive: %w", err)
	}
	return v, tooNew(v, len(steps))
}

func tooNew(version, ours int) error {
	if version > ours {
		return fmt.Errorf("version %d, this build knows %d: %w", version, ours, ErrNewer)
	}
	return nil
}

// migrate does the steps that are missing, in one transaction that holds the archive's lock.
func migrate(ctx context.Context, tx pgx.Tx, schema string, steps []migration) (int, error) {
	key := fnv.New64a()
	_, _ = key.Write([]byte("firebreak archive " + schema))
	// Another replica may take as long as it is allowed to.
	if _, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true)", milliseconds(migrateWithin)); err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(key.Sum64())); err != nil {
		return 0, fmt.Errorf("lock: %w", err)
	}
	var there bool
	if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema).Scan(&there); err != nil {
		return 0, err
	}
	if !there {
		if _, err := tx.Exec(ctx, "CREATE SCHEMA "+pgx.Identifier{schema}.Sanitize()); err != nil {
			return 0, fmt.Errorf("make the schema: %w", err)
		}
	}
	v, err := version(ctx, tx, schema) // again: another replica may have done it meanwhile
	if err != nil || v >= len(steps) {
		return v, err
	}
	if v == 0 {
		const table = "CREATE TABLE archive_migrations (version int PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
		if _, err := tx.Exec(ctx, table); err != nil {
			return 0, err
		}
	}
	for _, m := range steps[v:] {
		if _, err := tx.Exec(ctx, m.sql); err != nil {
			return 0, fmt.Errorf("step %s: %w", m.name, err)
		}
		if _, err := tx.Exec(ctx, "INSERT INTO archive_migrations (version, name) VALUES ($1, $2)", m.version, m.name); err != nil {
			return 0, err
		}
	}
	return len(steps), nil
}

// asker runs a query: a session, or a transaction in it.
type asker interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// version is that of the schema: 0 if it is not made.
func version(ctx context.Context, db asker, schema string) (int, error) {
	table := pgx.Identifier{schema, "archive_migrations"}.Sanitize()
	var there bool
	// Not to_regclass, which is an error where the login may not look into the schema.
	const ask = "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = 'archive_migrations')"
	if err := db.QueryRow(ctx, ask, schema).Scan(&there); err != nil {
		return 0, fmt.Errorf("read the schema's version: %w", err)
	}
	if !there {
		return 0, nil
	}
	var v int
	if err := db.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM "+table).Scan(&v); err != nil {
		return 0, fmt.Errorf("read the schema's version: %w", err)
	}
	return v, nil
}

// Grant gives roles that exist what they need and no more: writer is whom the server logs in as, readers are people and dashboards. Neither
// needs to own anything. An empty writer gets nothing.
func Grant(ctx context.Context, conn *pgx.Conn, schema, writer string, readers []string) error {
	if err := checkSchema(schema); err != nil {
		return err
	}
	tx, err := begin(ctx, conn, schema, migrateWithin)
	if err != nil {
		return fmt.Errorf("grant: %w", err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	var all []string
	usage := "GRANT USAGE ON SCHEMA " + pgx.Identifier{schema}.Sanitize() + " TO "
	if writer != "" {
		to := pgx.Identifier{writer}.Sanitize()
		all = append(all, usage+to,
			"GRANT SELECT ON archive_migrations, archive_gaps TO "+to,
			"GRANT SELECT, INSERT ON events, archive_gaps, archive_damaged TO "+to,
			"GRANT SELECT, INSERT, UPDATE ON incidents, fixes TO "+to,
			"GRANT SELECT, UPDATE ON archive_position TO "+to,
			"GRANT EXECUTE ON FUNCTION archive_make_month(timestamptz), archive_drop_before(timestamptz) TO "+to)
	}
	for _, reader := range readers {
		to := pgx.Identifier{reader}.Sanitize()
		all = append(all, usage+to,
			"GRANT SELECT ON incident_report, outcome_report, refusal_report, fix_report, event_report, gap_report TO "+to)
	}
	for _, sql := range all {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("grant: %w", err)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("grant: %w", err)
	}
	return nil
}

// isState says whether the server answered with one of these SQLSTATEs, or classes of them.
func isState(err error, states ...string) bool {
	said, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return false
	}
	for _, s := range states {
		if strings.HasPrefix(said.Code, s) {
			return true
		}
	}
	return false
}
