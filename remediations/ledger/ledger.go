package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Document is where the book is kept: one document that is changed by compare-and-set.
type Document interface {
	// Get is the document as it is now, nil if it was never written.
	Get(ctx context.Context) ([]byte, error)
	// Change replaces the document by what fn makes of it. If somebody else was faster, fn is asked again. An error of fn changes
	// nothing and is returned so that [errors.Is] finds it; any other error leaves open whether the document was changed.
	Change(ctx context.Context, fn func(doc []byte) ([]byte, error)) error
}

// Ledger is the book that all replicas share. It is safe for concurrent use.
type Ledger struct {
	doc    Document
	limits policy.Limits
}

// New is the ledger that is kept in a document. All replicas must have the same limits, or the strictest of them do not hold.
func New(doc Document, limits policy.Limits) *Ledger { return &Ledger{doc: doc, limits: limits} }

// View is the ledger at one moment, for people.
type View struct {
	Blocks   []Block    `json:"blocks"`
	Budgets  []Budget   `json:"budgets"`
	Standing []Standing `json:"standing"`
	Fence    uint64     `json:"fence"`
}

// Reserve is [Book.Reserve]. A named no is a [remediations.NoError]. Any other error means that the limits could not be read or
// taken: it must be treated as a no, and the grant, if it was taken all the same, is the one that asking again gives.
func (l *Ledger) Reserve(ctx context.Context, a Ask, now time.Time) (remediations.Grant, error) {
	var grant remediations.Grant
	var no *remediations.NoError
	err := l.change(ctx, func(b *Book) (changed bool, err error) {
		grant, no, changed = b.Reserve(l.limits, a, now)
		return changed, nil
	})
	switch {
	case no != nil && err != nil: // the answer is known, and the storm that came with it will be marked by the next ask
		return remediations.Grant{}, fmt.Errorf("reserve %s: %w (marking the storm: %w)", a.Domain, no, err)
	case no != nil:
		return remediations.Grant{}, fmt.Errorf("reserve %s: %w", a.Domain, no)
	case err != nil:
		return remediations.Grant{}, fmt.Errorf("reserve %s: %w", a.Domain, err)
	}
	return grant, nil
}

// Would is [Book.Would]. The error means that the limits could not be read: it must be treated as a no.
func (l *Ledger) Would(ctx context.Context, a Ask, now time.Time) (*remediations.NoError, error) {
	doc, err := l.doc.Get(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	b, err := ReadBook(doc)
	if err != nil {
		return nil, err
	}
	return b.Would(l.limits, a, now), nil
}

// Release is [Book.Release].
func (l *Ledger) Release(ctx context.Context, e End, now time.Time) error {
	err := l.change(ctx, func(b *Book) (bool, error) { return b.Release(l.limits, e, now), nil })
	if err != nil {
		return fmt.Errorf("release %s: %w", e.Domain, err)
	}
	return nil
}

// Surge is [Book.Surge]. Each call reads the document, so it is for a rate that was measured, not for each alert.
func (l *Ledger) Surge(ctx context.Context, zone string, now time.Time) error {
	err := l.change(ctx, func(b *Book) (bool, error) { return b.Surge(l.limits, zone, now), nil })
	if err != nil {
		return fmt.Errorf("mark the storm: %w", err)
	}
	return nil
}

// Ack is [Book.Ack].
func (l *Ledger) Ack(ctx context.Context, incident, domain, target string, now time.Time) ([]string, error) {
	var lifted []string
	err := l.change(ctx, func(b *Book) (changed bool, err error) {
		lifted, err = b.Ack(l.limits, incident, domain, target, now)
		return true, err
	})
	if err != nil {
		return nil, err
	}
	return lifted, nil
}

// View reads the ledger and changes nothing.
func (l *Ledger) View(ctx context.Context, now time.Time) (View, error) {
	doc, err := l.doc.Get(ctx)
	if err != nil {
		return View{}, fmt.Errorf("read the ledger: %w", err)
	}
	b, err := ReadBook(doc)
	if err != nil {
		return View{}, err
	}
	return View{Blocks: b.Blocks(l.limits, now), Budgets: b.Budgets(l.limits, now), Standing: b.Standing(), Fence: b.Fence()}, nil
}

// errUnchanged ends a change that has nothing to change.
var errUnchanged = errors.New("nothing to change")

// change is one compare-and-set. It may ask fn several times; the last answer is the one that counts.
func (l *Ledger) change(ctx context.Context, fn func(*Book) (changed bool, err error)) error {
	err := l.doc.Change(ctx, func(doc []byte) ([]byte, error) {
		b, err := ReadBook(doc)
		if err != nil {
			return nil, err
		}
		changed, err := fn(b)
		if err != nil {
			return nil, err
		}
		if !changed {
			return nil, errUnchanged
		}
		return b.JSON()
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}
