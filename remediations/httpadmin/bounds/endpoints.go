package bounds

import "github.com/firebreak-sre/firebreak/policy"

// Edges are the endpoints of a policy's edges, by "<service>/<edge>".
func Edges(p policy.Policy) map[string]policy.HTTPFix {
	all := map[string]policy.HTTPFix{}
	for _, e := range p.Handlers.RetryStorm.Edges {
		if e.Fix.HTTP != nil {
			all[e.Service+"/"+e.Edge] = *e.Fix.HTTP
		}
	}
	return all
}

// Nodes are the endpoints that change a node of a cluster, or the pool of an application, by "<cluster>/<node>".
func Nodes(p policy.Policy) map[string]policy.HTTPFix {
	all := map[string]policy.HTTPFix{}
	for _, c := range p.Postgres {
		if c.Reads == nil || c.Reads.HTTP == nil {
			continue
		}
		h := c.Reads.HTTP
		for _, n := range c.Nodes {
			all[c.Cluster+"/"+n.Node] = policy.HTTPFix{Instances: h.Instances, BearerToken: h.BearerToken, BearerTokenFile: h.BearerTokenFile,
				Controls: map[string]policy.HTTPControl{FixDrain: h.Drain}}
		}
	}
	for _, c := range p.Handlers.PoolExhaustion.Clusters {
		for _, a := range c.Apps {
			if a.HTTP != nil {
				all[c.Cluster+"/"+a.App] = policy.HTTPFix{Instances: a.HTTP.Instances, BearerToken: a.HTTP.BearerToken,
					BearerTokenFile: a.HTTP.BearerTokenFile, Controls: map[string]policy.HTTPControl{FixGrow: a.HTTP.Grow}}
			}
		}
	}
	return all
}
