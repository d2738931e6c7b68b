package replicationlag

import (
	"slices"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/internal/topology"
	"github.com/firebreak-sre/firebreak/policy"
)

// Target says which cluster an alert is about: the one whose match labels it carries, or one of whose nodes it is about. An alert that may be
// about several is about none. A cluster that is switched off, or that this handler does not name, hides its alerts.
func (h *Handler) Target(a alerts.Alert) (think.Target, bool) {
	if !slices.Contains(h.alertnames, a.Name()) {
		return think.Target{}, false
	}
	found, ok := h.topology.Cluster(a.Labels)
	if !ok {
		return think.Target{}, false
	}
	c, ok := h.find(found.Cluster)
	if !ok || c.Mode == policy.Off {
		return think.Target{}, false
	}
	return c.target(), true
}

// subject says which node an alert about this cluster is about: the standby, also when it was the primary's exporter that saw it. False if
// the labels do not say, or could mean several.
func (c cluster) subject(a alerts.Alert) (node string, ok bool) {
	name, ok := topology.Node(c.topology, a.Labels)
	if !ok || !slices.ContainsFunc(c.topology.Nodes, func(n policy.PostgresNode) bool { return n.Node == name }) {
		return "", false
	}
	return name, true
}
