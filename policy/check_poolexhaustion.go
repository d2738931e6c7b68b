package policy

import "slices"

// checkPoolExhaustion looks at the handler's own settings, then at its clusters.
func (d *document) checkPoolExhaustion(p *Policy) {
	const path = "handlers.poolexhaustion"
	r := p.Handlers.PoolExhaustion
	d.checkAlerts(path+".alerts", r.Alerts, "the default ones")
	d.checkVerify(path+".thresholds", r.Thresholds.VerifyWithin, r.Thresholds.SampleEvery)
	clusters := path + ".clusters"
	d.checkClusterNames(clusters, len(r.Clusters), func(i int) string { return r.Clusters[i].Cluster }, p)
	for i, pool := range r.Clusters {
		here, c := at(clusters, i), d.known(pool.Cluster, p)
		d.checkMode(here+".mode", pool.Mode, path+".mode", r.Mode, "a cluster")
		d.checkApps(here+".apps", pool.Apps, c)
		d.checkPoolFix(here, pool, c)
	}
}

// checkApps looks at the names, labels and endpoints of applications' pools.
func (d *document) checkApps(path string, apps []AppPool, c known) {
	var names []entry
	if c.PostgresCluster != nil {
		names = inCluster(c.path, *c.PostgresCluster)
	}
	theirs := len(names)
	for i, a := range apps {
		here := at(path, i)
		names = append(names, entry{here + ".app", a.App})
		match := here + ".match"
		if d.has(match) && d.sound(match) && len(a.Match) == 0 {
			d.wrong(match, "is empty, so every alert would be about this pool: name labels, or take the key out for {app: %s}", d.at[here+".app"].text)
		}
		d.checkLabels(match, a.Match)
		if a.HTTP != nil {
			d.uniqueTexts(here+".http.instances", a.HTTP.Instances)
			d.checkControl(here+".http.grow", a.HTTP.Grow, nodeFields())
		}
	}
	d.distinctFrom(theirs, names, "give one of the two another name, as they are told apart by it")
}

// checkPoolFix looks at what may be changed about waiting clients, and whether there is a way to do it.
func (d *document) checkPoolFix(path string, pool PoolCluster, c known) {
	fix := path + ".fix"
	d.checkAllow(fix+".allow", pool.Mode, pool.Fix.Allow, poolFixes())
	d.checkRoles(fix+".roles", pool.Fix.Roles, c)
	for i, name := range pool.Fix.Allow {
		here := at(fix+".allow", i)
		if !d.sound(here) || c.PostgresCluster == nil {
			continue
		}
		switch name {
		case fixEndLeaked, fixEndBlocker:
			d.checkAct(here, name, c)
			d.checkWhose(here, name, fix+".roles", pool.Fix.Roles)
		case fixGrowPool:
			byApp := slices.ContainsFunc(pool.Apps, func(a AppPool) bool { return a.HTTP != nil })
			if !byApp && !c.administered() && d.sound(path+".apps", c.path+".pgbouncers") {
				d.wrong(here, "grow_pool needs a pool that may be changed: write admin at one of %s.pgbouncers, or http at one of %s.apps, "+
					"or take grow_pool out of allow", c.path, path)
			}
		case fixResume:
			if !c.administered() && d.sound(c.path+".pgbouncers") {
				d.wrong(here, "resume needs a pooler that may be changed: write admin at one of %s.pgbouncers, or take resume out of allow", c.path)
			}
		}
	}
}

// administered says whether one of the poolers can be changed.
func (c known) administered() bool {
	return slices.ContainsFunc(c.PgBouncers, func(b PgBouncer) bool { return b.Admin != nil })
}
