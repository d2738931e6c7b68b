package sessiondrift

import (
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// facts collects evidence. A value that cannot be written as JSON is left out.
type facts []incidents.Evidence

func (f *facts) add(name string, value float64, unit, text string) {
	if finite(value) {
		*f = append(*f, incidents.Evidence{Name: name, Value: value, Unit: unit, Words: text})
	}
}

// evidence is what a decision rests on: who is there, what is overdue, how far the replicas are, what was read.
func (r deciding) evidence() []incidents.Evidence {
	var e facts
	if len(r.sights) > 0 {
		e.members(r.newest().seen, "")
		e.orphans(r.newest().seen, "")
		e.copies(r.newest().seen, "")
		e.replicas(r.newest().seen, "")
		e.around(r.newest().seen, "")
	}
	e.add("looks", float64(len(r.sights)), "", words("%d looks without a long pause between them", len(r.sights)))
	e.add("busy", float64(r.Busy), "", words("%d other stores have an open incident", r.Busy))
	return e
}

// members adds who is there. The suffix tells looks apart, e.g. "_before".
func (e *facts) members(o Observation, suffix string) {
	if o.Problem != "" || o.Members.Problem != "" || o.Members.At.IsZero() {
		e.add("members_readable"+suffix, 0, "", "who is there could not be read: "+o.Problem+o.Members.Problem)
		return
	}
	m := o.Members
	alive, silent, gone := inState(o, sessions.Alive), inState(o, sessions.Silent), inState(o, sessions.Gone)
	e.add("alive"+suffix, float64(len(alive)), "", words("%d of %d registered nodes are alive: %s", len(alive), len(m.Members), list(alive)))
	if len(silent) > 0 {
		e.add("silent"+suffix, float64(len(silent)), "", words("%d silent: %s", len(silent), list(silent)))
	}
	if len(gone) > 0 {
		e.add("gone"+suffix, float64(len(gone)), "", words("%d gone: %s", len(gone), list(gone)))
	}
	quorum, said := 0.0, "they have no quorum"
	if m.Quorum {
		quorum, said = 1, words("they have a quorum, and %d of them say whom they hear", len(speakers(o)))
	}
	e.add("quorum"+suffix, quorum, "", said)
	e.add("epoch"+suffix, float64(m.Epoch), "", words("the membership is of epoch %d", m.Epoch))
	if !m.StableSince.IsZero() {
		e.add("stable"+suffix, m.At.Sub(m.StableSince).Seconds(), "s", words("no member has changed its state for %s", span(m.At.Sub(m.StableSince))))
	}
	if o.Clock.Within > 0 {
		e.add("clock_offset"+suffix, o.Clock.Offset, "s", words("the store's clock is %s from ours, within %s", seconds(o.Clock.Offset), seconds(o.Clock.Within)))
	}
}

func (e *facts) orphans(o Observation, suffix string) {
	n := o.Orphans
	if n.Problem != "" || o.Problem != "" {
		e.add("sessions_readable"+suffix, 0, "", "the sessions could not be listed: "+o.Problem+n.Problem)
		return
	}
	e.add("sessions"+suffix, float64(n.Read), "", words("%s read, and %d unreadable", counted(n.Read, "live session was", "live sessions were"), n.Unreadable))
	e.add("expired"+suffix, float64(n.Expired), "",
		words("of %d the lease ended more than twice its length ago, of %s", n.Expired, counted(n.Owners, "owner", "owners")))
	e.add("orphans"+suffix, float64(n.Count), "", words("of %d the owner is gone too: orphans", n.Count))
	for _, p := range sessions.Priorities() {
		if k := n.ByPriority[p]; k > 0 {
			e.add("orphans_"+string(p)+suffix, float64(k), "", words("%d of the orphans are %s", k, p))
		}
	}
}

func (e *facts) copies(o Observation, suffix string) {
	if o.Copies.Problem != "" {
		e.add("copies_readable"+suffix, 0, "", "copies could not be compared: "+o.Copies.Problem)
		return
	}
	e.add("dominated"+suffix, float64(len(o.Copies.Dominated)), "",
		words("of %s a copy is older than another one", counted(len(o.Copies.Dominated), "session", "sessions")))
	e.add("concurrent"+suffix, float64(len(o.Copies.Concurrent)), "",
		words("of %s two copies have each seen what the other has not", counted(len(o.Copies.Concurrent), "session", "sessions")))
}

func (e *facts) replicas(o Observation, suffix string) {
	if o.Replicas.Problem != "" {
		e.add("replicas_readable"+suffix, 0, "", "the replicas could not be read: "+o.Replicas.Problem)
	}
	for _, x := range o.Replicas.Replicas {
		if !x.Known {
			e.add("lag_known_"+x.Name+suffix, 0, "", words("how far %s is behind is not known (%s)", x.Name, x.State))
			continue
		}
		e.add("lag_"+x.Name+suffix, x.LagSeconds, "s", words("%s (%s) is %s and %d behind", x.Name, x.State, seconds(x.LagSeconds), x.LagUnits))
	}
	for _, c := range o.Contents.Replicas {
		if o.Contents.Problem != "" || c.Problem != "" {
			continue
		}
		e.add("differences_"+c.Name+suffix, float64(len(c.Differences)), "",
			words("%s holds %s otherwise than the primary; %d of %d parts differ, and %d were looked into",
				c.Name, counted(len(c.Differences), "session", "sessions"), c.Buckets, sessions.Buckets, c.Examined))
	}
}

func (e *facts) around(o Observation, suffix string) {
	a := o.Around
	if n := len(a.Partition); n > 0 {
		e.add("partition_alerts"+suffix, float64(n), "", "these alerts fire: "+list(a.Partition))
	}
	if a.NotFound != nil {
		e.add("not_found"+suffix, *a.NotFound, "1/s", words("%.2f requests/s miss their session", *a.NotFound))
	}
	if a.OrphansBefore != nil {
		e.add("orphans_some_minutes_ago"+suffix, *a.OrphansBefore, "", words("%.0f orphans some minutes ago", *a.OrphansBefore))
	}
	if a.Deploying != nil {
		is, said := 0.0, "the application is not being deployed"
		if *a.Deploying {
			is, said = 1, "the application is being deployed"
		}
		e.add("deploying"+suffix, is, "", said)
	}
}
