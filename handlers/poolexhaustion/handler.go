// Package poolexhaustion knows one failure family: clients that wait for a database connection, and what looks like it. From what was seen of
// the poolers of a cluster, of the primary behind them and of the applications' own pools it says what is the matter (Decide) and what
// a change did about it (Judge). It never acts, and it does not look by itself: package probe, below it, does. The rules are those of
// runbook.md beside this file.
//
//	poolers ──────┐                         who waits, for whom,
//	the primary ──┼─▶ looks (probe)      ─▶ and how much is free ──▶ cause ──────▶ verdict
//	applications ─┘                                                  (cause.go)    (decide.go)
//
// That clients wait says nothing about why: the pooler sees the queue, and only the server sees what holds its sessions. Decide and Judge
// are pure: the same case gives the same answer, at any time and on any machine.
package poolexhaustion

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/internal/topology"
	"github.com/firebreak-sre/firebreak/policy"
)

// Name is the handler's name in the policy, in subjects and in the ids of its incidents.
const Name = "poolexhaustion"

// Handler answers alerts about pools. It is safe for concurrent use and holds no state.
type Handler struct {
	mode       policy.Mode
	alertnames []string
	thresholds policy.PoolThresholds
	clusters   []cluster
	topology   topology.Map
}

// cluster is a target with its defaults filled in, and what the policy says of its servers and poolers.
type cluster struct {
	policy.PoolCluster
	topology policy.PostgresCluster
}

var _ think.Thinker[Observation] = (*Handler)(nil)

// New checks the policy, fills its defaults in and returns the handler. All problems are reported together.
func New(p policy.Policy) (*Handler, error) {
	own := p.Handlers.PoolExhaustion
	h := &Handler{
		mode:       cmp.Or(own.Mode, policy.Observe),
		alertnames: slices.Clone(own.Alerts),
		thresholds: withDefaults(own.Thresholds),
		topology:   topology.New(p.Postgres),
	}
	if own.Alerts == nil {
		h.alertnames = []string{"PgBouncerPoolExhausted", "PgBouncerPaused", "PgBouncerClientsNearLimit", "PostgreSQLConnectionsNearLimit",
			"PostgreSQLIdleInTransaction", "PostgreSQLLockConvoy", "PostgreSQLPreparedTransactionOld",
			"PostgreSQLSyncStandbyMissing", "AppPoolExhausted"}
	}
	problems := []error{h.mode.Check()}
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
	}
	c := cluster{PoolCluster: l}
	var known bool
	if c.topology, known = h.topology.Find(l.Cluster); !known {
		return c, errors.New("postgres names no such cluster")
	}
	if len(c.topology.Nodes) == 0 {
		return c, errors.New("has no nodes")
	}
	return c, nil
}

// Name is "poolexhaustion".
func (h *Handler) Name() string { return Name }

// Targets are all clusters that the policy names for this handler and that are not switched off.
func (h *Handler) Targets() []think.Target {
	out := make([]think.Target, 0, len(h.clusters))
	for _, c := range h.clusters {
		if c.Mode != policy.Off {
			out = append(out, c.target())
		}
	}
	return out
}

func (c cluster) target() think.Target {
	return think.Target{Name: c.Cluster, Domain: c.topology.Domain, Zone: c.topology.Zone, Mode: c.Mode}
}

// find returns the cluster of a target's name.
func (h *Handler) find(target string) (cluster, bool) {
	i := slices.IndexFunc(h.clusters, func(c cluster) bool { return c.Cluster == target })
	if i < 0 {
		return cluster{}, false
	}
	return h.clusters[i], true
}
