package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/firebreak-sre/firebreak/internal/postgres"
	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/trust"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
)

// sessions tries every store of sessions: whether it can be read, and what its login may not do that the policy wants of it.
func (c *connecting) sessions(ctx context.Context, fleet *postgres.Fleet, p policy.Policy, to *trust.Trust) error {
	stores, err := openSessions(p, fleet, to, zerolog.Nop())
	if err != nil {
		return err
	}
	defer stores.Close()
	for _, store := range p.Sessions {
		c.store(ctx, fleet, p, store, stores.stores[store.Store])
	}
	return nil
}

// store tries one of them.
func (c *connecting) store(ctx context.Context, fleet *postgres.Fleet, p policy.Policy, store policy.SessionStore, l sessions.Looker) {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	name := "sessions of " + store.Store
	m, err := l.Membership(ctx)
	if err != nil {
		c.fail("%s: the membership cannot be read: %v", name, err)
		return
	}
	quorum := "with a quorum"
	if !m.Quorum {
		quorum = "without a quorum, so nothing would be taken away"
	}
	fmt.Fprintf(c.out, "  %s: %d nodes are registered in epoch %d, %s\n", name, len(m.Members), m.Epoch, quorum)
	if m.TTL.Duration() != store.TTL.D() {
		c.fail("%s: it says that leases last %s, and the policy %s", name, m.TTL.Duration(), store.TTL)
	}
	page, err := l.List(ctx, sessions.Query{})
	if err != nil {
		c.fail("%s: its sessions cannot be listed: %v", name, err)
	} else if page.Unreadable > 0 {
		fmt.Fprintf(c.out, "    note: %d of the first %d are no sessions as the contract knows them, and are never touched\n",
			page.Unreadable, page.Unreadable+len(page.Sessions))
	}
	c.replicas(ctx, name, l)
	fixes := fixesIn(p, store.Store)
	switch {
	case store.Redis != nil:
		c.redisRights(ctx, name, store, len(fixes) > 0)
	case store.Postgres != nil && len(fixes) > 0:
		c.tableRights(ctx, fleet, name, p, store)
	case store.HTTP != nil && len(fixes) > 0:
		fmt.Fprintf(c.out, "    note: what it may change cannot be tried without changing something: "+
			"\"firebreak sessions verify\" does, on a store for tests\n")
	}
}

// fixesIn are the fixes that the policy allows in a store.
func fixesIn(p policy.Policy, store string) []string {
	var list []string
	for _, s := range p.Handlers.SessionDrift.Stores {
		if s.Store == store {
			list = append(list, s.Fix.Allow...)
		}
	}
	return list
}

// replicas tries each replica: that it answers, and that it holds sessions which can be compared.
func (c *connecting) replicas(ctx context.Context, name string, l sessions.Looker) {
	r, err := l.Replication(ctx)
	if err != nil {
		c.fail("%s: its replicas cannot be read: %v", name, err)
		return
	}
	if len(r.Replicas) == 0 {
		fmt.Fprintf(c.out, "    note: it has no replicas: nothing can be compared, and what is lost with it is lost\n")
	}
	for _, one := range r.Replicas {
		if !one.Known {
			c.fail("%s: replica %s is %s, and how far it is behind is not known", name, one.Name, one.State)
			continue
		}
		if _, err := l.Digest(ctx, one.Name, sessions.Cut{}); err != nil {
			c.fail("%s: what replica %s holds cannot be read: %v", name, one.Name, err)
		}
	}
}

// redisLooks and redisActs are the commands that a store in Redis uses, each with what it takes; % stands for a key of the prefix.
func redisLooks() []string {
	return []string{"SCAN 0", "HGETALL %", "HKEYS %", "HMGET % f", "PEXPIRETIME %", "TIME", "INFO replication"}
}

func redisActs() []string {
	return []string{"HGET % f", "HSET % f v", "HSETNX % f v", "HEXISTS % f", "EXISTS %", "PEXPIRE % 1", "PEXPIREAT % 1",
		"PERSIST %", "RENAME % %", "DUMP %", "RESTORE % 0 x", "WAIT 0 0", "EVALSHA x 0"}
}

// whatMay asks Redis itself which of the commands its user may not use; it runs none of them.
const whatMay = `
local no = {}
for _, line in ipairs(ARGV) do
    local words = {}
    for word in string.gmatch(line, '%S+') do table.insert(words, word) end
    if not redis.acl_check_cmd(unpack(words)) then table.insert(no, words[1]) end
end
return no`

// redisRights tries what the user may do, at each server.
func (c *connecting) redisRights(ctx context.Context, name string, store policy.SessionStore, acts bool) {
	config, err := redisConfig(store)
	if err != nil {
		c.fail("%s: %v", name, err)
		return
	}
	ask := func(server, addr string, commands []string) {
		client := redis.NewClient(&redis.Options{Addr: addr, Username: config.User, Password: config.Password.Reveal(), TLSConfig: config.TLS,
			Protocol: 2, MaxRetries: -1, DialTimeout: config.Timeout, ReadTimeout: config.Timeout, ContextTimeoutEnabled: true, DisableIdentity: true})
		defer client.Close()
		var args []any
		for _, line := range commands {
			args = append(args, strings.ReplaceAll(line, "%", config.Prefix+"s:x"))
		}
		missing, err := client.Eval(ctx, whatMay, nil, args...).StringSlice()
		switch {
		case err != nil:
			c.fail("%s: at %s: what its user may do cannot be asked (it needs EVAL, and Redis 7.0): %v", name, server, err)
		case len(missing) > 0:
			c.failed++
			fmt.Fprintf(c.out, "    missing: at %s its user may not use %s on keys that begin with %q: ACL SETUSER … +%s\n",
				server, strings.Join(missing, ", "), config.Prefix, strings.ToLower(strings.Join(missing, " +")))
		}
	}
	for _, r := range config.Replicas {
		ask(r.Name, r.Addr, redisLooks())
	}
	if acts {
		ask("the primary", config.Primary, slices.Concat(redisLooks(), redisActs()))
		return
	}
	ask("the primary", config.Primary, redisLooks())
}

// tableRights tries what the login that acts may do, at the primary.
func (c *connecting) tableRights(ctx context.Context, fleet *postgres.Fleet, name string, p policy.Policy, store policy.SessionStore) {
	in := store.Postgres
	for _, cluster := range p.Postgres {
		if cluster.Cluster != in.Cluster {
			continue
		}
		for _, n := range cluster.Nodes {
			var missing []string
			err := fleet.Act(ctx, sessionServer(store, n), "check", func(ctx context.Context, conn *pgx.Conn) error {
				var recovery bool
				if err := conn.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&recovery); err != nil || recovery {
					return err
				}
				rows, err := conn.Query(ctx, missingRights(*in))
				if err == nil {
					missing, err = pgx.CollectRows(rows, pgx.RowTo[string])
				}
				return err
			})
			if err != nil {
				c.fail("%s: at %s: what the login that acts may do cannot be asked: %v", name, n.Node, err)
			}
			for _, grant := range missing {
				c.failed++
				fmt.Fprintf(c.out, "    missing: on the primary, in database %s: %s\n", in.Database, grant)
			}
		}
	}
}

// missingRights asks for the statements that would give the rights which are missing.
func missingRights(in policy.PostgresSessions) string {
	table := func(name string) string { return pgx.Identifier(strings.Split(name, ".")).Sanitize() }
	literal := func(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
	n := in.Columns
	var asks []string
	need := func(name, right, column string) {
		may, of := "has_table_privilege("+literal(table(name))+", "+literal(right)+")", ""
		if column != "" {
			quoted := pgx.Identifier{column}.Sanitize()
			may = "has_column_privilege(" + literal(table(name)) + ", " + literal(column) + ", " + literal(right) + ")"
			of = " (" + quoted + ")"
		}
		asks = append(asks, "SELECT "+literal("GRANT "+right+of+" ON "+table(name)+" TO ")+" || quote_ident(current_user) || ';' WHERE NOT "+may)
	}
	for _, name := range []string{in.Table, in.NodesTable, in.ActionsTable} {
		need(name, "SELECT", "")
	}
	for _, column := range []string{n.Owner, n.Epoch, n.Version, n.Lease, n.QuarantinedAt, n.QuarantinedBy} {
		need(in.Table, "UPDATE", column)
	}
	need(in.ActionsTable, "INSERT", "")
	need(in.ActionsTable, "UPDATE", "")
	return strings.Join(asks, "\nUNION ALL ")
}
