// Package topology says which cluster, and which node of it, an alert is about. It only reads labels: it looks at nothing, keeps nothing,
// and gives the same answer at any time.
//
// Labels come from exporters, and whoever wrote them did not think of us. So what fits two places fits none:
//
//	which cluster?   the labels in its match                        one cluster        else none, and it ends here
//	                 the labels in the match of one of its nodes    one cluster        else none, and it ends here
//	                 what the labels say about one of its nodes     one cluster        else none
//	which node?      who replicates (application_name, slot_name)   the alert may have been raised by the primary about it
//	                 the labels in the node's match
//	                 node, instance, server, pod, host              as a whole first, then by the host alone
package topology

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
)

// Map knows all clusters of a policy. It is not changed after it was made, and so is safe for concurrent use.
type Map struct {
	clusters []policy.PostgresCluster
}

// New takes the clusters of a policy, with or without the defaults filled in.
func New(clusters []policy.PostgresCluster) Map {
	m := Map{clusters: make([]policy.PostgresCluster, len(clusters))}
	for i, c := range clusters {
		m.clusters[i] = complete(c)
	}
	return m
}

// Find is a cluster by its name, with the defaults filled in. Whoever gets it must not change it.
func (m Map) Find(name string) (policy.PostgresCluster, bool) {
	i := slices.IndexFunc(m.clusters, func(c policy.PostgresCluster) bool { return c.Cluster == name })
	if i < 0 {
		return policy.PostgresCluster{}, false
	}
	return m.clusters[i], true
}

// complete fills the defaults in that the policy's comments promise, in a copy.
func complete(c policy.PostgresCluster) policy.PostgresCluster {
	c.Domain, c.Zone = cmp.Or(c.Domain, c.Cluster), cmp.Or(c.Zone, "all")
	if c.Match = maps.Clone(c.Match); len(c.Match) == 0 {
		c.Match = map[string]string{"cluster": c.Cluster}
	}
	c.Connect.Database = cmp.Or(c.Connect.Database, "postgres")
	c.Connect.SSLMode = cmp.Or(c.Connect.SSLMode, "verify-full")
	c.Connect.Timeout = cmp.Or(c.Connect.Timeout, policy.Duration(5*time.Second))
	c.Nodes = slices.Clone(c.Nodes)
	for i := range c.Nodes {
		n := &c.Nodes[i]
		n.Port, n.ApplicationName = cmp.Or(n.Port, 5432), cmp.Or(n.ApplicationName, n.Node)
	}
	c.PgBouncers = slices.Clone(c.PgBouncers)
	for i := range c.PgBouncers {
		b := &c.PgBouncers[i]
		b.Port, b.SSLMode = cmp.Or(b.Port, 6432), cmp.Or(b.SSLMode, "verify-full")
	}
	if p := c.Patroni; p != nil {
		own := *p
		own.Timeout = cmp.Or(own.Timeout, policy.Duration(3*time.Second))
		c.Patroni = &own
	}
	if r := c.Reads; r != nil {
		own := *r
		own.MinReady = max(own.MinReady, 1)
		c.Reads = &own
	}
	return c
}
