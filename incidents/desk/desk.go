// Package desk is where people order something of an incident: they acknowledge it, let a change pass the brakes, have a change taken
// back, approve a plan or deny it. Whatever way an order comes (command line, chat), it becomes an event of the record here, by
// compare-and-append: of two who answer at the same time, the second finds what the first has done.
//
// Who somebody is, and what they may do in general, was proved before. Whether they may approve this plan is asked here.
package desk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
)

const (
	// overrideFor is how long a person's override waits for the change that it lets pass.
	overrideFor = 10 * time.Minute
	// maxReason bounds what somebody can put into a record, in bytes.
	maxReason = 2000
)

// Code is why an order was not taken.
type Code string

// The codes.
const (
	NoSuchIncident Code = "no_such_incident"
	Over           Code = "over"            // the incident has ended
	Standing       Code = "standing"        // a change stands, or may
	NothingStands  Code = "nothing_stands"  // there is nothing to take back
	NothingAsked   Code = "nothing_asked"   // no approval is asked for
	OtherAsking    Code = "other_asking"    // another plan is asked about by now, or the same one anew
	TooLate        Code = "too_late"        // the asking has expired
	NotApprover    Code = "not_approver"    // this person may not approve this
	OwnRequest     Code = "own_request"     // nobody approves what they asked for
	SaidAlready    Code = "said_already"    // this person has approved it before
	ReasonMissing  Code = "reason_missing"  // an order that others must understand later needs a reason
	ReasonTooLong  Code = "reason_too_long" // a record is not a place for files
	NothingToAck   Code = "nothing_to_ack"  // nothing was done
)

// No is an order that was not taken, and why, in words for whoever gave it.
type No struct {
	Code  Code
	Words string
}

// Error is the code with its words.
func (n *No) Error() string { return string(n.Code) + ": " + n.Words }

func no(code Code, format string, args ...any) *No {
	return &No{Code: code, Words: fmt.Sprintf(format, args...)}
}

// Agenda is told that an incident must be looked at now: see bus.Agenda.
type Agenda interface {
	Set(ctx context.Context, key string, due time.Time) error
}

// Ledger lifts what waits for an acknowledgement: see ledger.Ledger.
type Ledger interface {
	Ack(ctx context.Context, incident, domain, target string, now time.Time) (lifted []string, err error)
}

// Desk takes orders. It is safe for concurrent use, on any number of replicas.
type Desk struct {
	store  *incidents.Store
	agenda Agenda
	ledger Ledger
	by     string
	now    func() time.Time
}

// New makes a desk. by is this replica's name, for the record.
func New(store *incidents.Store, agenda Agenda, ledger Ledger, by string, now func() time.Time) *Desk {
	return &Desk{store: store, agenda: agenda, ledger: ledger, by: by, now: now}
}

// Ack acknowledges what was done in an incident. It lifts what waits for that in its failure domain, and says what. It is taken only
// when nothing of the incident stands any more. It is safe to repeat.
func (d *Desk) Ack(ctx context.Context, id incidents.ID, p incidents.Person, note string) (lifted []string, err error) {
	_, err = d.order(ctx, id, func(st *incidents.State) (incidents.Event, error) {
		switch f := st.Fix(); {
		case tooLong(note) != nil:
			return incidents.Event{}, tooLong(note)
		case f == nil:
			return incidents.Event{}, no(NothingToAck, "nothing was changed in %s", id)
		case f.Times.Ended.IsZero():
			return incidents.Event{}, no(Standing, "the change of %s is still under way: take it back first (recall), or wait", id)
		}
		// The ledger comes first: it knows best what stands, and an acknowledgement on record that lifted nothing would be a lie.
		now, err := d.ledger.Ack(ctx, id.String(), st.Domain, st.Handler+":"+st.Target, d.now())
		if err != nil {
			return incidents.Event{}, err
		}
		lifted = append(lifted, now...)
		return incidents.Event{Kind: incidents.Acked, Person: &p, Note: note}, nil
	})
	return lifted, err
}

// Override lets the next change of an incident pass the brakes: pause, cooldown, budgets, maintenance, mode observe. Not the target's own
// state, and not the lock of the failure domain. It counts for one change, and not for long.
func (d *Desk) Override(ctx context.Context, id incidents.ID, p incidents.Person, reason string) error {
	_, err := d.order(ctx, id, func(st *incidents.State) (incidents.Event, error) {
		switch {
		case wanted(reason) != nil:
			return incidents.Event{}, wanted(reason)
		case !st.Open():
			return incidents.Event{}, no(Over, "%s has ended", id)
		case underWay(st):
			return incidents.Event{}, no(Standing, "a change of %s is under way already", id)
		}
		now := d.now().UTC()
		return incidents.Event{Kind: incidents.Overridden, Person: &p, Note: reason, Until: now.Add(overrideFor), Due: now}, nil
	})
	return err
}

// Recall has the change of an incident taken back now. No other one is made in that incident.
func (d *Desk) Recall(ctx context.Context, id incidents.ID, p incidents.Person, reason string) error {
	_, err := d.order(ctx, id, func(st *incidents.State) (incidents.Event, error) {
		switch {
		case wanted(reason) != nil:
			return incidents.Event{}, wanted(reason)
		case !st.Open():
			return incidents.Event{}, no(Over, "%s has ended", id)
		case !underWay(st):
			return incidents.Event{}, no(NothingStands, "nothing of %s stands", id)
		}
		return incidents.Event{Kind: incidents.Recalled, Person: &p, Note: reason, Due: d.now().UTC()}, nil
	})
	return err
}

// order appends what decide makes of the present state, and wakes whoever carries the incident. decide is asked again when somebody else
// was faster.
func (d *Desk) order(ctx context.Context, id incidents.ID, decide func(*incidents.State) (incidents.Event, error)) (*incidents.State, error) {
	for {
		st, err := d.store.Load(ctx, id)
		if errors.Is(err, bus.ErrNotFound) {
			return nil, no(NoSuchIncident, "there is no incident %s", id)
		}
		if err != nil {
			return nil, err
		}
		e, err := decide(st)
		if err != nil {
			return nil, err
		}
		e.V, e.At, e.By = incidents.Version, d.now().UTC(), d.by
		err = d.store.Append(ctx, st, e)
		if errors.Is(err, incidents.ErrConflict) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("record the order for %s: %w", id, err)
		}
		if st.Open() {
			if err := d.agenda.Set(ctx, id.Key(), d.now()); err != nil {
				return nil, fmt.Errorf("the order for %s is recorded, and it will be carried out when the incident is due: %w", id, err)
			}
		}
		return st, nil
	}
}

// underWay says that a change was begun and has not ended.
func underWay(st *incidents.State) bool {
	f := st.Fix()
	return f != nil && f.Times.Ended.IsZero()
}

func wanted(reason string) error {
	if strings.TrimSpace(reason) == "" {
		return no(ReasonMissing, "say why: others will read it in the record")
	}
	return tooLong(reason)
}

func tooLong(reason string) error {
	if len(reason) > maxReason || !utf8.ValidString(reason) {
		return no(ReasonTooLong, "a reason is text of at most %d bytes", maxReason)
	}
	return nil
}
