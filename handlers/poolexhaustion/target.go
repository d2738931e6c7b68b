package poolexhaustion

import (
	"slices"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/policy"
)

// Target says which cluster an alert is about: the one whose match labels it carries, or one of whose nodes, poolers or applications it is
// about. An alert that may be about several is about none. A cluster that is switched off, or that this handler does not name, hides its
// alerts.
func (h *Handler) Target(a alerts.Alert) (think.Target, bool) {
	if !slices.Contains(h.alertnames, a.Name()) {
		return think.Target{}, false
	}
	var named []string
	if found, ok := h.topology.Cluster(a.Labels); ok {
		named = append(named, found.Cluster)
	}
	for _, c := range h.clusters {
		if slices.ContainsFunc(c.Apps, func(app policy.AppPool) bool { return c.isAbout(app, a.Labels) }) {
			named = append(named, c.Cluster)
		}
	}
	if named = slices.Compact(slices.Sorted(slices.Values(named))); len(named) != 1 {
		return think.Target{}, false
	}
	c, ok := h.find(named[0])
	if !ok || c.Mode == policy.Off {
		return think.Target{}, false
	}
	return c.target(), true
}

// isAbout says that labels are about an application of the cluster: they hold all that its match asks for. Where they also say which cluster
// they are about, and it is another one, they are about a namesake of it; unless its match has settled that label itself.
func (c cluster) isAbout(app policy.AppPool, labels map[string]string) bool {
	for name, want := range app.Match {
		if got, ok := labels[name]; !ok || got != want {
			return false
		}
	}
	for name, want := range c.topology.Match {
		_, settled := app.Match[name]
		if got, ok := labels[name]; ok && got != want && !settled {
			return false
		}
	}
	return len(app.Match) > 0
}
