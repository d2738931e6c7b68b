// Package params are the settings of the fixes of sessions, as a step carries them; see package sessions above for the shapes.
package params

import (
	"encoding/json"
	"fmt"

	store "github.com/firebreak-sre/firebreak/internal/sessions"
)

// MostRecovered is the most sessions that one recovery gives to another owner: four orders' worth, each looked at before the next. All of
// them stand in the record, in the decision and in the order, whose messages have to stay small; and a person who agrees to it can
// still look through them.
const MostRecovered = 200

// Sync are the settings of sync.
type Sync struct {
	// Epoch is that of the membership that was decided on, here and below.
	Epoch uint64 `json:"epoch"`
	// IDs are the sessions that are sent again, at most store.MostSent.
	IDs []string `json:"ids"`
}

// Quarantine are the settings of quarantine.
type Quarantine struct {
	Epoch uint64 `json:"epoch"`
	// Total is how many sessions there were. No more may be taken than store.Bound allows of it.
	Total int `json:"total"`
	// Sessions are those that are meant, as they were seen.
	Sessions []store.Session `json:"sessions"`
}

// Reconcile are the settings of reconcile and of set_aside.
type Reconcile struct {
	Epoch uint64 `json:"epoch"`
	// Sessions are all copies of the sessions that are meant, as they were seen, at most MostCopies.
	Sessions []store.Session `json:"sessions"`
}

// MostCopies is the most copies that may be named: those that are set aside, and those that stay.
const MostCopies = 200

// Recover are the settings of recover.
type Recover struct {
	Epoch uint64 `json:"epoch"`
	// To is the member that gets the sessions.
	To string `json:"to"`
	// Sessions are those that are meant, as they were seen, of all priorities, at most MostRecovered.
	Sessions []store.Session `json:"sessions"`
}

// ReadSync reads the settings of sync.
func ReadSync(text json.RawMessage) (p Sync, err error) {
	if err = strictly(text, &p, "epoch", "ids"); err == nil && (len(p.IDs) == 0 || len(p.IDs) > store.MostSent) {
		err = fmt.Errorf("ids are %d, not 1 to %d", len(p.IDs), store.MostSent)
	}
	return p, err
}

// ReadQuarantine reads the settings of quarantine.
func ReadQuarantine(text json.RawMessage) (p Quarantine, err error) {
	if err = strictly(text, &p, "epoch", "total", "sessions"); err != nil {
		return p, err
	}
	if most := store.Bound(p.Total); len(p.Sessions) > most {
		return p, fmt.Errorf("sessions are %d, and of %d at most %d may be taken", len(p.Sessions), p.Total, most)
	}
	return p, seen(p.Sessions)
}

// ReadReconcile reads the settings of reconcile, and of set_aside.
func ReadReconcile(text json.RawMessage) (p Reconcile, err error) {
	if err = strictly(text, &p, "epoch", "sessions"); err != nil {
		return p, err
	}
	if len(p.Sessions) > MostCopies {
		return p, fmt.Errorf("sessions are %d copies, at most %d", len(p.Sessions), MostCopies)
	}
	return p, seen(p.Sessions)
}

// ReadRecover reads the settings of recover.
func ReadRecover(text json.RawMessage) (p Recover, err error) {
	if err = strictly(text, &p, "epoch", "to", "sessions"); err != nil {
		return p, err
	}
	if len(p.Sessions) > MostRecovered {
		return p, fmt.Errorf("sessions are %d, at most %d", len(p.Sessions), MostRecovered)
	}
	return p, seen(p.Sessions)
}

// seen refuses what was seen away already, or is there twice. The rest is refused where the order is made.
func seen(list []store.Session) error {
	known := map[store.Key]bool{}
	for _, s := range list {
		if s.Quarantined != nil {
			return fmt.Errorf("session %s is in quarantine already", s.Key)
		}
		if known[s.Key] {
			return fmt.Errorf("session %s is there twice", s.Key)
		}
		known[s.Key] = true
	}
	return nil
}
