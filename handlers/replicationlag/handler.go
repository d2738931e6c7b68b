// Package replicationlag knows one failure family: PostgreSQL standbys that fall behind their primary, or that are gone, and what looks
// like it. It says what is the matter with one of a cluster's standbys (Decide) and what a change did about it (Judge), by looks at the
// cluster (Observation), which the folder probe makes. It never looks itself, and never acts. The rules are those of runbook.md beside
// this file.
//
//	nodes ───┐                   two looks: bytes, slopes,
//	Patroni ─┼─▶ looks (probe) ─▶ who waits for what ──────▶ cause of each standby ──▶ verdict
//	pool ────┘                                              (cause.go)                (decide.go)
//
// The lag is only known where the primary's position and the standby's were both read at about the same time; a standby's own idea of
// how far behind it is proves nothing. Decide and Judge are pure: the same case gives the same answer, at any time and on any machine.
package replicationlag

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
const Name = "replicationlag"

// Handler answers alerts about replication. It is safe for concurrent use and holds no state.
type Handler struct {
	mode       policy.Mode
	alertnames []string
	thresholds policy.LagThresholds
	clusters   []cluster
	topology   topology.Map
}

// cluster is a target with its defaults filled in, and what follows from it.
type cluster struct {
	policy.LagCluster
	topology policy.PostgresCluster
}

var _ think.Thinker[Observation] = (*Handler)(nil)

// New checks the policy, fills its defaults in and returns the handler. All problems are reported together.
func New(p policy.Policy) (*Handler, error) {
	own := p.Handlers.ReplicationLag
	h := &Handler{
		mode:       cmp.Or(own.Mode, policy.Observe),
		alertnames: slices.Clone(own.Alerts),
		thresholds: withDefaults(own.Thresholds),
		topology:   topology.New(p.Postgres),
	}
	if own.Alerts == nil {
		h.alertnames = []string{"PostgreSQLReplicationLag", "PostgreSQLReplicaCount", "PostgreSQLStandbyAbsent",
			"PostgreSQLReplicationNotMeasured", "PostgreSQLSlotRetention"}
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
	return c, nil
}

// Name is "replicationlag".
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
