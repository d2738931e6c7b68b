package incidentfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/firebreak-sre/firebreak/incidents"
)

// What a file may be at most. An incident that is looked at every few seconds for a day has some ten megabytes.
const (
	MaxBytes    = 256 << 20
	maxMessages = 200_000
)

// Read reads a file. Whatever is not as this build would have written it, or as an older one did, is refused, with where it stands: a file
// that is understood in part would be believed in whole.
func Read(r io.Reader) (File, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	switch {
	case err != nil:
		return File{}, fmt.Errorf("read the incident file: %w", err)
	case len(text) > MaxBytes:
		return File{}, fmt.Errorf("read the incident file: it is larger than %d MB", MaxBytes>>20)
	case !utf8.Valid(text):
		return File{}, errors.New("read the incident file: it is not UTF-8")
	}
	var head struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return File{}, fmt.Errorf("read the incident file: %s", where(text, err))
	}
	switch {
	case head.Format != Format:
		return File{}, fmt.Errorf("read the incident file: format is %q, want %q: \"firebreak export\" writes such files", head.Format, Format)
	case head.Version > Version:
		return File{}, fmt.Errorf("read the incident file: version %d was written by a newer firebreak: this one reads up to %d", head.Version, Version)
	case head.Version < 1:
		return File{}, fmt.Errorf("read the incident file: version %d: the first one is 1", head.Version)
	}
	var f File
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return File{}, fmt.Errorf("read the incident file: %s", where(text, err))
	}
	if err := f.check(); err != nil {
		return File{}, fmt.Errorf("read the incident file: %w", err)
	}
	return f, nil
}

// where is an error with its line, where it has one.
func where(text []byte, err error) string {
	offset := int64(-1)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
	}
	if offset < 0 || offset > int64(len(text)) {
		return err.Error()
	}
	return fmt.Sprintf("line %d: %v", 1+bytes.Count(text[:offset], []byte("\n")), err)
}

// check holds that everything fits together.
func (f File) check() error {
	if id, err := incidents.ParseID(string(f.ID)); err != nil || id.Handler() != f.Handler {
		return fmt.Errorf("id: %q with handler %q: %w", f.ID, f.Handler, incidents.ErrBadID)
	}
	if incidents.NewID(f.Handler, f.Target, f.ID.Number()) != f.ID {
		return fmt.Errorf("target: %s is not the id of an incident of %q", f.ID, f.Target)
	}
	if n := len(f.Messages); n == 0 || n > maxMessages {
		return fmt.Errorf("messages: there are %d, want 1 to %d", n, maxMessages)
	}
	for i, m := range f.Messages {
		if err := f.checkMessage(i, m); err != nil {
			return fmt.Errorf("messages[%d]%w", i, err)
		}
	}
	if f.Expect != nil {
		return f.Expect.check()
	}
	return nil
}

// checkMessage begins its errors with what comes behind the message's name in a path.
func (f File) checkMessage(i int, m Message) error {
	if m.At.IsZero() {
		return errors.New(".at: is missing")
	}
	if i > 0 && m.Seq <= f.Messages[i-1].Seq {
		return fmt.Errorf(".seq: %d does not come after %d", m.Seq, f.Messages[i-1].Seq)
	}
	events, err := incidents.Decode(m.Events)
	if err != nil {
		return fmt.Errorf(".events: %w", err)
	}
	for j, e := range events {
		first := i == 0 && j == 0
		switch {
		case e.Kind == "" || e.At.IsZero():
			return fmt.Errorf(".events[%d]: has no kind or no time", j)
		case (e.Kind == incidents.Opened) != first:
			return fmt.Errorf(".events[%d]: %q: a record begins with %q, and has it once", j, e.Kind, incidents.Opened)
		case first && (e.Opening == nil || e.Opening.ID != f.ID || e.Opening.Handler != f.Handler || e.Opening.Target != f.Target):
			return fmt.Errorf(".events[%d].opening: is not about incident %s", j, f.ID)
		}
	}
	return nil
}
