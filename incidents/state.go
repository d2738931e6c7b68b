package incidents

import (
	"encoding/json"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Stage is where an incident stands. Every stage has an exit by time.
//
//	looking (─▶ asked ─▶ looking)* ─▶ intended ─▶ issuing ─▶ standing ─▶ held ─▶ (adjusting ─▶ held)* ─▶ reverting ─▶ settled ─▶ closed
//	   ▲           │          ├▶ in_doubt ─▶ standing │ settled                       ├▶ revert_in_doubt
//	   └─ settled ◀┴──────────┴▶ settled                                             └▶ settled
type Stage string

// The stages.
const (
	Looking      Stage = "looking"       // nothing of ours stands, nothing is under way
	Waiting      Stage = "waiting"       // asked: people must approve the plan
	Planned      Stage = "planned"       // intended: the change is decided on, armed and not sent
	Sending      Stage = "sending"       // issuing: it may have been sent
	Doubtful     Stage = "doubtful"      // it was sent, and nobody has confirmed it
	Standing     Stage = "standing"      // it stands, and is being verified
	Holding      Stage = "holding"       // it helped, and stands until it is given back
	Changing     Stage = "changing"      // adjusting: a renewal or a step of the ramp may have been sent
	Undoing      Stage = "undoing"       // reverting: the undo may have been sent
	UndoDoubtful Stage = "undo_doubtful" // the undo was sent, and nobody has confirmed it
	Settled      Stage = "settled"       // the change has ended; the ledger may still hold its lock
	Ended        Stage = "closed"
)

// State is an incident as its events make it. It is a value: [State.Apply] is the only thing that changes it.
type State struct {
	Opening
	Stage    Stage
	OpenedAt time.Time
	ClosedAt time.Time
	// Alerts are the incident's alerts in the order in which they joined, each as it last was.
	Alerts   []alerts.Alert
	Looks    []Look
	Decision *Decision
	// Plan is the hash of the plan of Decision; "" if it asks for no change.
	Plan string
	// Refusal is the last no, until something goes on. RefusedSince is since when it has been that same no.
	Refusal      *Refusal
	RefusedSince time.Time
	refusedFor   remediations.Reason
	// Escalated is set once a person was called.
	Escalated bool
	// Asking is what approval is asked for, nil if for nothing; Approvals are those who said yes, Denial who said no last.
	Asking    *Asking
	Approvals []Said
	Denial    *Said
	// DeniedPlan is the hash that was denied last. Askings counts all of them.
	DeniedPlan string
	Askings    int
	// Acked, Override and Recall are the last of their kind. An override counts for one change.
	Acked, Override, Recall *Said
	// Newer says that a newer build wrote something that this one does not understand: no change is begun on such a record.
	Newer bool
	// Fixes are the changes of this incident in order; the last one is the present one.
	Fixes   []Fix
	Closing *Closing
	// Due is when to look again.
	Due time.Time
	// Seq is the last event's place in the bus; 0 before the first is stored. Events counts them.
	Seq    uint64
	Events int
}

// Look is one recorded observation.
type Look struct {
	At   time.Time
	Seen json.RawMessage
}

// Fix is one change, from its intention to its end.
type Fix struct {
	Order   remediations.Order
	Receipt remediations.Receipt
	Verify  Verify
	Times   FixTimes
	// Presence is how the target last looked.
	Presence  remediations.Presence
	Judgement *Judgement // the last one that was not pending
	// Outcome is what this change has earned so far.
	Outcome Outcome
	// Renewals and Doubts count; both are bounded.
	Renewals, Doubts int
	// LooksBefore is how many looks there were when it was issued, LooksUntil when it ended: clocks differ between those who look.
	LooksBefore, LooksUntil int
	// Regressed is set when the ramp brought the symptom back: it is not ramped again.
	Regressed bool
	// stepping says that the adjustment under way is a step of the ramp, not a renewal.
	stepping bool
	// held says that it is past its verification.
	held bool
}

// FixTimes are the moments of a change. A zero time has not come.
type FixTimes struct {
	Intended, Issued, Applied, Verified, Released, Reverting, Ended time.Time
}

// Fix is the present change, nil before the first.
func (s *State) Fix() *Fix {
	if len(s.Fixes) == 0 {
		return nil
	}
	return &s.Fixes[len(s.Fixes)-1]
}

// Open says whether the incident has not ended.
func (s *State) Open() bool { return s.Stage != Ended }

// Firing says whether any of the incident's alerts still fires, as far as Alertmanager has told us.
func (s *State) Firing() bool {
	for _, a := range s.Alerts {
		if a.Status == alerts.Firing {
			return true
		}
	}
	return false
}

// LastHeard is when Alertmanager last delivered one of the firing alerts (of all of them, if none fires).
func (s *State) LastHeard() time.Time {
	var last time.Time
	firing := s.Firing()
	for _, a := range s.Alerts {
		if (a.Status == alerts.Firing || !firing) && a.Delivery.At.After(last) {
			last = a.Delivery.At
		}
	}
	return last
}

func (s *State) alert(fingerprint string) *alerts.Alert {
	for i := range s.Alerts {
		if s.Alerts[i].Fingerprint == fingerprint {
			return &s.Alerts[i]
		}
	}
	return nil
}
