package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/firebreak-sre/firebreak/remediations"
)

const (
	// readWithin is how long a look at one means may take. What takes longer is unread, and so off.
	readWithin = 2 * time.Second
	// changeWithin is how long a person waits at most.
	changeWithin = 10 * time.Second

	// maxPauses is how many pauses may stand at once. With the lengths below the document stays far below the bus's largest message.
	maxPauses = 100
	// maxName bounds names, of people and of what is paused; maxReason what people write. In characters.
	maxName   = 100
	maxReason = 500
)

var (
	// ErrNotAccepted wraps errors of what a person ordered: something is missing or too long. Nothing was changed.
	ErrNotAccepted = errors.New("not accepted")
	// ErrNoPause means that no pause with this id stands, or not any more.
	ErrNoPause = errors.New("no such pause stands")
)

// Brake is how people stop this product from starting anything: pauses, with an end and a place, and the kill switch. It stops
// what is about to be started; it never stops a revert.
//
// The kill switch has three means that do not need each other: the document that all replicas share, a file on this machine's
// disk, and a flag in this process. One of them is enough, and one that cannot be read counts as off. Every check reads them
// afresh: nothing is remembered from the last time. It is safe for concurrent use.
type Brake struct {
	doc     Document
	file    *stopFile
	stopped atomic.Pointer[string] // why this process was told to stop; nil if it was not
}

// NewBrake returns a brake on a shared document and the path of a stop file, which need not exist and whose existence stops.
func NewBrake(doc Document, file string) (*Brake, error) {
	if doc == nil {
		return nil, errors.New("configure the brake: no document")
	}
	if file == "" {
		return nil, errors.New("configure the brake: no path of a stop file")
	}
	path, err := filepath.Abs(file) // whoever reads it in a refusal is elsewhere
	if err != nil {
		return nil, fmt.Errorf("configure the brake: find the stop file %s: %w", file, err)
	}
	return &Brake{doc: doc, file: newStopFile(path)}, nil
}

// Check says no with [remediations.ReasonKillSwitch] if one of the switches is off or unread, and with
// [remediations.ReasonPaused] if a pause covers this handler in this domain.
func (b *Brake) Check(ctx context.Context, handler, domain string, now time.Time) *remediations.NoError {
	return b.Read(ctx, now).Check(handler, domain)
}

// Stop makes this process start nothing any more until Go, even if neither bus nor disk works. It does not outlive the process.
func (b *Brake) Stop(reason string) {
	reason = clean(reason, maxReason)
	b.stopped.Store(&reason)
}

// Go takes Stop back. The other means are untouched.
func (b *Brake) Go() { b.stopped.Store(nil) }

// Order is what a person says when touching the kill switch. Name and reason are required.
type Order struct {
	By     string
	Via    string
	Reason string
}

// Pause begins a pause and returns it with its id. By and Reason are required, Until must not have passed; ID and Since are given
// here. Another error than ErrNotAccepted leaves open whether it stands: read the setting.
func (b *Brake) Pause(ctx context.Context, p Pause, now time.Time) (Pause, error) {
	by, err := (Order{By: p.By, Via: p.Via, Reason: p.Reason}).checked()
	if err != nil {
		return Pause{}, fmt.Errorf("pause: %w", err)
	}
	p.By, p.Via, p.Reason = by.By, by.Via, by.Reason
	if !p.Stands(now) {
		return Pause{}, fmt.Errorf("pause: it would end at %s, which has passed: %w", p.Until.Format(time.RFC3339), ErrNotAccepted)
	}
	for what, name := range map[string]string{"handler": p.Handler, "domain": p.Domain} {
		// A name that was cut or mended would be another place.
		if name != clean(name, maxName) {
			return Pause{}, fmt.Errorf("pause: the name of the %s is longer than %d characters or is not plain text: %w",
				what, maxName, ErrNotAccepted)
		}
	}
	var paused Pause
	err = b.change(ctx, func(s *sheet) error {
		paused, err = s.add(p, now)
		return err
	})
	if err != nil {
		return Pause{}, err
	}
	return paused, nil
}

// Resume ends one pause, or all if id is empty, and returns those that it ended. The name of who resumes is required, for the
// record that the caller keeps: the document forgets what no longer stands. An id that does not stand is ErrNoPause.
func (b *Brake) Resume(ctx context.Context, id, by string, now time.Time) ([]Pause, error) {
	if _, err := (Order{By: by, Reason: "resume"}).checked(); err != nil {
		return nil, fmt.Errorf("resume: %w", err)
	}
	var resumed []Pause
	err := b.change(ctx, func(s *sheet) error {
		resumed = s.resume(id, now)
		switch {
		case len(resumed) > 0:
			return nil
		case id != "":
			return fmt.Errorf("resume %s: %w", clean(id, maxName), ErrNoPause)
		}
		return errNothing
	})
	if errors.Is(err, errNothing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return resumed, nil
}

// SwitchOff turns the shared kill switch off, for all replicas, until SwitchOn. It also mends a damaged document: what it said is
// lost, and the switch is off, as it already was in effect. A document of a newer build is left alone.
func (b *Brake) SwitchOff(ctx context.Context, o Order, now time.Time) error {
	o, err := o.checked()
	if err != nil {
		return fmt.Errorf("switch off: %w", err)
	}
	return b.edit(ctx, func(s *sheet, damage error) (*sheet, error) {
		switch {
		case errors.Is(damage, errNewer):
			return nil, damage
		case damage != nil:
			s = &sheet{V: sheetVersion}
		}
		s.Switch = lastSwitch{Off: true, By: o.By, Via: o.Via, Reason: o.Reason, Since: now}
		return s, nil
	})
}

// SwitchOn turns the shared kill switch on again. The other means are untouched: a file or a stopped process still stops.
func (b *Brake) SwitchOn(ctx context.Context, o Order, now time.Time) error {
	o, err := o.checked()
	if err != nil {
		return fmt.Errorf("switch on: %w", err)
	}
	return b.change(ctx, func(s *sheet) error {
		s.Switch = lastSwitch{By: o.By, Via: o.Via, Reason: o.Reason, Since: now}
		return nil
	})
}

// errNothing ends a change that has nothing to change.
var errNothing = errors.New("nothing to change")

// change edits a document that can be read.
func (b *Brake) change(ctx context.Context, fn func(s *sheet) error) error {
	return b.edit(ctx, func(s *sheet, damage error) (*sheet, error) {
		if damage != nil {
			return nil, damage
		}
		return s, fn(s)
	})
}

// edit changes the document. fn gets what was read of it, or why it could not be read, and may be asked more than once.
func (b *Brake) edit(ctx context.Context, fn func(s *sheet, damage error) (*sheet, error)) error {
	ctx, cancel := context.WithTimeout(ctx, changeWithin)
	defer cancel()
	err := b.doc.Change(ctx, func(doc []byte) ([]byte, error) {
		s, err := fn(readSheet(doc))
		if err != nil {
			return nil, err
		}
		return json.Marshal(s)
	})
	if err != nil && !errors.Is(err, ErrNotAccepted) && !errors.Is(err, ErrNoPause) {
		return fmt.Errorf("change the brake's document: %w", err)
	}
	return err
}

// checked is the order as it is kept, or why it is not accepted. A long reason is cut, since nobody should count characters in an
// emergency.
func (o Order) checked() (Order, error) {
	for what, name := range map[string]string{"name of who does it": o.By, "name of the way it came": o.Via} {
		if utf8.RuneCountInString(name) > maxName {
			return Order{}, fmt.Errorf("the %s is longer than %d characters: %w", what, maxName, ErrNotAccepted)
		}
	}
	o = Order{By: clean(o.By, maxName), Via: clean(o.Via, maxName), Reason: clean(o.Reason, maxReason)}
	switch {
	case o.By == "":
		return Order{}, fmt.Errorf("it must say who does it: %w", ErrNotAccepted)
	case o.Reason == "":
		return Order{}, fmt.Errorf("it must say why: %w", ErrNotAccepted)
	}
	return o, nil
}
