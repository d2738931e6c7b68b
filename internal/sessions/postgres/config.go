package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// Servers reaches the nodes of a cluster; postgres.Fleet does.
type Servers interface {
	Look(ctx context.Context, node string, fn func(context.Context, *pgx.Conn) error) error
	Act(ctx context.Context, node, action string, fn func(context.Context, *pgx.Conn) error) error
}

// Config is where the sessions are.
type Config struct {
	Servers Servers
	// Nodes are all servers of the cluster. Which one is the primary is asked.
	Nodes []Node
	// Table holds the sessions, NodesTable the registered nodes, ActionsTable what was done: schema.table each. Default
	// public.sessions, public.session_nodes and public.session_actions.
	Table, NodesTable, ActionsTable string
	Columns                         Columns
	// TTL is how long the application's leases last. Required.
	TTL time.Duration
	// Wait is how long a standby may take to reach a cut, default 2s.
	Wait time.Duration
}

// Node is one server.
type Node struct {
	// Name is what the contract calls it, e.g. "pg2"; a standby calls itself so at its primary (application_name).
	Name string
	// Server is its name in Servers, e.g. "orders/pg2".
	Server string
}

// Columns are those of the table of sessions. Empty is the default.
type Columns struct {
	// ID is text, or casts to it; default session_id. Sessions are looked up by ID::text: a column that is not text needs an index on
	// that.
	ID string
	// Copy is the node whose copy the row is, '' for the session itself; default copy. "-": there is no such column.
	Copy string
	// Owner is text, Epoch bigint, Lease timestamptz; default owner, epoch, lease_expires_at.
	Owner, Epoch, Lease string
	// Version is text as sessions.Version writes it, or bigint, as VersionType says; default version, text.
	Version, VersionType string
	// Priority is text, UpdatedAt timestamptz; default priority, updated_at. "-": there is no such column.
	Priority, UpdatedAt string
	// QuarantinedAt is timestamptz, QuarantinedBy text, both null in a live row; default quarantined_at, quarantined_by.
	QuarantinedAt, QuarantinedBy string
}

const (
	defaultWait = 2 * time.Second
	// none is a column that there is not.
	none = "-"
)

func (c Config) withDefaults() Config {
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fill(&c.Table, "public.sessions")
	fill(&c.NodesTable, "public.session_nodes")
	fill(&c.ActionsTable, "public.session_actions")
	n := &c.Columns
	fill(&n.ID, "session_id")
	fill(&n.Copy, "copy")
	fill(&n.Owner, "owner")
	fill(&n.Epoch, "epoch")
	fill(&n.Lease, "lease_expires_at")
	fill(&n.Version, "version")
	fill(&n.VersionType, "text")
	fill(&n.Priority, "priority")
	fill(&n.UpdatedAt, "updated_at")
	fill(&n.QuarantinedAt, "quarantined_at")
	fill(&n.QuarantinedBy, "quarantined_by")
	if c.Wait <= 0 {
		c.Wait = defaultWait
	}
	return c
}

func (c Config) check() error {
	if c.Servers == nil || len(c.Nodes) == 0 || c.TTL <= 0 {
		return errors.New("there are no servers, or the TTL of leases is missing")
	}
	if t := c.Columns.VersionType; t != "text" && t != "bigint" {
		return fmt.Errorf("the version is %q, neither text nor bigint", t)
	}
	names := map[string]bool{}
	for _, n := range c.Nodes {
		if n.Name == "" || n.Server == "" || names[n.Name] {
			return fmt.Errorf("node %q has no name or server, or is there twice", n.Name)
		}
		names[n.Name] = true
	}
	for _, t := range []string{c.Table, c.NodesTable, c.ActionsTable} {
		if parts := strings.Split(t, "."); len(parts) != 2 || parts[0] == "" || parts[1] == "" {
			return fmt.Errorf("table %q is not schema.table", t)
		}
	}
	return nil
}

// table quotes schema.table.
func table(name string) string { return pgx.Identifier(strings.Split(name, ".")).Sanitize() }

func quote(column string) string { return pgx.Identifier{column}.Sanitize() }

// statements are all that is sent, with the policy's names in them.
type statements struct {
	id, copy, live string
	// session reads sessions; the text after it narrows it.
	session string
	take    string
	giveBack,
	reown string
	digest, count string
	nodes         string
	insert        string
	known, keep   string
	undo, mark    string
}

// or is the column, or what stands for it where there is none.
func or(column, otherwise string) string {
	if column == none {
		return otherwise
	}
	return quote(column)
}

func (c Config) statements() statements {
	n := c.Columns
	t, actions := table(c.Table), table(c.ActionsTable)
	id, copied := quote(n.ID)+"::text", or(n.Copy, "''::text")
	owner, epoch, version, lease := quote(n.Owner), quote(n.Epoch), quote(n.Version), quote(n.Lease)
	at, by := quote(n.QuarantinedAt), quote(n.QuarantinedBy)
	live := at + " IS NULL"
	row := id + " = $1 AND " + copied + " = $2"
	unchanged := fmt.Sprintf("%s AND %s = $3 AND %s = $4 AND %s::text = $5", row, owner, epoch, version)
	return statements{
		id: id, copy: copied, live: live,
		session: fmt.Sprintf("SELECT %s, %s, %s, %s, %s::text, %s, %s::text, %s, %s, %s FROM %s", id, copied, owner, epoch, version, lease,
			or(n.Priority, "''"), or(n.UpdatedAt, "NULL::timestamptz"), at, by, t),
		take: fmt.Sprintf("UPDATE %s SET %s = $3, %s = $4 WHERE %s AND %s AND clock_timestamp() < $5", t, at, by, row, live),
		giveBack: fmt.Sprintf("UPDATE %s SET %s = NULL, %s = NULL WHERE %s AND %s = $6 AND clock_timestamp() < $7",
			t, at, by, unchanged, by),
		reown: fmt.Sprintf("UPDATE %s SET %s = $6, %s = $7, %s = $8::text::%s, %s = $9 WHERE %s AND %s AND clock_timestamp() < $10",
			t, owner, epoch, version, c.Columns.VersionType, lease, unchanged, live),
		digest: fmt.Sprintf(`SELECT (hashtextextended(%s, 0) & %d)::int, count(*),
       sum(hashtextextended(concat_ws(chr(1), %s, %s, %s, %s, %s), 0)::numeric)::text FROM %s WHERE %s GROUP BY 1`,
			id, sessions.Buckets-1, id, copied, owner, epoch, version, t, live),
		count: fmt.Sprintf("SELECT count(*)::int FROM (SELECT FROM %s WHERE %s LIMIT %d) AS part", t, live, sessions.CountUpTo),
		nodes: fmt.Sprintf("SELECT node, epoch, since, lease_until, sees FROM %s ORDER BY node LIMIT %d", table(c.NodesTable), maxNodes+1),
		insert: fmt.Sprintf("INSERT INTO %s (action, kind, print, at) VALUES ($1, $2, $3, clock_timestamp()) "+
			"ON CONFLICT (action) DO NOTHING", actions),
		known: fmt.Sprintf("SELECT print, answer, cut FROM %s WHERE action = $1", actions),
		keep:  fmt.Sprintf("UPDATE %s SET answer = $2, took = $3, cut = $4 WHERE action = $1", actions),
		undo:  fmt.Sprintf("SELECT took FROM %s WHERE action = $1 AND took IS NOT NULL FOR UPDATE", actions),
		mark:  fmt.Sprintf("UPDATE %s SET took = $2 WHERE action = $1", actions),
	}
}

// maxNodes bounds the membership.
const maxNodes = 256
