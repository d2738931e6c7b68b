package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
)

// ErrNoDocument says that a document is not there, ErrChanged that somebody else has changed it, or made it, first.
var (
	ErrNoDocument = errors.New("no such document")
	ErrChanged    = errors.New("the document was changed by somebody else")
)

// Documents keeps one small document for each incident where all replicas see it, and changes it by compare-and-set.
type Documents interface {
	// Get is the document and its revision. ErrNoDocument if there is none.
	Get(ctx context.Context, key string) (doc []byte, revision uint64, err error)
	// Create makes it. ErrChanged if it is there. After any other error it may have been made.
	Create(ctx context.Context, key string, doc []byte) (revision uint64, err error)
	// Update replaces it. ErrChanged if its revision is another one. After any other error it may have been replaced.
	Update(ctx context.Context, key string, doc []byte, revision uint64) (newRevision uint64, err error)
}

// document is what is known of an incident's message.
type document struct {
	V int `json:"v"`
	// Channel and TS name the message. TS is empty before it is posted.
	Channel string `json:"channel,omitempty"`
	TS      string `json:"ts,omitempty"`
	// Intent is a post whose end is not known.
	Intent *intent `json:"intent,omitempty"`
	// Shown is a hash of what the message shows, and Events how much of the record that was made of: it is never set back.
	Shown  string `json:"shown,omitempty"`
	Events int    `json:"events,omitempty"`
	// Told is how much of the record the thread was told of.
	Told int `json:"told,omitempty"`
	// Frozen says why the message is not edited any more.
	Frozen string `json:"frozen,omitempty"`
	// Twice: it was posted again without being able to look for the first one.
	Twice bool `json:"twice,omitempty"`
	// Bare: Slack refused the blocks, so only the text is shown.
	Bare bool `json:"bare,omitempty"`

	revision uint64
}

// documentVersion is the format that this build writes. It leaves those of newer builds alone.
const documentVersion = 1

// intent is a post that was about to be made.
type intent struct {
	// Reply: it is one in the thread, which tells of the record up to Upto.
	Reply bool      `json:"reply,omitempty"`
	Upto  int       `json:"upto,omitempty"`
	At    time.Time `json:"at"`
}

// load reads an incident's document; an empty one if there is none.
func (s *Sink) load(ctx context.Context, id incidents.ID) (document, error) {
	text, revision, err := s.docs.Get(ctx, id.String())
	if errors.Is(err, ErrNoDocument) {
		return document{V: documentVersion}, nil
	}
	if err != nil {
		return document{}, fmt.Errorf("read what slack shows of %s: %w", id, err)
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return document{}, fmt.Errorf("read what slack shows of %s: %w", id, err)
	}
	if d.V > documentVersion {
		return document{}, fmt.Errorf("read what slack shows of %s: a newer build wrote it (format %d)", id, d.V)
	}
	d.revision = revision
	return d, nil
}

// keepWithin is how long the end of a post may take to be written down. It is written even while the process is being stopped: else the
// next one has to look for the message.
const keepWithin = 5 * time.Second

// keep writes a document. ErrChanged: another replica was first, and it must be read again.
func (s *Sink) keep(ctx context.Context, id incidents.ID, d *document) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
	defer cancel()
	text, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encode what slack shows of %s: %w", id, err)
	}
	if d.revision == 0 {
		d.revision, err = s.docs.Create(ctx, id.String(), text)
	} else {
		d.revision, err = s.docs.Update(ctx, id.String(), text, d.revision)
	}
	if err != nil {
		return fmt.Errorf("keep what slack shows of %s: %w", id, err)
	}
	return nil
}
