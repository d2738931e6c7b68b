package drifttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// postgresStore is the application's store in a table of PostgreSQL.
type postgresStore struct {
	*testbed.PostgresCluster
}

var _ store = (*postgresStore)(nil)

// startPostgres starts a primary with a standby, and makes roles and tables as an operator does.
func startPostgres(t testbed.TB) *postgresStore {
	s := &postgresStore{testbed.StartPostgres(t, testbed.PostgresOptions{Standbys: 1, HBA: []string{blackbox.RolesHBA()},
		Config: map[string]string{"autovacuum": "off", "checkpoint_timeout": "1h", "wal_receiver_timeout": "60s", "wal_sender_timeout": "60s"}})}
	blackbox.MakeRoles(t, s.Primary)
	ctx, cancel := context.WithTimeout(context.Background(), blackbox.Within)
	defer cancel()
	file := filepath.Join("..", "..", "deploy", "sessions", "postgres.sql")
	cmd := exec.CommandContext(ctx, "psql", "-X", "-q", "-d", s.Primary.URL(testbed.RoleSuperuser, testbed.Database), "-f", file)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make the tables by %s: %v\n%s", file, err, out)
	}
	return s
}

func (s *postgresStore) addr() string { return s.Primary.Addr }

func (s *postgresStore) open(addr string) client {
	return &postgresNode{url: testbed.PostgresURL(addr, testbed.RoleSuperuser, testbed.Database)}
}

// do runs statements at the primary.
func (s *postgresStore) do(ctx context.Context, work func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, s.Primary.URL(testbed.RoleSuperuser, testbed.Database))
	if err != nil {
		return err
	}
	return errors.Join(work(conn), conn.Close(ctx))
}

func (s *postgresStore) empty(ctx context.Context) error {
	return s.do(ctx, func(c *pgx.Conn) error {
		_, err := c.Exec(ctx, "truncate sessions, session_nodes, session_actions")
		return err
	})
}

func (s *postgresStore) level() bool {
	v, err := s.Primary.Ask("select count(*) > 0 from pg_stat_replication where pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) < 65536")
	return err == nil && v == "t"
}

func (s *postgresStore) put(ctx context.Context, all []record) error {
	return s.do(ctx, func(c *pgx.Conn) error {
		var batch pgx.Batch
		for _, r := range all {
			id, node, _ := strings.Cut(r.key, "@")
			batch.Queue(`insert into sessions (session_id, copy, owner, epoch, version, lease_expires_at, priority, data)
				values ($1, $2, $3, $4, $5, $6, $7, to_jsonb($8::text))`, id, node, r.owner, r.epoch, r.version, r.lease, r.priority, r.data)
		}
		return c.SendBatch(ctx, &batch).Close()
	})
}

func (s *postgresStore) age(ctx context.Context, name string, d time.Duration) error {
	return s.do(ctx, func(c *pgx.Conn) error {
		if _, err := c.Exec(ctx, "update session_nodes set lease_until = lease_until - $2::interval where node = $1", name, d); err != nil {
			return err
		}
		_, err := c.Exec(ctx, "update sessions set lease_expires_at = lease_expires_at - $2::interval where owner = $1 and quarantined_at is null",
			name, d)
		return err
	})
}

func (s *postgresStore) read(ctx context.Context) (map[string]record, error) {
	all := map[string]record{}
	err := s.do(ctx, func(c *pgx.Conn) error {
		rows, err := c.Query(ctx, `select session_id || case when copy = '' then '' else '@' || copy end, owner, epoch, version, lease_expires_at,
			priority, data #>> '{}', coalesce(quarantined_by, '') from sessions`)
		if err != nil {
			return err
		}
		var r record
		_, err = pgx.ForEachRow(rows, []any{&r.key, &r.owner, &r.epoch, &r.version, &r.lease, &r.priority, &r.data, &r.by}, func() error {
			r.lease = r.lease.UTC()
			all[r.key] = r
			return nil
		})
		return err
	})
	return all, err
}

func (s *postgresStore) actions(ctx context.Context) (all []string, err error) {
	err = s.do(ctx, func(c *pgx.Conn) error {
		rows, err := c.Query(ctx, "select action from session_actions")
		if err == nil {
			all, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		return err
	})
	return all, err
}

func (s *postgresStore) registered(ctx context.Context) (map[string]member, error) {
	all := map[string]member{}
	err := s.do(ctx, func(c *pgx.Conn) error {
		rows, err := c.Query(ctx, "select node, epoch, since, lease_until, sees from session_nodes")
		if err != nil {
			return err
		}
		var m member
		_, err = pgx.ForEachRow(rows, []any{&m.name, &m.epoch, &m.since, &m.lease, &m.sees}, func() error {
			all[m.name] = m
			return nil
		})
		return err
	})
	return all, err
}

func (s *postgresStore) policy() (clusters, place string) {
	var nodes strings.Builder
	for _, n := range s.Nodes() {
		host, port, _ := net.SplitHostPort(n.Addr)
		slot := ""
		if n.Slot != "" {
			slot = ", slot: " + n.Slot
		}
		fmt.Fprintf(&nodes, "      - {node: %s, host: %q, port: %s, application_name: %s%s}\n", n.Name, host, port, n.ApplicationName, slot)
	}
	return fmt.Sprintf(`postgres:
  - cluster: orders
    connect:
      database: app
      sslmode: disable
      probe: {user: %s, password: %q}
      act: {user: %s, password: %q}
      timeout: 3s
    nodes:
%s`, blackbox.ProbeUser, blackbox.ProbePassword, blackbox.ActUser, blackbox.ActPassword, nodes.String()),
		"postgres: {cluster: orders, database: app, wait: 1s}"
}

// postgresNode is a node's client. It connects again after what went wrong.
type postgresNode struct {
	url  string
	conn *pgx.Conn
}

func (n *postgresNode) close() {
	if n.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = n.conn.Close(ctx)
		n.conn = nil
	}
}

func (n *postgresNode) do(ctx context.Context, work func(*pgx.Conn) error) error {
	if n.conn == nil || n.conn.IsClosed() {
		conn, err := pgx.Connect(ctx, n.url)
		if err != nil {
			return err
		}
		n.conn = conn
	}
	return work(n.conn)
}

func (n *postgresNode) register(ctx context.Context, m member) error {
	return n.do(ctx, func(c *pgx.Conn) error {
		_, err := c.Exec(ctx, `insert into session_nodes (node, epoch, since, lease_until, sees) values ($1, $2, $3, $4, $5)
			on conflict (node) do update set epoch = $2, since = $3, lease_until = $4, sees = $5`, m.name, m.epoch, m.since, m.lease, m.sees)
		return err
	})
}

func (n *postgresNode) renew(ctx context.Context, node string, lease time.Time, ids []string) (mine []string, err error) {
	err = n.do(ctx, func(c *pgx.Conn) error {
		rows, err := c.Query(ctx, `update sessions set lease_expires_at = $2
			where owner = $1 and session_id = any($3) and copy = '' and quarantined_at is null returning session_id`, node, lease, ids)
		if err == nil {
			mine, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		return err
	})
	return mine, err
}

func (n *postgresNode) write(ctx context.Context, node, id string, version int, data string) error {
	return n.do(ctx, func(c *pgx.Conn) error {
		tag, err := c.Exec(ctx, `update sessions set version = $3, data = to_jsonb($4::text)
			where session_id = $2 and owner = $1 and copy = '' and quarantined_at is null`, node, id, fmt.Sprint(version), data)
		if err == nil && tag.RowsAffected() != 1 {
			err = fmt.Errorf("write %s: %w", id, errNotMine)
		}
		return err
	})
}
