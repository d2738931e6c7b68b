package crashtest

import (
	"slices"
	"strings"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// keyOf is the identity of an alert of a record, or of the history, among the news that were told.
func keyOf(a blackbox.ToldAlert) string {
	if a.Fingerprint != labels().Fingerprint().String() {
		return "foreign." + a.Fingerprint
	}
	return news{status: a.Status, starts: a.StartsAt, ends: a.EndsAt}.key()
}

// line is a record's course in one line, for people. Looks in a row are one.
func line(r blackbox.Record) string {
	var kinds []string
	for _, e := range r.Events {
		kinds = append(kinds, e.Kind)
	}
	return r.Summary.ID + ": " + strings.Join(slices.Compact(kinds), " ")
}

// api is Firebreak's. This test presents no token: the policy asks for none.
func (w *world) api() blackbox.API { return blackbox.API{URL: w.url, Client: w.am.client} }

// records are all incidents, oldest first.
func (w *world) records() ([]blackbox.Record, error) { return w.api().Records() }
