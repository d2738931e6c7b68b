package policy

import "slices"

// checkSessionDrift looks at the handler's own settings, then at its stores.
func (d *document) checkSessionDrift(p *Policy) {
	const path = "handlers.sessiondrift"
	r := p.Handlers.SessionDrift
	d.checkAlerts(path+".alerts", r.Alerts, "the default ones")
	d.checkDriftTimes(path+".thresholds", r.Thresholds)
	stores := path + ".stores"
	d.unique(stores, len(r.Stores), ".store", func(i int) string { return r.Stores[i].Store })
	d.checkDriftMatches(stores, r.Stores)
	for i, s := range r.Stores {
		here := at(stores, i)
		d.knownName(here+".store", s.Store, sessionsPath, ".store", "store", len(p.Sessions), func(i int) string { return p.Sessions[i].Store })
		d.checkMode(here+".mode", s.Mode, path+".mode", r.Mode, "a store")
		d.checkDriftMetrics(here+".prometheus", s.Prometheus)
		d.checkDriftFix(here+".fix", s, d.knownStore(s.Store, p))
	}
}

// checkDriftTimes holds what the times say about each other.
func (d *document) checkDriftTimes(path string, t DriftThresholds) {
	d.checkVerify(path, t.VerifyWithin, t.SampleEvery)
	hold, within := path+".hold_for", path+".verify_within"
	if !d.sound(hold, within) || t.HoldFor < t.VerifyWithin {
		return
	}
	here := hold
	if !d.has(hold) {
		here = within
	}
	d.wrong(here, "hold_for (%s) must be less than verify_within (%s), or no fix could ever be said to have helped: "+
		"lower the one, or raise the other",
		t.HoldFor.short(), t.VerifyWithin.short())
}

// checkDriftMatches looks at the labels of each store, and holds that an alert is about one store.
func (d *document) checkDriftMatches(path string, stores []DriftStore) {
	var list []entry
	named := map[string]bool{}
	for i, s := range stores {
		match := at(path, i) + ".match"
		if d.has(match) && d.sound(match) && len(s.Match) == 0 {
			d.wrong(match, "is empty, so every alert would be about this store: name labels, or take the key out for {store: %s}",
				d.at[at(path, i)+".store"].text)
		}
		d.checkLabels(match, s.Match)
		if s.Store != "" && (d.has(match) || !named[s.Store]) { // the same names give the same default, which is said already
			list = append(list, entry{match, labels(s.Match)})
			named[s.Store] = true
		}
	}
	d.distinct(list, "an alert would be about both: write labels in match that tell the two apart")
}

// checkDriftMetrics holds that Prometheus, where it is named, is asked something.
func (d *document) checkDriftMetrics(path string, m *DriftMetrics) {
	if m == nil || !d.sound(path) {
		return
	}
	if blank(m.Partition) && blank(m.Deploying) && blank(m.NotFound) && blank(m.OrphansBefore) {
		d.wrong(path, "asks nothing: write partition, deploying, not_found or orphans_before below it, or take it out")
	}
}

// knownStore is a store that a handler names, and where it stands.
type knownStore struct {
	*SessionStore
	path    string
	cluster known
}

// knownStore finds a store by its name; without one it is empty.
func (d *document) knownStore(name string, p *Policy) knownStore {
	i := slices.IndexFunc(p.Sessions, func(s SessionStore) bool { return s.Store == name })
	if i < 0 || name == "" {
		return knownStore{}
	}
	found := knownStore{SessionStore: &p.Sessions[i], path: at(sessionsPath, i)}
	if s := found.Postgres; s != nil {
		found.cluster = d.known(s.Cluster, p)
	}
	return found
}

// checkDriftFix looks at what may be changed in a store, and whether there is a way to do it.
func (d *document) checkDriftFix(path string, s DriftStore, store knownStore) {
	f := s.Fix
	d.checkAllow(path+".allow", s.Mode, f.Allow, driftFixes())
	if limit, timeout := path+".limit", path+".timeout"; d.sound(limit, timeout) && f.Limit < f.Timeout {
		here := limit
		if !d.has(limit) {
			here = timeout
		}
		d.wrong(here, "limit (%s) must be at least timeout (%s), that of one order: raise the one, or lower the other",
			f.Limit.short(), f.Timeout.short())
	}
	if to := path + ".recover_to"; f.RecoverTo != "" && d.sound(to, path+".allow") && !slices.Contains(f.Allow, fixRecover) {
		d.wrong(to, "is never used, as recover is not in allow: add it there, or take the key out")
	}
	for i, fix := range f.Allow {
		here := at(path+".allow", i)
		if !d.sound(here) || store.SessionStore == nil || !d.sound(store.path) {
			continue
		}
		if store.cluster.PostgresCluster != nil {
			d.checkAct(here, fix, store.cluster)
		}
		switch fix {
		case fixSync:
			d.checkReplicas(here, store)
		case fixReconcile, fixSetAside:
			if c := store.Postgres; c != nil && c.Columns.Copy == noColumn {
				d.wrong(here, "%s is for several copies of one session, and %s.postgres.columns.copy says that there are none: take %s out of allow",
					fix, store.path, fix)
			}
		}
	}
}

// checkReplicas holds that a store has somebody to send sessions to. What is behind an endpoint is not known here.
func (d *document) checkReplicas(path string, store knownStore) {
	switch {
	case store.Redis != nil && len(store.Redis.Replicas) == 0:
		d.wrong(path, "sync needs a replica: write %s.redis.replicas, or take sync out of allow", store.path)
	case store.cluster.PostgresCluster != nil && len(store.cluster.Nodes) == 1 && d.sound(store.cluster.path+".nodes"):
		d.wrong(path, "sync needs a standby, and %s has one node: write its other nodes, or take sync out of allow", store.cluster.path)
	}
}
