package policy

import (
	"slices"
	"strings"
)

// checkReplicationLag looks at the handler's own settings, then at its clusters.
func (d *document) checkReplicationLag(p *Policy) {
	const path = "handlers.replicationlag"
	r := p.Handlers.ReplicationLag
	d.checkAlerts(path+".alerts", r.Alerts, "the default ones")
	d.checkVerify(path+".thresholds", r.Thresholds.VerifyWithin, r.Thresholds.SampleEvery)
	clusters := path + ".clusters"
	d.checkClusterNames(clusters, len(r.Clusters), func(i int) string { return r.Clusters[i].Cluster }, p)
	for i, c := range r.Clusters {
		here := at(clusters, i)
		d.checkMode(here+".mode", c.Mode, path+".mode", r.Mode, "a cluster")
		d.checkLagFix(here+".fix", c.Mode, c.Fix, d.known(c.Cluster, p))
	}
}

// known is a cluster that a handler names, and where it stands.
type known struct {
	*PostgresCluster
	path string
}

// known finds a cluster by its name; without one it is empty.
func (d *document) known(name string, p *Policy) known {
	i := slices.IndexFunc(p.Postgres, func(c PostgresCluster) bool { return c.Cluster == name })
	if i < 0 || name == "" {
		return known{}
	}
	return known{&p.Postgres[i], at(clustersPath, i)}
}

// checkClusterNames holds that the clusters of a handler are there, each once.
func (d *document) checkClusterNames(path string, n int, name func(int) string, p *Policy) {
	d.unique(path, n, ".cluster", name)
	if !d.reached(clustersPath) {
		return
	}
	var written []string
	for i := range p.Postgres {
		here := at(clustersPath, i) + ".cluster"
		if !d.sound(here) {
			return
		}
		written = append(written, d.at[here].text)
	}
	for i := range n {
		here := at(path, i) + ".cluster"
		switch {
		case name(i) == "" || !d.sound(here) || d.known(name(i), p).PostgresCluster != nil:
		case len(written) == 0:
			d.wrong(here, "there are no clusters: write %s under postgres, with its nodes, or take it out", d.written(here))
		default:
			d.wrong(here, "%s is no cluster of postgres: %s", d.written(here), oneOf(d.at[here].text, written))
		}
	}
}

// checkLagFix looks at what may be changed about lag, and whether there is a way to do it.
func (d *document) checkLagFix(path string, mode Mode, f LagFix, c known) {
	d.checkAllow(path+".allow", mode, f.Allow, lagFixes())
	d.checkRoles(path+".roles", f.Roles, c)
	for i, fix := range f.Allow {
		here := at(path+".allow", i)
		if !d.sound(here) || c.PostgresCluster == nil {
			continue
		}
		switch fix {
		case fixDrain:
			if reads := c.path + ".reads"; c.Reads == nil && d.sound(reads) {
				d.wrong(here, "drain needs a pool to take the node out of: write %s, or take drain out of allow", reads)
			}
		case fixEndConflict:
			d.checkAct(here, fix, c)
			d.checkWhose(here, fix, path+".roles", f.Roles)
		case fixRestartStream, fixResumeReplay:
			d.checkAct(here, fix, c)
		}
	}
}

// checkAllow holds that a handler that may act has something that it may do.
func (d *document) checkAllow(path string, mode Mode, allow, fixes []string) {
	d.uniqueTexts(path, allow)
	if d.sound(path) && Observe.stricter(mode) && len(allow) == 0 {
		d.wrong(path, "nothing is allowed, and the mode is %s: name fixes (%s), or set mode: observe", mode, strings.Join(fixes, ", "))
	}
}

// checkAct holds that there is somebody to log in as for a fix that PostgreSQL itself makes.
func (d *document) checkAct(path, fix string, c known) {
	if act := c.path + ".connect.act"; c.Connect.Act == nil && d.sound(act) {
		d.wrong(path, "%s needs a login that may do it: write %s, or take %s out of allow", fix, act, fix)
	}
}

// checkWhose holds that a fix that ends sessions has somebody whose it may end.
func (d *document) checkWhose(path, fix, theirs string, roles []string) {
	if len(roles) == 0 && d.sound(theirs) {
		d.wrong(path, "%s may end nobody's sessions: name roles in %s, or take %s out of allow", fix, theirs, fix)
	}
}

// superuser is the role that every cluster begins with.
const superuser = "postgres"

// checkRoles refuses roles whose sessions must never be ended: the superuser's, and our own.
func (d *document) checkRoles(path string, roles []string, c known) {
	d.uniqueTexts(path, roles)
	for i, role := range roles {
		here := at(path, i)
		switch {
		case !d.sound(here):
		case blank(role):
			d.wrong(here, "is empty: write the name of a role, or take it out")
		case role == superuser:
			d.wrong(here, "%s is the superuser, whose sessions are never ended: take it out", d.written(here))
		case c.PostgresCluster == nil:
		case role == c.Connect.Probe.User:
			d.ourselves(here, c.path+".connect.probe.user")
		case c.Connect.Act != nil && role == c.Connect.Act.User:
			d.ourselves(here, c.path+".connect.act.user")
		}
	}
}

// ourselves refuses a role that we log in as.
func (d *document) ourselves(path, login string) {
	d.wrong(path, "%s is our own login (%s), and we would end our own sessions: take it out, or give us a role of our own",
		d.written(path), login)
}
