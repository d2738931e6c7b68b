package policy

import (
	"slices"
	"strings"
)

// checkRetryStorm looks at the handler's own settings, then at its edges.
func (d *document) checkRetryStorm(r RetryStorm) {
	const path = "handlers.retrystorm"
	d.checkAlerts(path+".alerts", r.Alerts, "[RetryStorm]")
	d.checkThresholds(path+".thresholds", r.Thresholds)
	edges := path + ".edges"
	d.unique(edges, len(r.Edges), "", func(i int) string { return r.Edges[i].name() })
	names := map[string]bool{}
	d.unique(edges, len(r.Edges), ".match", func(i int) string {
		e := r.Edges[i]
		if !d.has(at(edges, i)+".match") && names[e.name()] {
			return "" // the same names give the same match, which is said already
		}
		names[e.name()] = true
		return e.labels()
	})
	for i, e := range r.Edges {
		d.checkEdge(at(edges, i), r.Mode, e)
	}
}

// name is what no two edges may share, or "" if it is not whole.
func (e Edge) name() string {
	if e.Service == "" || e.Edge == "" {
		return ""
	}
	return e.Service + "/" + e.Edge
}

// labels is the match as one text, or "" if it is not whole.
func (e Edge) labels() string {
	if e.name() == "" {
		return ""
	}
	return labels(e.Match)
}

// checkThresholds holds what two thresholds say about each other.
func (d *document) checkThresholds(path string, t StormThresholds) {
	if d.sound(path+".ratio", path+".ratio_healed") && t.Ratio <= t.RatioHealed {
		key := "ratio"
		if !d.has(path + ".ratio") {
			key = "ratio_healed"
		}
		d.wrong(path+"."+key, "ratio (%g) must be more than ratio_healed (%g), or a storm would be over as it begins: raise ratio, or lower ratio_healed",
			t.Ratio, t.RatioHealed)
	}
	d.checkVerify(path, t.VerifyWithin, t.SampleEvery)
}

// checkEdge looks at one edge.
func (d *document) checkEdge(path string, handler Mode, e Edge) {
	d.checkMode(path+".mode", e.Mode, "handlers.retrystorm.mode", handler, "an edge")
	match := path + ".match"
	if d.has(match) && d.sound(match) && len(e.Match) == 0 {
		d.wrong(match, "is empty, so every alert would be about this edge: name labels, or take the key out for {service: %s, edge: %s}",
			d.at[path+".service"].text, d.at[path+".edge"].text)
	}
	d.checkLabels(match, e.Match)
	d.checkProbe(path+".probe", e.Probe)
	d.checkFix(path+".fix", e.Mode, e.Fix)
}

// checkProbe holds that there is one source of the numbers.
func (d *document) checkProbe(path string, p EdgeProbe) {
	switch {
	case !d.sound(path):
	case p.Prometheus == nil && p.JSON == nil:
		d.wrong(path, "has no source of numbers: write prometheus or json below it")
	case p.Prometheus != nil && p.JSON != nil:
		d.wrong(path, "has two sources of numbers, prometheus and json: keep one of the two")
	}
	if p.JSON != nil {
		d.uniqueTexts(path+".json.urls", p.JSON.URLs)
	}
}

// checkFix looks at what may be changed on an edge, for how long, and whether there is a way to do it.
func (d *document) checkFix(path string, mode Mode, f EdgeFix) {
	d.uniqueTexts(path+".allow", f.Allow)
	if d.sound(path+".breaker", path+".http", path+".allow") {
		switch {
		case f.Breaker != nil && f.HTTP != nil:
			d.wrong(path, "has two ways to the service, breaker and http: keep one of the two")
		case len(f.Allow) > 0 && f.Breaker == nil && f.HTTP == nil:
			d.wrong(path+".allow", "names fixes, and there is no way to make them: write breaker: {} or http below fix")
		case Observe.stricter(mode) && len(f.Allow) == 0:
			d.wrong(path+".allow", "nothing is allowed, and the mode is %s: name fixes (%s), or set mode: observe", mode, strings.Join(fixes(), ", "))
		}
	}
	d.checkLimit(path, f)
	d.checkRamp(path+".ramp", f.Ramp)
	if f.HTTP != nil {
		d.checkEdgeHTTP(path, f)
	}
}

// checkLimit holds how long a change may stand.
func (d *document) checkLimit(path string, f EdgeFix) {
	ttl, limit := path+".ttl", path+".limit"
	if d.sound(ttl) && !wholeSeconds(f.TTL) {
		d.wrong(ttl, "must be whole seconds, got %s", d.written(ttl))
	}
	if !d.sound(limit) {
		return
	}
	if d.sound(path+".allow") && slices.Contains(f.Allow, fixOpen) && f.Limit.D() > maxOpen {
		d.wrong(limit, "must be at most %s where open is allowed, got %s", Duration(maxOpen).short(), d.written(limit))
	}
	if !d.sound(ttl) || f.TTL <= f.Limit {
		return
	}
	if d.has(ttl) {
		d.wrong(ttl, "is %s, longer than limit (%s), which is how long the change may stand altogether: lower it, or raise limit",
			f.TTL.short(), f.Limit.short())
		return
	}
	d.wrong(limit, "is %s, shorter than ttl (%s, the default): raise it, or lower ttl", f.Limit.short(), f.TTL.short())
}

// checkRamp holds that every step gives back more than the one before.
func (d *document) checkRamp(path string, ramp []int) {
	for i := 1; i < len(ramp); i++ {
		if here := at(path, i); d.sound(here, at(path, i-1)) && ramp[i] <= ramp[i-1] {
			d.wrong(here, "must be more than the step before it (%d), got %d", ramp[i-1], ramp[i])
		}
	}
}
