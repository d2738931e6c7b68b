package archive

import (
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
)

// story is what a record makes of its incident, beside what the fold of package incidents says: when things happened for the first or the
// last time, and who was asked.
type story struct {
	state *incidents.State
	// recorded is when the bus stored the first of its events that is known here.
	recorded time.Time
	moments  moments
	// asked, approved and yes are those of the plan that has not been carried out yet.
	asked, approved time.Time
	yes             []string
	// plans are what was asked for each change, in their order.
	plans    []agreement
	refusals int
}

// moments of an incident. A zero time has not come.
type moments struct {
	decided, recovered, reverted, escalated time.Time
}

// agreement is who agreed to one change, and when.
type agreement struct {
	asked, approved time.Time
	by              string
}

func newStory(recorded time.Time) *story {
	return &story{state: incidents.Fold(nil), recorded: recorded}
}

// apply is what one more event does to the story.
func (s *story) apply(id incidents.ID, e incidents.Event) {
	if s.state.ID == "" { // the record's beginning may be lost
		s.state.ID, s.state.Handler = id, id.Handler()
	}
	s.hear(e)
	fired, fixes := s.state.Firing(), len(s.state.Fixes)
	e.Seen = nil // looks are large, and nothing here is made of them
	s.state.Apply(e)
	s.state.Looks = nil
	switch firing := s.state.Firing(); {
	case fired && !firing:
		s.moments.recovered = e.At
		if e.Alert != nil && e.Alert.Status == alerts.Resolved && !e.Alert.EndsAt.IsZero() {
			s.moments.recovered = e.Alert.EndsAt
		}
	case firing:
		s.moments.recovered = time.Time{}
	}
	if len(s.state.Fixes) > fixes {
		s.plans = append(s.plans, agreement{asked: s.asked, approved: s.approved, by: strings.Join(s.yes, ", ")})
		s.asked, s.approved, s.yes = time.Time{}, time.Time{}, nil
	}
}

// hear keeps when something was said first, or last.
func (s *story) hear(e incidents.Event) {
	switch e.Kind {
	case incidents.Decided:
		first(&s.moments.decided, e.At)
	case incidents.Escalated:
		first(&s.moments.escalated, e.At)
	case incidents.Reverted:
		s.moments.reverted = e.At
	case incidents.Refused:
		s.refusals++
	case incidents.Asked:
		s.asked, s.approved, s.yes = e.At, time.Time{}, nil
	case incidents.Approved:
		s.approved = e.At
		if e.Person != nil && !slices.Contains(s.yes, e.Person.String()) {
			s.yes = append(s.yes, e.Person.String())
		}
	case incidents.Denied, incidents.Expired, incidents.Voided:
		s.approved, s.yes = time.Time{}, nil
	}
}

func first(t *time.Time, at time.Time) {
	if t.IsZero() {
		*t = at
	}
}

func last(t *time.Time, at time.Time) {
	if !at.IsZero() {
		*t = at
	}
}

// incidentRow is one row of incidents; its tags are the columns.
type incidentRow struct {
	RecordedAt  time.Time  `json:"recorded_at"`
	ID          string     `json:"id"`
	Handler     string     `json:"handler"`
	Target      string     `json:"target"`
	Domain      string     `json:"domain"`
	Alert       string     `json:"alert"`
	Severity    string     `json:"severity"`
	Stage       string     `json:"stage"`
	Outcome     string     `json:"outcome"`
	Cause       string     `json:"cause"`
	Words       string     `json:"words"`
	Refused     string     `json:"refused"`
	StartedAt   *time.Time `json:"started_at"`
	OpenedAt    *time.Time `json:"opened_at"`
	DecidedAt   *time.Time `json:"decided_at"`
	AskedAt     *time.Time `json:"asked_at"`
	ApprovedAt  *time.Time `json:"approved_at"`
	AppliedAt   *time.Time `json:"applied_at"`
	VerifiedAt  *time.Time `json:"verified_at"`
	RecoveredAt *time.Time `json:"recovered_at"`
	RevertedAt  *time.Time `json:"reverted_at"`
	EscalatedAt *time.Time `json:"escalated_at"`
	AckedAt     *time.Time `json:"acked_at"`
	ClosedAt    *time.Time `json:"closed_at"`
	AckedBy     string     `json:"acked_by"`
	Fixes       int        `json:"fixes"`
	Refusals    int        `json:"refusals"`
	Events      int        `json:"events"`
	Partial     bool       `json:"partial"`
}

// incident is the story's row.
func (s *story) incident() incidentRow {
	sum := s.state.Summary()
	r := incidentRow{RecordedAt: s.recorded, ID: sum.ID.String(), Handler: clean(sum.Handler), Target: clean(sum.Target), Domain: clean(s.state.Domain),
		Alert: clean(sum.Alert), Severity: clean(s.state.Opening.Alert.Labels["severity"]), Stage: string(sum.Stage), Outcome: clean(string(sum.Outcome)),
		Cause: clean(sum.Cause), Words: clean(sum.Words), Refused: clean(sum.Refused),
		StartedAt: instant(s.state.Opening.Alert.StartsAt), OpenedAt: instant(s.state.OpenedAt), DecidedAt: instant(s.moments.decided),
		RecoveredAt: instant(s.moments.recovered), RevertedAt: instant(s.moments.reverted), EscalatedAt: instant(s.moments.escalated),
		ClosedAt: instant(s.state.ClosedAt), Fixes: len(s.state.Fixes), Refusals: s.refusals, Events: s.state.Events, Partial: s.state.OpenedAt.IsZero()}
	if a := s.state.Acked; a != nil {
		r.AckedAt, r.AckedBy = instant(a.At), clean(a.Person.String())
	}
	// Each is that of the first change for which it came: it answers how long people and the world waited.
	var applied, verified time.Time
	agreed := agreement{asked: s.asked, approved: s.approved}
	for i, f := range slices.Backward(s.state.Fixes) {
		last(&applied, f.Times.Applied)
		last(&verified, f.Times.Verified)
		if !s.plans[i].approved.IsZero() {
			agreed = s.plans[i]
		}
	}
	r.AppliedAt, r.VerifiedAt, r.AskedAt, r.ApprovedAt = instant(applied), instant(verified), instant(agreed.asked), instant(agreed.approved)
	return r
}

// fixRow is one row of fixes; its tags are the columns.
type fixRow struct {
	RecordedAt  time.Time  `json:"recorded_at"`
	Incident    string     `json:"incident"`
	Nth         int        `json:"nth"`
	Handler     string     `json:"handler"`
	Target      string     `json:"target"`
	Remediation string     `json:"remediation"`
	Fix         string     `json:"fix"`
	Place       string     `json:"place"`
	Once        bool       `json:"once"`
	Action      string     `json:"action"`
	AskedAt     *time.Time `json:"asked_at"`
	ApprovedAt  *time.Time `json:"approved_at"`
	ApprovedBy  string     `json:"approved_by"`
	OverrideBy  string     `json:"override_by"`
	IntendedAt  *time.Time `json:"intended_at"`
	IssuedAt    *time.Time `json:"issued_at"`
	AppliedAt   *time.Time `json:"applied_at"`
	VerifiedAt  *time.Time `json:"verified_at"`
	ReleasedAt  *time.Time `json:"released_at"`
	RevertingAt *time.Time `json:"reverting_at"`
	EndedAt     *time.Time `json:"ended_at"`
	Effect      string     `json:"effect"`
	Outcome     string     `json:"outcome"`
	Renewals    int        `json:"renewals"`
}

// fixes are the rows of the story's changes.
func (s *story) fixes() []fixRow {
	rows := make([]fixRow, len(s.state.Fixes))
	for i, f := range s.state.Fixes {
		o, t, p := f.Order, f.Times, s.plans[i]
		rows[i] = fixRow{RecordedAt: s.recorded, Incident: s.state.ID.String(), Nth: i + 1, Handler: clean(s.state.Handler), Target: clean(s.state.Target),
			Remediation: clean(o.Remediation), Fix: clean(o.Fix), Place: clean(o.Place()), Once: o.Once, Action: clean(o.Action),
			AskedAt: instant(p.asked), ApprovedAt: instant(p.approved), ApprovedBy: clean(p.by), OverrideBy: clean(o.Override),
			IntendedAt: instant(t.Intended), IssuedAt: instant(t.Issued), AppliedAt: instant(t.Applied), VerifiedAt: instant(t.Verified),
			ReleasedAt: instant(t.Released), RevertingAt: instant(t.Reverting), EndedAt: instant(t.Ended), Outcome: clean(string(f.Outcome)), Renewals: f.Renewals}
		if f.Judgement != nil {
			rows[i].Effect = clean(string(f.Judgement.Effect))
		}
	}
	return rows
}
