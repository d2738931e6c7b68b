package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/firebreak-sre/firebreak/handlers"
	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/internal/postgres"
	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/httpapi"
	"github.com/firebreak-sre/firebreak/internal/sessions/postgres/prompt"
	"github.com/firebreak-sre/firebreak/internal/sessions/redis"
	"github.com/firebreak-sre/firebreak/internal/trust"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/rs/zerolog"

	driftprobe "github.com/firebreak-sre/firebreak/handlers/sessiondrift/probe"
	table "github.com/firebreak-sre/firebreak/internal/sessions/postgres"
	fixes "github.com/firebreak-sre/firebreak/remediations/sessions"
	goredis "github.com/redis/go-redis/v9"
)

// sessionStores are the stores of sessions of the policy as they are reached.
type sessionStores struct {
	stores map[string]sessions.Store
	fixes  *fixes.Stores
	// servers are those of the stores in PostgreSQL. A standby that hangs must not hold up each look.
	servers *prompt.Servers
	opened  []*redis.Store
}

// openSessions reads the stores of the policy, those in PostgreSQL over a fleet that has their nodes (see [sessionNodes]). It connects to
// nothing yet.
func openSessions(p policy.Policy, fleet *postgres.Fleet, to *trust.Trust, log zerolog.Logger) (*sessionStores, error) {
	s := &sessionStores{stores: map[string]sessions.Store{}, servers: prompt.New(fleet)}
	for _, store := range p.Sessions {
		opened, err := s.open(p, store, to)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("sessions of %s: %w", store.Store, err)
		}
		s.stores[store.Store] = opened
	}
	var err error
	if s.fixes, err = fixes.New(s.fixable(p, log)); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// open opens one store.
func (s *sessionStores) open(p policy.Policy, store policy.SessionStore, to *trust.Trust) (sessions.Store, error) {
	switch {
	case store.Redis != nil:
		c, err := redisConfig(store)
		if err != nil {
			return nil, err
		}
		opened, err := redis.New(c)
		if err != nil {
			return nil, err
		}
		s.opened = append(s.opened, opened)
		return opened, nil
	case store.Postgres != nil:
		c, err := tableConfig(p, store)
		if err != nil {
			return nil, err
		}
		c.Servers = s.servers
		return table.New(c)
	case store.HTTP != nil:
		return httpapi.New(httpapi.Config{URL: store.HTTP.URL, Bearer: store.HTTP.BearerToken, Timeout: store.HTTP.Timeout.D(),
			Transport: direct(to)})
	}
	return nil, errors.New("the policy does not say where they are")
}

// fixable are all stores, with what the policy says of those that may be changed.
func (s *sessionStores) fixable(p policy.Policy, log zerolog.Logger) map[string]fixes.Config {
	all := map[string]fixes.Config{}
	for name, store := range s.stores {
		all[name] = fixes.Config{Store: store, Log: log}
	}
	drift := p.Handlers.SessionDrift
	for _, t := range drift.Stores {
		if c, ok := all[t.Store]; ok {
			c.Stable, c.MaxSessions = drift.Thresholds.Stable.D(), t.Fix.MaxSessions
			all[t.Store] = c
		}
	}
	return all
}

// lookers are the stores as those take them who only look.
func (s *sessionStores) lookers() map[string]sessions.Looker {
	all := make(map[string]sessions.Looker, len(s.stores))
	for name, store := range s.stores {
		all[name] = store
	}
	return all
}

// Close ends all connections of its own. The fleet is somebody else's.
func (s *sessionStores) Close() {
	for _, opened := range s.opened {
		_ = opened.Close() // nothing is left to be done about it
	}
	s.servers.Close()
}

// driftHandler is the family sessiondrift over the stores.
func driftHandler(p policy.Policy, s *sessionStores, to *trust.Trust) (*handlers.Bound, error) {
	thinks, err := sessiondrift.New(p)
	if err != nil {
		return nil, err
	}
	looks, err := driftprobe.New(p, s.lookers(), probeClient(to))
	if err != nil {
		return nil, err
	}
	return handlers.Bind(thinks, looks), nil
}

// wordless is where the Redis client's own words go. They come back as errors too, with more to them.
type wordless struct{}

func (wordless) Printf(context.Context, string, ...any) {}

// silenceRedis is for the whole process, before there is any client.
func silenceRedis() { goredis.SetLogger(wordless{}) }

// redisConfig is a store in Redis.
func redisConfig(store policy.SessionStore) (redis.Config, error) {
	r := store.Redis
	c := redis.Config{Primary: r.Primary, Prefix: r.Prefix, TTL: store.TTL.D(), User: r.User, Password: r.Password,
		Timeout: r.Timeout.D(), Wait: r.Wait.D()}
	for _, replica := range r.Replicas {
		c.Replicas = append(c.Replicas, redis.Replica{Name: replica.Name, Addr: replica.Address})
	}
	if r.TLS == nil {
		return c, nil
	}
	// Without a name the client takes the host of each address.
	c.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: r.TLS.ServerName}
	if r.TLS.CAFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(r.TLS.CAFile)
	if err != nil {
		return c, fmt.Errorf("read the authorities: %w", err)
	}
	c.TLS.RootCAs = x509.NewCertPool()
	if !c.TLS.RootCAs.AppendCertsFromPEM(pem) {
		return c, fmt.Errorf("read the authorities: %s holds no certificate", r.TLS.CAFile)
	}
	return c, nil
}

// tableConfig is a store in PostgreSQL, but for the servers.
func tableConfig(p policy.Policy, store policy.SessionStore) (table.Config, error) {
	in := store.Postgres
	n := in.Columns
	c := table.Config{Table: in.Table, NodesTable: in.NodesTable, ActionsTable: in.ActionsTable, TTL: store.TTL.D(), Wait: in.Wait.D(),
		Columns: table.Columns{ID: n.ID, Copy: n.Copy, Owner: n.Owner, Epoch: n.Epoch, Lease: n.Lease, Version: n.Version, VersionType: n.VersionType,
			Priority: n.Priority, UpdatedAt: n.UpdatedAt, QuarantinedAt: n.QuarantinedAt, QuarantinedBy: n.QuarantinedBy}}
	for _, cluster := range p.Postgres {
		if cluster.Cluster != in.Cluster {
			continue
		}
		for _, node := range cluster.Nodes {
			// Standbys are told apart at the primary by what they call themselves.
			c.Nodes = append(c.Nodes, table.Node{Name: node.ApplicationName, Server: sessionServer(store, node)})
		}
		return c, nil
	}
	return c, fmt.Errorf("there is no cluster %s", in.Cluster)
}

// sessionServer is the name of a node in the fleet as a store uses it. Sessions have connections of their own: their tables may be in another
// database, and a long look at them holds nobody else up.
func sessionServer(store policy.SessionStore, node policy.PostgresNode) string {
	return store.Store + "@" + store.Postgres.Cluster + "/" + node.Node
}

// sessionNodes are the nodes of all stores in PostgreSQL, as the fleet takes them.
func sessionNodes(p policy.Policy) []postgres.Node {
	var nodes []postgres.Node
	for _, store := range p.Sessions {
		for _, c := range p.Postgres {
			if store.Postgres == nil || store.Postgres.Cluster != c.Cluster {
				continue
			}
			for _, n := range c.Nodes {
				node := postgresNode(c, n)
				node.Name, node.Database = sessionServer(store, n), store.Postgres.Database
				nodes = append(nodes, node)
			}
		}
	}
	return nodes
}

// printStores says what may be done about the sessions of which store.
func printStores(w io.Writer, p policy.Policy) {
	drift := p.Handlers.SessionDrift
	if len(drift.Stores) == 0 {
		return
	}
	fmt.Fprintf(w, "  sessiondrift: mode %s, %d stores\n", drift.Mode, len(drift.Stores))
	for _, s := range drift.Stores {
		fmt.Fprintf(w, "    %s: mode %s, may %v, at most %s, at most %d sessions\n", s.Store, s.Mode, s.Fix.Allow, s.Fix.Limit, s.Fix.MaxSessions)
		if s.Prometheus == nil || s.Prometheus.Partition == "" {
			fmt.Fprintf(w, "    note: %s: nothing tells of partitions (prometheus.partition), so that only its own nodes can tell them from orphans\n",
				s.Store)
		}
	}
}
