package replicationlag

import (
	"cmp"
	"context"
	"slices"

	"github.com/firebreak-sre/firebreak/internal/haproxy"
)

// readPool reads which nodes the pool gives to new readers.
func (h *Handler) readPool(ctx context.Context, c cluster) *Pool {
	ctx, cancel := within(ctx, c.topology.Connect.Timeout)
	defer cancel()
	if c.readers == nil {
		return h.httpPool(ctx, c)
	}
	named := c.topology.Reads.HAProxy
	servers, err := c.readers.Servers(ctx, named.Backend)
	if err != nil {
		return &Pool{Problem: c.problem(ctx, err)}
	}
	known := make(map[string]haproxy.Server, len(servers))
	for _, s := range servers {
		known[s.Name] = s
	}
	p := &Pool{}
	for _, n := range c.topology.Nodes {
		if s, ok := known[cmp.Or(named.Servers[n.Node], n.Node)]; ok {
			p.Readers = append(p.Readers, Reader{Node: n.Node, Ready: s.Takes(), State: s.Why()})
		}
	}
	if len(p.Readers) == 0 {
		p.Problem = printable("backend " + named.Backend + " has none of the nodes: name their servers in reads.haproxy.servers")
	}
	return p
}

// httpPool reads which nodes are in a pool behind HTTP endpoints. The endpoints tell who was taken out, and not who is well; see
// [Pool.only].
func (h *Handler) httpPool(ctx context.Context, c cluster) *Pool {
	if h.pools == nil {
		return &Pool{Problem: "nothing was given to read it with"}
	}
	out, err := h.pools.Out(ctx, c.Cluster)
	if err != nil {
		return &Pool{Problem: c.problem(ctx, err)}
	}
	p := &Pool{}
	for _, n := range c.topology.Nodes {
		why := out[n.Node]
		p.Readers = append(p.Readers, Reader{Node: n.Node, Ready: why == "", State: cmp.Or(why, "not taken out")})
	}
	return p
}

// only leaves those ready that answered us as a standby: a pool that does not check its servers itself would send readers to the others, too,
// but they are no reason to take one more out.
func (p *Pool) only(nodes []Node) {
	for i := range p.Readers {
		r := &p.Readers[i]
		if j := slices.IndexFunc(nodes, func(n Node) bool { return n.Name == r.Node }); j < 0 || nodes[j].Standby == nil {
			r.Ready, r.State = false, r.State+", and it does not answer as a standby"
		}
	}
}
