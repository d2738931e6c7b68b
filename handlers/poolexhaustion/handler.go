// Package poolexhaustion knows one failure family: clients that wait for a database connection, and what looks like it. It looks at the
// poolers of a cluster, at the primary behind them and at the applications' own pools (Observe), says what is the matter (Decide) and what
// a change did about it (Judge). It never acts. The rules are those of runbook.md beside this file.
//
//	poolers ──────┐                         who waits, for whom,
//	the primary ──┼─▶ looks (observe.go) ─▶ and how much is free ──▶ cause ──────▶ verdict
//	applications ─┘                                                  (cause.go)    (decide.go)
//
// That clients wait says nothing about why: the pooler sees the queue, and only the server sees what holds its sessions. Decide and Judge
// are pure: the same case gives the same answer, at any time and on any machine.
package poolexhaustion

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/handlers"
	"github.com/firebreak-sre/firebreak/internal/topology"
	"github.com/firebreak-sre/firebreak/policy"
)

// Name is the handler's name in the policy, in subjects and in the ids of its incidents.
const Name = "poolexhaustion"

// Looks reads from servers. The node is named by its cluster and itself, as orders/pg1. Look calls fn at most once, with a session that
// only reads, and returns soon after ctx is over; its errors tell no password. To be let in by a server that is full, it has to have the
// session open already.
type Looks interface {
	Look(ctx context.Context, node string, fn func(context.Context, *pgx.Conn) error) error
}

// Handler answers alerts about pools. It is safe for concurrent use. All that it remembers is when it last asked a server who blocks whom,
// and who it was, as that may not be asked often.
type Handler struct {
	mode       policy.Mode
	alertnames []string
	thresholds policy.PoolThresholds
	clusters   []cluster
	topology   topology.Map
	looks      Looks
	consoles   map[string]Console
	client     *http.Client
	asked      *turns
}

// cluster is a target with its defaults filled in, and where everything of it is.
type cluster struct {
	policy.PoolCluster
	topology policy.PostgresCluster
}

var _ handlers.Handler[Observation] = (*Handler)(nil)

// New checks the policy, fills its defaults in and returns the handler. It looks at nothing yet. All problems are reported together.
// Consoles are the poolers' by cluster and pooler, as orders/bouncer1: there must be one for each pooler of the clusters that the handler
// is to look at. The client's transport is used to ask Prometheus; its redirects are not, and nil is a plain client.
func New(p policy.Policy, looks Looks, consoles map[string]Console, client *http.Client) (*Handler, error) {
	if client == nil {
		client = &http.Client{}
	}
	own := p.Handlers.PoolExhaustion
	h := &Handler{
		mode:       cmp.Or(own.Mode, policy.Observe),
		alertnames: slices.Clone(own.Alerts),
		thresholds: withDefaults(own.Thresholds),
		topology:   topology.New(p.Postgres),
		looks:      looks,
		consoles:   consoles,
		client:     refuseRedirects(client),
		asked:      newTurns(),
	}
	if own.Alerts == nil {
		h.alertnames = []string{"PgBouncerPoolExhausted", "PgBouncerPaused", "PgBouncerClientsNearLimit", "PostgreSQLConnectionsNearLimit",
			"PostgreSQLIdleInTransaction", "PostgreSQLLockConvoy", "PostgreSQLPreparedTransactionOld",
			"PostgreSQLSyncStandbyMissing", "AppPoolExhausted"}
	}
	problems := []error{h.mode.Check()}
	if looks == nil && len(own.Clusters) > 0 {
		problems = append(problems, errors.New("nothing to look at servers with"))
	}
	for _, l := range own.Clusters {
		c, err := h.cluster(l)
		if _, twice := h.find(l.Cluster); twice {
			err = errors.Join(err, errors.New("is named twice"))
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("cluster %q: %w", l.Cluster, err))
		}
		h.clusters = append(h.clusters, c)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("read policy of handler %s: %w", Name, err)
	}
	return h, nil
}

// cluster fills the defaults of a target in. Its mode is the stricter of its own and the handler's.
func (h *Handler) cluster(l policy.PoolCluster) (cluster, error) {
	l.Mode = cmp.Or(l.Mode, h.mode)
	if err := l.Mode.Check(); err != nil {
		return cluster{PoolCluster: l}, err
	}
	l.Mode = policy.Strictest(h.mode, l.Mode)
	l.Fix.MaxSessions = cmp.Or(l.Fix.MaxSessions, 3)
	l.Fix.GrowPercent = cmp.Or(l.Fix.GrowPercent, 25)
	l.Fix.Limit = cmp.Or(l.Fix.Limit, policy.Duration(30*time.Minute))
	l.Fix.Timeout = cmp.Or(l.Fix.Timeout, policy.Duration(5*time.Second))
	l.Apps = slices.Clone(l.Apps)
	for i := range l.Apps {
		a := &l.Apps[i]
		if len(a.Match) == 0 {
			a.Match = map[string]string{"app": a.App}
		}
		a.Prometheus.Timeout = cmp.Or(a.Prometheus.Timeout, policy.Duration(3*time.Second))
	}
	c := cluster{PoolCluster: l}
	var known bool
	if c.topology, known = h.topology.Find(l.Cluster); !known {
		return c, errors.New("postgres names no such cluster")
	}
	var problems []error
	if len(c.topology.Nodes) == 0 {
		problems = append(problems, errors.New("has no nodes"))
	}
	for _, b := range c.topology.PgBouncers {
		if h.consoles[c.place(b.PgBouncer)] == nil {
			problems = append(problems, fmt.Errorf("nothing to look at pooler %q with", b.PgBouncer))
		}
	}
	return c, errors.Join(problems...)
}

// place is how a node or a pooler of the cluster is known to those who reach it.
func (c cluster) place(name string) string { return c.Cluster + "/" + name }

// Name is "poolexhaustion".
func (h *Handler) Name() string { return Name }

// Targets are all clusters that the policy names for this handler and that are not switched off.
func (h *Handler) Targets() []handlers.Target {
	out := make([]handlers.Target, 0, len(h.clusters))
	for _, c := range h.clusters {
		if c.Mode != policy.Off {
			out = append(out, c.target())
		}
	}
	return out
}

func (c cluster) target() handlers.Target {
	return handlers.Target{Name: c.Cluster, Domain: c.topology.Domain, Zone: c.topology.Zone, Mode: c.Mode}
}

// find returns the cluster of a target's name.
func (h *Handler) find(target string) (cluster, bool) {
	i := slices.IndexFunc(h.clusters, func(c cluster) bool { return c.Cluster == target })
	if i < 0 {
		return cluster{}, false
	}
	return h.clusters[i], true
}
