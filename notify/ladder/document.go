package ladder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// ErrNoDocument says that a document is not there, ErrChanged that somebody else has changed it, or made it, first.
var (
	ErrNoDocument = errors.New("no such document")
	ErrChanged    = errors.New("the document was changed by somebody else")
)

// Documents keeps one small document for each incident where all replicas see it, and changes it by compare-and-set. A document is not
// needed any more once its incident has closed, so they may be dropped by age.
type Documents interface {
	// Get is the document and its revision. ErrNoDocument if there is none.
	Get(ctx context.Context, key string) (doc []byte, revision uint64, err error)
	// Create makes it. ErrChanged if it is there. After any other error it may have been made.
	Create(ctx context.Context, key string, doc []byte) (revision uint64, err error)
	// Update replaces it. ErrChanged if its revision is another one. After any other error it may have been replaced.
	Update(ctx context.Context, key string, doc []byte, revision uint64) (newRevision uint64, err error)
}

// documentVersion is the format that this build writes. It leaves those of newer builds alone.
const documentVersion = 1

// document is what was told of an incident.
type document struct {
	V int `json:"v"`
	// Told are the tellings by [Step.key].
	Told map[string]telling `json:"told"`
}

// telling is one place and one rung.
type telling struct {
	// Until is how long somebody is at it; nobody else tells it before that, unless they gave it back.
	Until time.Time `json:"until,omitzero"`
	// Done is when it was told, or given up: then Failed says why.
	Done   time.Time `json:"done,omitzero"`
	Failed string    `json:"failed,omitempty"`
}

// key names a place's telling of a step.
func (s Step) key(place string) string {
	return strconv.Itoa(s.Round) + "/" + strconv.Itoa(s.Number) + "/" + place
}

// change replaces one telling by what f makes of it. Others may change the document at the same time: f is asked again then.
func (l *Runner) change(ctx context.Context, id, key string, f func(telling) (telling, error)) error {
	for {
		d, revision, err := l.load(ctx, id)
		if err != nil {
			return err
		}
		if d.Told[key], err = f(d.Told[key]); err != nil {
			return err
		}
		text, err := json.Marshal(d)
		if err != nil {
			return fmt.Errorf("encode what was told of %s: %w", id, err)
		}
		if revision == 0 {
			_, err = l.parts.Documents.Create(ctx, id, text)
		} else {
			_, err = l.parts.Documents.Update(ctx, id, text, revision)
		}
		if errors.Is(err, ErrChanged) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return fmt.Errorf("keep what was told of %s: %w", id, err)
		}
		return nil
	}
}

// load reads an incident's document; an empty one if there is none.
func (l *Runner) load(ctx context.Context, id string) (document, uint64, error) {
	d := document{V: documentVersion}
	text, revision, err := l.parts.Documents.Get(ctx, id)
	switch {
	case errors.Is(err, ErrNoDocument):
		revision = 0
	case err != nil:
		return d, 0, fmt.Errorf("read what was told of %s: %w", id, err)
	default:
		if err := json.Unmarshal(text, &d); err != nil {
			return d, 0, fmt.Errorf("read what was told of %s: %w", id, err)
		}
		if d.V > documentVersion {
			return d, 0, fmt.Errorf("read what was told of %s: a newer build wrote it (format %d)", id, d.V)
		}
	}
	if d.Told == nil {
		d.Told = map[string]telling{}
	}
	return d, revision, nil
}
