package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/firebreak-sre/firebreak/remediations"
)

const bookVersion = 2

// content1 is a document of format 1, which knew domains only. It was written by builds that made no fix but of class A.
type content1 struct {
	V      int                  `json:"v"`
	Fence  uint64               `json:"fence"`
	Active map[string]active1   `json:"active"`
	Spent  []spent              `json:"spent"`
	Ended  map[string]time.Time `json:"ended"`
}

type active1 struct {
	Incident string    `json:"incident"`
	Fence    uint64    `json:"fence"`
	Since    time.Time `json:"since"`
}

// ReadBook refuses what it does not understand: a limit that cannot be read is a no. Only a ledger that was never written (nil) is
// empty; one that says nothing is damaged. A book of format 1 is read, and becomes one of format 2 when it is written.
func ReadBook(doc []byte) (*Book, error) {
	if doc == nil {
		return &Book{c: content{V: bookVersion, Active: map[string]Standing{}, Spent: []spent{}, Ended: map[string]ended{},
			Waits: map[string][]wait{}, Storms: map[string]storm{}, Acked: map[string]uint64{}}}, nil
	}
	var head struct {
		V int `json:"v"`
	}
	if err := json.Unmarshal(doc, &head); err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	b := &Book{}
	var err error
	switch head.V {
	case 1:
		var old content1
		if err = strictly(doc, &old); err == nil {
			b, err = old.convert()
		}
	case bookVersion:
		err = strictly(doc, &b.c)
	default:
		err = fmt.Errorf("its format is %d, and this build knows 1 and %d", head.V, bookVersion)
	}
	if err == nil {
		err = b.c.check()
	}
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	return b, nil
}

// JSON is the document that [ReadBook] reads.
func (b *Book) JSON() ([]byte, error) {
	doc, err := json.Marshal(b.c)
	if err != nil {
		return nil, fmt.Errorf("write the ledger: %w", err)
	}
	return doc, nil
}

// strictly refuses fields that it does not know: a newer build put them there, and they would be lost.
func strictly(doc []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the document")
	}
	return nil
}

func (old content1) convert() (*Book, error) {
	b, err := ReadBook(nil)
	if err != nil {
		return nil, err
	}
	b.c.Fence = old.Fence
	see := func(t time.Time) {
		if t.After(b.c.Seen) {
			b.c.Seen = t.UTC()
		}
	}
	for d, a := range old.Active {
		b.c.Active[d] = Standing{Incident: a.Incident, Fence: a.Fence, Since: a.Since, Class: remediations.ClassA}
		see(a.Since)
	}
	for _, s := range old.Spent {
		b.c.Spent = append(b.c.Spent, spent{Domain: s.Domain, At: s.At})
		see(s.At)
	}
	for d, at := range old.Ended {
		b.c.Ended[d] = ended{Plain: ending{At: at}}
		see(at)
	}
	return b, nil
}

// check refuses a book that no build has written like this.
func (c *content) check() error {
	if c.Active == nil || c.Spent == nil || c.Ended == nil || c.Waits == nil || c.Storms == nil || c.Acked == nil {
		return errors.New("a part of it is missing")
	}
	for d, a := range c.Active {
		if d == "" || a.Incident == "" || a.Fence == 0 || a.Fence > c.Fence || a.Since.IsZero() || a.Class == "" {
			return fmt.Errorf("the lock of domain %q is damaged", d)
		}
	}
	for i, s := range c.Spent {
		if s.Domain == "" || s.At.IsZero() || s.Fence > c.Fence {
			return fmt.Errorf("entry %d of what was spent is damaged", i)
		}
	}
	for d, e := range c.Ended {
		if e == (ended{}) || (e.Plain != ending{} && e.Plain.At.IsZero()) || (e.Risky != ending{} && e.Risky.At.IsZero()) {
			return fmt.Errorf("the last end in domain %q is damaged", d)
		}
	}
	for d, waits := range c.Waits {
		for _, w := range waits {
			if w.Incident == "" || w.At.IsZero() || (!w.Doubt && !risky(w.Class)) {
				return fmt.Errorf("what waits for a person in domain %q is damaged", d)
			}
		}
	}
	for z, s := range c.Storms {
		if s.Seen.IsZero() {
			return fmt.Errorf("the storm of zone %q is damaged", z)
		}
	}
	return nil
}
