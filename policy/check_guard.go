package policy

import (
	"cmp"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"slices"
)

// checkGuard looks at what is asked before anything is changed.
func (d *document) checkGuard(p *Policy) {
	g := p.Guard
	d.checkStopFile(g.StopFile)
	d.unique("guard.maintenance", len(g.Maintenance), ".name", func(i int) string { return g.Maintenance[i].Name })
	known, all := d.domains(p)
	for i, w := range g.Maintenance {
		here := at("guard.maintenance", i)
		d.checkWindow(here, w)
		if all {
			d.checkDomains(here+".domains", w.Domains, known)
		}
	}
	d.checkObserver(g.Observer)
	d.checkWatchdog(g.Watchdog, p)
	d.checkHeartbeat(g.Heartbeat)
}

// checkStopFile refuses what is always there: nothing would ever be changed, and nobody could take it away.
func (d *document) checkStopFile(file string) {
	const path = "guard.stop_file"
	if !d.has(path) || !d.sound(path) {
		return
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		d.wrong(path, "cannot be looked for: %s: correct the path", cause(err))
	case info.IsDir():
		d.wrong(path, "names a folder, which is always there, so nothing would ever be changed: name a file in it, such as STOP")
	}
}

// checkObserver looks at the anchors, and at how many of them must be reached.
func (d *document) checkObserver(o Observer) {
	const anchors, need = "guard.observer.anchors", "guard.observer.need"
	d.uniqueTexts(anchors, o.Anchors)
	switch {
	case !d.has(need) || !d.sound(anchors, need) || o.Need <= len(o.Anchors):
	case len(o.Anchors) == 0:
		d.wrong(need, "is %d, and there are no anchors: name them, or take it out", o.Need)
	default:
		d.wrong(need, "is %d, more than there are anchors (%d), so nothing would ever be changed: lower it, or name more", o.Need, len(o.Anchors))
	}
}

// checkWatchdog holds that the alert that always fires is nobody's incident.
func (d *document) checkWatchdog(w *Watchdog, p *Policy) {
	const path = "guard.watchdog.alert"
	switch {
	case w == nil || !d.sound(path):
		return
	case blank(w.Alert):
		d.wrong(path, "is empty: write an alertname, or take the key out for Watchdog")
		return
	}
	for _, handler := range handlerNames() {
		theirs := join("handlers", handler) + ".alerts"
		i := slices.Index(p.alerts(handler), w.Alert)
		switch {
		case i < 0 || !d.sound(theirs):
		case d.has(path):
			d.wrong(path, "is also one of %s, and it fires always: the incident would never end: name another alert", theirs)
			return
		default:
			d.wrong(at(theirs, i), "is also guard.watchdog.alert (the default), and it fires always: the incident would never end: take it out")
		}
	}
}

// checkHeartbeat looks at where we say that we live. The address is a secret: nothing of it is ever said.
func (d *document) checkHeartbeat(h *Heartbeat) {
	const path, file = "guard.heartbeat.url", "guard.heartbeat.url_file"
	if h == nil || !d.sound(path, file) {
		return
	}
	if h.URL == "" {
		d.wrong(path, "is missing: write url or url_file, the http or https address to post to")
		return
	}
	u, err := url.Parse(h.URL.Reveal())
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || !isPort(u.Port(), true) {
		d.wrong(d.either(path, file), "must be an absolute URL, http or https, such as https://host/path (it is a secret, so it is not shown)")
	}
}

// domains are the failure domains of all targets: their names, and how the file writes them. A name may come from a variable,
// whose value is never said.
type domains struct {
	names   map[string]bool
	written []string
}

// domains collects the failure domains of all targets. It is false if one of them could not be read.
func (d *document) domains(p *Policy) (domains, bool) {
	known := domains{names: map[string]bool{}}
	for _, handler := range handlerNames() {
		if !d.reached(targetsOf(handler)) {
			return known, false
		}
	}
	for _, t := range d.targets(p) {
		from, name := t.path, ".service" // where the domain is written, or is taken from
		if t.Handler != retryStorm {
			c := d.known(t.Name, p)
			if c.PostgresCluster == nil {
				return known, false
			}
			from, name = c.path, ".cluster"
		}
		if !d.sound(from+name, from+".domain") {
			return known, false
		}
		if t.Domain == "" || known.names[t.Domain] {
			continue
		}
		known.names[t.Domain] = true
		known.written = append(known.written, cmp.Or(d.at[from+".domain"].text, d.at[from+name].text))
	}
	return known, true
}

// checkDomains refuses domains that no target has: with such a slip a window would be open for nobody.
func (d *document) checkDomains(path string, list []string, known domains) {
	d.uniqueTexts(path, list)
	for i, name := range list {
		if here := at(path, i); d.sound(here) && !known.names[name] {
			d.wrong(here, "%s is the domain of no target: %s", d.written(here), oneOf(d.at[here].text, known.written))
		}
	}
}
