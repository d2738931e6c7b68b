package drifttest

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// judgeContents: every session holds what its node wrote last, and what nobody wrote is as it was. As many as should be are out of sight or
// have another owner, and only of those that may be.
func (r *run) judgeContents() {
	after := r.held()
	var taken, given []string
	for key, was := range r.before {
		is, there := after[key]
		switch {
		case !there:
			r.harm("%s has gone", was)
			continue
		case is.by != "":
			taken = append(taken, key)
		case is.owner != was.owner:
			given = append(given, key)
			is = r.backToOwner(was, is)
		}
		r.judgeSession(was, is)
	}
	for key, is := range after {
		if _, was := r.before[key]; !was {
			r.harm("nobody wrote %s", is)
		}
	}
	for _, touched := range []struct {
		what string
		keys []string
		want int
	}{{"out of sight", taken, r.want.takes}, {"another owner's", given, r.want.gives}} {
		slices.Sort(touched.keys)
		for _, key := range touched.keys {
			if !slices.Contains(r.want.from, key) {
				r.harm("%s is %s", key, touched.what)
			}
		}
		switch n := len(touched.keys); {
		case n > touched.want:
			r.harm("%d sessions are %s, want %d: %q", n, touched.what, touched.want, touched.keys)
		case n < touched.want:
			r.wrongly("%d sessions are %s, want %d: %q", n, touched.what, touched.want, touched.keys)
		}
	}
}

// backToOwner is a session that was given to another owner as it would be if it had not been: the version one further, a new lease, nothing
// else.
func (r *run) backToOwner(was, is record) record {
	version, err := strconv.Atoi(was.version)
	if err != nil || is.version != strconv.Itoa(version+1) || !is.lease.After(was.lease) {
		r.harm("%s was given away as %s", was, is)
	}
	is.owner, is.version, is.lease, is.epoch = was.owner, was.version, was.lease, was.epoch
	return is
}

// judgeSession holds one session against what it was, and what its node wrote.
func (r *run) judgeSession(was, is record) {
	tried, acked, serves := r.app.versions(was)
	if !serves || slices.Contains(r.ended, was.owner) {
		was.by = is.by
		if slices.Contains(r.app.renewed(), was.key) && is.by == "" && !slices.Contains(r.ended, was.owner) { // a copy that its node renews
			was.lease = is.lease
		}
		if was.lease = was.lease.UTC(); !was.lease.Equal(is.lease) {
			r.harm("the lease of %s is now that of %s", was, is)
		}
		was.lease = is.lease
		if was != is {
			r.harm("%s is now %s", was, is)
		}
		return
	}
	version, err := strconv.Atoi(is.version)
	if err != nil || version < acked || version > tried || is.data != contents(was.key, version) {
		r.harm("%s is now %s, and its node wrote versions %d to %d", was, is, acked, tried)
	}
	if is.owner != was.owner || is.epoch != was.epoch || is.priority != was.priority || is.lease.Before(was.lease) {
		r.harm("%s is now %s, which its node did not write", was, is)
	}
}

// judgeActions: the store knows no action but those of the orders, with their parts and undos; so none at all where nothing was ordered.
func (r *run) judgeActions(all []blackbox.Record) {
	var known []string
	r.must("read the actions", func(ctx context.Context) (err error) {
		known, err = r.store.actions(ctx)
		return err
	})
	for _, action := range known {
		if !slices.ContainsFunc(all, func(got blackbox.Record) bool {
			return slices.ContainsFunc(got.Events, func(e blackbox.Event) bool {
				return e.Kind == "issuing" && e.Action() != "" && strings.HasPrefix(action, e.Action())
			})
		}) && !strings.HasPrefix(action, byHand) {
			r.harm("the store carried out %s, which the record does not know", action)
		}
	}
}

// byHand begins the names of what a person orders by the command line.
const byHand = "restore-"

// judgeNodes: no node that lives ever missed a session that it serves, unless it was taken for dead.
func (r *run) judgeNodes() {
	if r.want.missed {
		return
	}
	for _, n := range r.app.nodes {
		if _, lost := n.served(); len(lost) > 0 {
			r.harm("%s missed sessions that it serves: %q", n.name, lost)
		}
	}
}
