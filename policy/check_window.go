package policy

import "time"

// checkWindow looks at when one maintenance window is open: once, or every week.
func (d *document) checkWindow(path string, w Window) {
	d.uniqueTexts(path+".days", w.Days)
	d.uniqueTexts(path+".handlers", w.Handlers)
	if !d.sound(path) {
		return
	}
	once := d.has(path+".from") || d.has(path+".until")
	weekly := d.has(path+".at") || d.has(path+".for")
	switch {
	case once && weekly:
		d.wrong(path, "opens once (from, until) and also every week (at, for): keep one of the two")
	case once:
		d.checkOnce(path, w)
	case weekly || d.has(path+".days"):
		d.checkWeekly(path, w)
	default:
		d.wrong(path, "has no time: write from and until (open once), or at and for (open every week)")
	}
}

// checkOnce looks at a window that opens once.
func (d *document) checkOnce(path string, w Window) {
	from, until := path+".from", path+".until"
	for _, key := range []string{".days", ".time_zone"} {
		if d.has(path + key) {
			d.wrong(path+key, "is for a window that opens every week, with at and for: take it out, or take from and until out")
		}
	}
	switch {
	case !d.has(from):
		d.wrong(from, "is missing: until needs it, write for example 2026-12-24T18:00:00Z")
	case !d.has(until):
		d.wrong(until, "is missing: from needs it, write for example 2026-12-24T22:00:00Z")
	case !w.Until.T().After(w.From.T()):
		d.wrong(until, "must be after from (%s), got %s", d.written(from), d.written(until))
	}
}

// checkWeekly looks at a window that opens every week.
func (d *document) checkWeekly(path string, w Window) {
	if !d.has(path + ".at") {
		d.wrong(path+".at", "is missing: a window that opens every week needs it, write for example '22:00'")
	}
	if !d.has(path + ".for") {
		d.wrong(path+".for", "is missing: a window that opens every week needs it, write for example 2h")
	}
	// "Local" is whatever the machine is set to: two machines would read one policy in two ways.
	if _, err := time.LoadLocation(w.TimeZone); err != nil || w.TimeZone == "Local" {
		d.wrong(path+".time_zone", "is not a time zone that is known here, got %s: write an IANA name such as UTC or Europe/Berlin",
			d.written(path+".time_zone"))
	}
}
