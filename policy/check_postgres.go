package policy

import (
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
)

// clustersPath is where the clusters stand.
const clustersPath = "postgres"

// checkPostgres looks at each cluster, then at what two of them say about each other.
func (d *document) checkPostgres(list []PostgresCluster) {
	d.unique(clustersPath, len(list), ".cluster", func(i int) string { return list[i].Cluster })
	var servers []entry
	for i, c := range list {
		here := at(clustersPath, i)
		d.checkCluster(here, c)
		for j, n := range c.Nodes {
			node := at(here+".nodes", j)
			if d.sound(node + ".port") {
				servers = append(servers, entry{node + ".host", address(n.Host, n.Port)})
			}
		}
	}
	d.distinct(servers, "it is one server, and would be changed under two names: take one of the two out, or correct host or port")
}

// address is where a server listens, or "" if its host is not known.
func address(host string, port int) string {
	if host == "" {
		return ""
	}
	return net.JoinHostPort(strings.ToLower(host), strconv.Itoa(port))
}

// checkCluster looks at one cluster.
func (d *document) checkCluster(path string, c PostgresCluster) {
	match := path + ".match"
	if d.has(match) && d.sound(match) && len(c.Match) == 0 {
		d.wrong(match, "is empty, so every alert would be about this cluster: name labels, or take the key out for {cluster: %s}",
			d.at[path+".cluster"].text)
	}
	d.checkLabels(match, c.Match)
	d.checkNodes(path, c)
	d.checkAuthorities(path, c)
	if c.Patroni != nil {
		d.uniqueTexts(path+".patroni.urls", c.Patroni.URLs)
	}
	if c.Reads != nil {
		d.checkReads(path, c)
	}
}

// checkNodes looks at what the nodes and poolers of a cluster say about each other.
func (d *document) checkNodes(path string, c PostgresCluster) {
	d.distinct(inCluster(path, c), "give one of the two another name, as they are told apart by it")
	var streams, slots, poolers []entry
	own := map[string]bool{}
	for i, n := range c.Nodes {
		here := at(path+".nodes", i)
		d.checkLabels(here+".match", n.Match)
		slots = append(slots, entry{here + ".slot", n.Slot})
		if d.sound(here+".node") && (d.has(here+".application_name") || !own[n.Node]) { // the same names give the same default, which is said already
			streams = append(streams, entry{here + ".application_name", n.ApplicationName})
			own[n.Node] = true
		}
	}
	for i, b := range c.PgBouncers {
		here := at(path+".pgbouncers", i)
		d.checkLabels(here+".match", b.Match)
		if d.sound(here + ".port") {
			poolers = append(poolers, entry{here + ".host", address(b.Host, b.Port)})
		}
	}
	d.distinct(streams, "the primary could not tell the two nodes apart: write what each calls itself in pg_stat_replication")
	d.distinct(slots, "a slot is one node's: correct one of the two, or take it out")
	d.distinct(poolers, "it is one pooler, and would be changed under two names: take one of the two out, or correct host or port")
}

// inCluster are the names of the nodes and poolers of a cluster.
func inCluster(path string, c PostgresCluster) []entry {
	var list []entry
	for i, n := range c.Nodes {
		list = append(list, entry{at(path+".nodes", i) + ".node", n.Node})
	}
	for i, b := range c.PgBouncers {
		list = append(list, entry{at(path+".pgbouncers", i) + ".pgbouncer", b.PgBouncer})
	}
	return list
}

// checkAuthorities refuses authorities that nothing is held against.
func (d *document) checkAuthorities(path string, c PostgresCluster) {
	const verify = "verify-"
	here, mode := path+".connect.sslrootcert_file", path+".connect.sslmode"
	verified := slices.ContainsFunc(c.PgBouncers, func(b PgBouncer) bool { return strings.HasPrefix(b.SSLMode, verify) })
	if c.Connect.SSLRootCertFile == "" || !d.sound(here, mode, path+".pgbouncers") || verified || strings.HasPrefix(c.Connect.SSLMode, verify) {
		return
	}
	d.wrong(here, "is never used, as sslmode is %s: write sslmode: verify-full (or verify-ca), or take it out", c.Connect.SSLMode)
}

// checkReads looks at the pool of the readers: one way to it, and enough readers left when one is taken out.
func (d *document) checkReads(path string, c PostgresCluster) {
	reads, r := path+".reads", *c.Reads
	switch {
	case !d.sound(reads+".haproxy", reads+".http"):
	case r.HAProxy == nil && r.HTTP == nil:
		d.wrong(reads, "has no way to the pool: write haproxy or http below it, or take it out")
	case r.HAProxy != nil && r.HTTP != nil:
		d.wrong(reads, "has two ways to the pool, haproxy and http: keep one of the two")
	}
	d.checkReady(path, c)
	if r.HAProxy != nil {
		d.checkRuntime(reads+".haproxy", *r.HAProxy)
		d.checkServers(path, c)
	}
	if r.HTTP != nil {
		d.uniqueTexts(reads+".http.instances", r.HTTP.Instances)
		d.checkControl(reads+".http.drain", r.HTTP.Drain, nodeFields())
	}
}

// checkReady holds that a reader could be taken out at all: of n nodes one is the primary, and one is out.
func (d *document) checkReady(path string, c PostgresCluster) {
	here := path + ".reads.min_ready"
	left := len(c.Nodes) - 2
	switch {
	case len(c.Nodes) == 0 || c.Reads.MinReady <= left || !d.sound(here) || !d.reached(path+".nodes"):
	case left < 1:
		d.wrong(here, "no reader would be left if one were taken out, as there are so few nodes (%d): name more of them, or take reads out", len(c.Nodes))
	default:
		d.wrong(here, "is %d, and of %d nodes only %d can be left as readers when one is taken out, so none ever could be: lower it, or name more nodes",
			c.Reads.MinReady, len(c.Nodes), left)
	}
}

// checkServers holds that each node is a server of its own in HAProxy's backend.
func (d *document) checkServers(path string, c PostgresCluster) {
	servers, list := path+".reads.haproxy.servers", c.Reads.HAProxy.Servers
	if !d.sound(servers) || !d.reached(path+".nodes") {
		return
	}
	var known, written []string
	var named []entry
	for i, n := range c.Nodes {
		here := at(path+".nodes", i) + ".node"
		if n.Node == "" || !d.sound(here) {
			return
		}
		if slices.Contains(known, n.Node) {
			continue // which is said already
		}
		known, written = append(known, n.Node), append(written, d.at[here].text)
		if server, ok := list[n.Node]; ok {
			named = append(named, entry{join(servers, n.Node), server})
		} else {
			named = append(named, entry{here, n.Node})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(list)) {
		if !slices.Contains(known, name) {
			d.wrong(join(servers, name), "is the name of no node of this cluster: %s", oneOf(name, written))
		}
	}
	// Those that the file names come last, so that the problem stands at them.
	slices.SortStableFunc(named, func(a, b entry) int { return strings.Compare(under(a, servers), under(b, servers)) })
	d.distinct(named, "taking the one node out of the pool would take out the other: write each node's own server")
}

// under sorts what is below a path behind all else.
func under(e entry, path string) string {
	if strings.HasPrefix(e.path, path) {
		return "b"
	}
	return "a"
}

// checkMatches holds that an alert that names what it is about by labels is about one thing: a cluster, a node, a pooler or a pool.
func (d *document) checkMatches(p *Policy) {
	var list []entry
	named := map[string]bool{}
	for i, c := range p.Postgres {
		here := at(clustersPath, i)
		if c.Cluster != "" && (d.has(here+".match") || !named[c.Cluster]) { // the same names give the same default, which is said already
			list = append(list, entry{here + ".match", labels(c.Match)})
			named[c.Cluster] = true
		}
		for j, n := range c.Nodes {
			list = append(list, entry{at(here+".nodes", j) + ".match", labels(n.Match)})
		}
		for j, b := range c.PgBouncers {
			list = append(list, entry{at(here+".pgbouncers", j) + ".match", labels(b.Match)})
		}
	}
	for i, c := range p.Handlers.PoolExhaustion.Clusters {
		apps := at("handlers.poolexhaustion.clusters", i) + ".apps"
		own := map[string]bool{}
		for j, a := range c.Apps {
			if a.App != "" && (d.has(at(apps, j)+".match") || !own[a.App]) {
				list = append(list, entry{at(apps, j) + ".match", labels(a.Match)})
				own[a.App] = true
			}
		}
	}
	d.distinct(list, "an alert would be about both: write labels in match that tell the two apart")
}
