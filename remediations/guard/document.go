package guard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Document is what all replicas share: read fresh, changed by compare-and-set. The bus has such documents; it calls them cells.
type Document interface {
	// Get is the document as it is now, nil if it was never written.
	Get(ctx context.Context) ([]byte, error)
	// Change replaces the document by what fn makes of it. fn may be asked more than once. An error of fn changes nothing and is
	// returned as it is.
	Change(ctx context.Context, fn func(doc []byte) ([]byte, error)) error
}

// Pause is a person's word that nothing is started for a while, everywhere or in one place.
type Pause struct {
	// ID names it to people, "p1". It is given by [Brake.Pause].
	ID string `json:"id"`
	// By is who paused, Via through what ("cli", "slack"), Reason why.
	By     string    `json:"by"`
	Via    string    `json:"via,omitempty"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	// Until is when it ends by itself; zero is when somebody resumes.
	Until time.Time `json:"until,omitzero"`
	// Handler and Domain are for whom it holds; empty is for all.
	Handler string `json:"handler,omitempty"`
	Domain  string `json:"domain,omitempty"`
}

// Stands says whether the pause has not ended by itself yet.
func (p Pause) Stands(now time.Time) bool { return p.Until.IsZero() || now.Before(p.Until) }

// covers says whether the pause is for this handler in this domain.
func (p Pause) covers(handler, domain string) bool {
	return (p.Handler == "" || p.Handler == handler) && (p.Domain == "" || p.Domain == domain)
}

// outlasts says whether the pause ends later than another one.
func (p Pause) outlasts(q Pause) bool {
	return !q.Until.IsZero() && (p.Until.IsZero() || p.Until.After(q.Until))
}

const sheetVersion = 1

// sheet is the document's content.
type sheet struct {
	V int `json:"v"`
	// Last is the number of the latest pause, so that no id is given twice.
	Last   uint64     `json:"last,omitempty"`
	Switch lastSwitch `json:"switch"`
	Pauses []Pause    `json:"pauses,omitempty"`
}

// lastSwitch is the kill switch as a person left it. Zero: nobody has touched it, and it is on.
type lastSwitch struct {
	Off    bool      `json:"off"`
	By     string    `json:"by,omitempty"`
	Via    string    `json:"via,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since,omitzero"`
}

// errNewer means that a newer build wrote the document.
var errNewer = errors.New("a newer build wrote it")

// readSheet refuses all that this build does not understand fully. Only a document that was never written says that nothing is
// paused; an empty one is damaged.
func readSheet(doc []byte) (*sheet, error) {
	if doc == nil {
		return &sheet{V: sheetVersion}, nil
	}
	var format struct {
		V int `json:"v"`
	}
	if err := json.Unmarshal(doc, &format); err != nil {
		return nil, fmt.Errorf("read the brake's document: %w", err)
	}
	if format.V > sheetVersion {
		return nil, fmt.Errorf("read the brake's document: its format is %d, and this build knows %d: %w", format.V, sheetVersion, errNewer)
	}
	if format.V != sheetVersion {
		return nil, fmt.Errorf("read the brake's document: its format is %d, and this build knows %d", format.V, sheetVersion)
	}
	s := &sheet{}
	d := json.NewDecoder(bytes.NewReader(doc))
	d.DisallowUnknownFields()
	if err := d.Decode(s); err != nil {
		return nil, fmt.Errorf("read the brake's document: %w", err)
	}
	return s, nil
}

// add gives the pause its id and takes it up. Pauses that have ended are dropped first, so that they never fill the list.
func (s *sheet) add(p Pause, now time.Time) (Pause, error) {
	s.prune(now)
	if len(s.Pauses) >= maxPauses {
		return Pause{}, fmt.Errorf("pause: %d pauses stand, and there is no room for more; resume some first: %w", maxPauses, ErrNotAccepted)
	}
	s.Last++
	p.ID = "p" + strconv.FormatUint(s.Last, 10)
	p.Since = now
	s.Pauses = append(s.Pauses, p)
	return p, nil
}

// prune drops the pauses that ended by themselves.
func (s *sheet) prune(now time.Time) {
	s.Pauses = slices.DeleteFunc(s.Pauses, func(p Pause) bool { return !p.Stands(now) })
}

// resume takes one pause out, or all if id is empty, and returns what it took.
func (s *sheet) resume(id string, now time.Time) []Pause {
	s.prune(now)
	var resumed []Pause
	s.Pauses = slices.DeleteFunc(s.Pauses, func(p Pause) bool {
		if id != "" && p.ID != id {
			return false
		}
		resumed = append(resumed, p)
		return true
	})
	return resumed
}
