package probe

import (
	"cmp"
	"context"
	"slices"

	"github.com/firebreak-sre/firebreak/handlers/replicationlag"
	"github.com/firebreak-sre/firebreak/internal/haproxy"
)

// readPool reads which nodes the pool gives to new readers.
func (p *Prober) readPool(ctx context.Context, c cluster) *replicationlag.Pool {
	ctx, cancel := within(ctx, c.topology.Connect.Timeout)
	defer cancel()
	if c.readers == nil {
		return p.httpPool(ctx, c)
	}
	named := c.topology.Reads.HAProxy
	servers, err := c.readers.Servers(ctx, named.Backend)
	if err != nil {
		return &replicationlag.Pool{Problem: c.problem(ctx, err)}
	}
	known := make(map[string]haproxy.Server, len(servers))
	for _, s := range servers {
		known[s.Name] = s
	}
	pool := &replicationlag.Pool{}
	for _, n := range c.topology.Nodes {
		if s, ok := known[cmp.Or(named.Servers[n.Node], n.Node)]; ok {
			pool.Readers = append(pool.Readers, replicationlag.Reader{Node: n.Node, Ready: s.Takes(), State: s.Why()})
		}
	}
	if len(pool.Readers) == 0 {
		pool.Problem = printable("backend " + named.Backend + " has none of the nodes: name their servers in reads.haproxy.servers")
	}
	return pool
}

// httpPool reads which nodes are in a pool behind HTTP endpoints. The endpoints tell who was taken out, and not who is well; see
// [only].
func (p *Prober) httpPool(ctx context.Context, c cluster) *replicationlag.Pool {
	if p.pools == nil {
		return &replicationlag.Pool{Problem: "nothing was given to read it with"}
	}
	out, err := p.pools.Out(ctx, c.topology.Cluster)
	if err != nil {
		return &replicationlag.Pool{Problem: c.problem(ctx, err)}
	}
	pool := &replicationlag.Pool{}
	for _, n := range c.topology.Nodes {
		why := out[n.Node]
		pool.Readers = append(pool.Readers, replicationlag.Reader{Node: n.Node, Ready: why == "", State: cmp.Or(why, "not taken out")})
	}
	return pool
}

// only leaves those ready that answered us as a standby: a pool that does not check its servers itself would send readers to the others, too,
// but they are no reason to take one more out.
func only(pool *replicationlag.Pool, nodes []replicationlag.Node) {
	for i := range pool.Readers {
		r := &pool.Readers[i]
		if j := slices.IndexFunc(nodes, func(n replicationlag.Node) bool { return n.Name == r.Node }); j < 0 || nodes[j].Standby == nil {
			r.Ready, r.State = false, r.State+", and it does not answer as a standby"
		}
	}
}
