package policy

import (
	"slices"
	"strings"
)

// sessionsPath is where the stores of sessions stand.
const sessionsPath = "sessions"

// noColumn stands for a column that a table does not have.
const noColumn = "-"

// checkSessions looks at each store, then at what two of them say about each other.
func (d *document) checkSessions(p *Policy) {
	d.unique(sessionsPath, len(p.Sessions), ".store", func(i int) string { return p.Sessions[i].Store })
	for i, s := range p.Sessions {
		d.checkStore(at(sessionsPath, i), s, p)
	}
	d.checkSameSessions(p.Sessions)
}

// checkStore looks at one store: one way to it, which makes sense.
func (d *document) checkStore(path string, s SessionStore, p *Policy) {
	var ways []string
	for _, way := range []struct {
		key string
		is  bool
	}{{"redis", s.Redis != nil}, {"postgres", s.Postgres != nil}, {"http", s.HTTP != nil}} {
		if way.is {
			ways = append(ways, way.key)
		}
	}
	switch {
	case !d.sound(path+".redis", path+".postgres", path+".http"):
	case len(ways) == 0:
		d.wrong(path, "does not say where the sessions are: write redis, postgres or http below it")
	case len(ways) > 1:
		d.wrong(path+"."+ways[1], "is a second place of the same sessions, beside %s: keep one of the two", ways[0])
	}
	if s.Redis != nil {
		d.checkRedisSessions(path+".redis", *s.Redis)
	}
	if s.Postgres != nil {
		d.checkPostgresSessions(path+".postgres", *s.Postgres, p)
	}
}

// checkRedisSessions looks at what the servers of one Redis say about each other.
func (d *document) checkRedisSessions(path string, r RedisSessions) {
	names, servers := []entry{}, []entry{{path + ".primary", strings.ToLower(r.Primary)}}
	for i, replica := range r.Replicas {
		here := at(path+".replicas", i)
		names = append(names, entry{here + ".name", replica.Name})
		servers = append(servers, entry{here + ".address", strings.ToLower(replica.Address)})
	}
	d.distinct(names, "give one of the two another name, as they are told apart by it")
	d.distinct(servers, "it is one server, and would be compared with itself: correct one of the two, or take it out")
	if r.User != "" && blank(r.User) && d.sound(path+".user") {
		d.wrong(path+".user", "is empty: write the user's name, or take the key out for the user default")
	}
}

// checkPostgresSessions looks at the cluster, the tables and the columns of a store in PostgreSQL.
func (d *document) checkPostgresSessions(path string, s PostgresSessions, p *Policy) {
	d.knownCluster(path+".cluster", s.Cluster, p)
	tables := []entry{{path + ".table", s.Table}, {path + ".nodes_table", s.NodesTable}, {path + ".actions_table", s.ActionsTable}}
	d.distinct(tables, "the three are tables of their own: correct one of the two")
	here, c := path+".columns", s.Columns
	must := []entry{{here + ".id", c.ID}, {here + ".owner", c.Owner}, {here + ".epoch", c.Epoch}, {here + ".lease", c.Lease},
		{here + ".version", c.Version}, {here + ".quarantined_at", c.QuarantinedAt}, {here + ".quarantined_by", c.QuarantinedBy}}
	for _, e := range must {
		if e.value == noColumn && d.sound(e.path) {
			d.wrong(e.path, "cannot be missing: without it no session could be told from an orphan, or be given back; add the column to the table")
		}
	}
	may := []entry{{here + ".copy", c.Copy}, {here + ".priority", c.Priority}, {here + ".updated_at", c.UpdatedAt}}
	all := slices.DeleteFunc(slices.Concat(must, may), func(e entry) bool { return e.value == noColumn })
	d.distinct(all, "two columns have two names: correct one of the two")
}

// knownCluster holds that a cluster is there.
func (d *document) knownCluster(path, name string, p *Policy) {
	d.knownName(path, name, clustersPath, ".cluster", "cluster", len(p.Postgres), func(i int) string { return p.Postgres[i].Cluster })
}

// knownName holds that a name is one of a list at another path; what is a word for its elements. Where one of them could not be read,
// nothing is said.
func (d *document) knownName(path, name, list, key, what string, n int, value func(int) string) {
	if name == "" || !d.sound(path) || !d.reached(list) {
		return
	}
	var written []string
	for i := range n {
		here := at(list, i) + key
		if !d.sound(here) || value(i) == name {
			return
		}
		written = append(written, d.at[here].text)
	}
	if len(written) == 0 {
		d.wrong(path, "there are no %ss: write %s under %s, or take it out", what, d.written(path), list)
		return
	}
	d.wrong(path, "%s is no %s of %s: %s", d.written(path), what, list, oneOf(d.at[path].text, written))
}

// checkSameSessions holds that no sessions are in two stores, which would change them behind each other's back.
func (d *document) checkSameSessions(list []SessionStore) {
	const advice = "the same sessions would be changed under two names: take one of the two out, or correct it"
	var tables, endpoints []entry
	for i, s := range list {
		here := at(sessionsPath, i)
		if s.Postgres != nil && s.Postgres.Cluster != "" {
			tables = append(tables, entry{here + ".postgres", strings.Join([]string{s.Postgres.Cluster, s.Postgres.Database, s.Postgres.Table}, "\n")})
		}
		if s.HTTP != nil {
			endpoints = append(endpoints, entry{here + ".http.url", strings.TrimRight(s.HTTP.URL, "/")})
		}
		for j, other := range list[:i] {
			if s.Redis != nil && other.Redis != nil && overlap(*s.Redis, *other.Redis) && d.sound(here+".redis", at(sessionsPath, j)+".redis") {
				d.wrong(here+".redis.prefix", "with this prefix the keys are also those of %s: %s", at(sessionsPath, j), advice)
				break
			}
		}
	}
	d.distinct(tables, advice)
	d.distinct(endpoints, advice)
}

// overlap says whether two stores in one Redis have keys in common: the same prefix, or one that goes on where keys of the other begin.
func overlap(a, b RedisSessions) bool {
	if a.Primary == "" || !strings.EqualFold(a.Primary, b.Primary) {
		return false
	}
	if a.Prefix == b.Prefix {
		return true
	}
	for _, part := range []string{"s:", "q:", "a:"} {
		if strings.HasPrefix(a.Prefix, b.Prefix+part) || strings.HasPrefix(b.Prefix, a.Prefix+part) {
			return true
		}
	}
	return false
}
