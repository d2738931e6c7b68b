// Package replicationlag knows one failure family: PostgreSQL standbys that fall behind their primary, or that are gone, and what looks
// like it. It looks at a cluster (Observe), says what is the matter with one of its standbys (Decide) and what a change did about it
// (Judge). It never acts. The rules are those of runbook.md beside this file.
//
//	nodes ───┐                         two looks: bytes, slopes,
//	Patroni ─┼─▶ looks (observe.go) ─▶ who waits for what ──────▶ cause of each standby ──▶ verdict
//	pool ────┘                                                    (cause.go)                (decide.go)
//
// The lag is only known where the primary's position and the standby's were both read at about the same time; a standby's own idea of
// how far behind it is proves nothing. Decide and Judge are pure: the same case gives the same answer, at any time and on any machine.
package replicationlag

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
	"github.com/firebreak-sre/firebreak/internal/haproxy"
	"github.com/firebreak-sre/firebreak/internal/topology"
	"github.com/firebreak-sre/firebreak/policy"
)

// Name is the handler's name in the policy, in subjects and in the ids of its incidents.
const Name = "replicationlag"

// Looks reads from servers. The node is named by its cluster and itself, as orders/pg1. Look calls fn at most once, with a session that
// only reads, and returns soon after ctx is over; its errors tell no password.
type Looks interface {
	Look(ctx context.Context, node string, fn func(context.Context, *pgx.Conn) error) error
}

// Pools says which nodes of a cluster are out of its read pool, where that is behind HTTP endpoints: whoever took them out.
type Pools interface {
	Out(ctx context.Context, cluster string) (map[string]string, error)
}

// readers says who is in a read pool.
type readers interface {
	Servers(ctx context.Context, backend string) ([]haproxy.Server, error)
}

// Handler answers alerts about replication. It is safe for concurrent use and holds no state.
type Handler struct {
	mode       policy.Mode
	alertnames []string
	thresholds policy.LagThresholds
	clusters   []cluster
	topology   topology.Map
	looks      Looks
	pools      Pools
	client     *http.Client
}

// cluster is a target with its defaults filled in, and what follows from it.
type cluster struct {
	policy.LagCluster
	topology policy.PostgresCluster
	// readers is nil where the policy names no HAProxy.
	readers readers
}

var _ handlers.Handler[Observation] = (*Handler)(nil)

// New checks the policy, fills its defaults in and returns the handler. It looks at nothing yet. All problems are reported together. The
// client's transport is used to ask Patroni; its redirects are not, and nil is a plain client. Without pools nothing is known of read pools
// behind HTTP endpoints.
func New(p policy.Policy, looks Looks, pools Pools, client *http.Client) (*Handler, error) {
	if client == nil {
		client = &http.Client{}
	}
	own := p.Handlers.ReplicationLag
	h := &Handler{
		mode:       cmp.Or(own.Mode, policy.Observe),
		alertnames: slices.Clone(own.Alerts),
		thresholds: withDefaults(own.Thresholds),
		topology:   topology.New(p.Postgres),
		looks:      looks,
		pools:      pools,
		client:     refuseRedirects(client),
	}
	if own.Alerts == nil {
		h.alertnames = []string{"PostgreSQLReplicationLag", "PostgreSQLReplicaCount", "PostgreSQLStandbyAbsent",
			"PostgreSQLReplicationNotMeasured", "PostgreSQLSlotRetention"}
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
func (h *Handler) cluster(l policy.LagCluster) (cluster, error) {
	l.Mode = cmp.Or(l.Mode, h.mode)
	if err := l.Mode.Check(); err != nil {
		return cluster{LagCluster: l}, err
	}
	l.Mode = policy.Strictest(h.mode, l.Mode)
	l.Fix.MaxSessions = cmp.Or(l.Fix.MaxSessions, 3)
	l.Fix.Limit = cmp.Or(l.Fix.Limit, policy.Duration(10*time.Minute))
	l.Fix.Timeout = cmp.Or(l.Fix.Timeout, policy.Duration(5*time.Second))
	c := cluster{LagCluster: l}
	var known bool
	if c.topology, known = h.topology.Find(l.Cluster); !known {
		return c, errors.New("postgres names no such cluster")
	}
	if len(c.topology.Nodes) == 0 {
		return c, errors.New("has no nodes")
	}
	if r := c.topology.Reads; r != nil && r.HAProxy != nil {
		client, err := haproxy.New(r.HAProxy.Address)
		if err != nil {
			return c, fmt.Errorf("reads.haproxy: %w", err)
		}
		c.readers = client
	}
	return c, nil
}

// Name is "replicationlag".
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
