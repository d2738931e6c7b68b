package alerts

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"
)

// MaxAlert is the largest line of one alert, in bytes. A message on the bus holds 1 MiB by default, and an
// annotation can hold anything that a template can print.
const MaxAlert = 256 << 10

const (
	// keepAnnotation is what cutting leaves of an annotation, in bytes: enough to see what it said.
	keepAnnotation = 1 << 10
	// noteRoom is more than a note about a cut takes, in bytes.
	noteRoom = 64
	// cutAnnotation is the annotation that stands for all of them when even their beginnings are too large.
	cutAnnotation = "firebreak_cut"
)

// fit encodes an alert in at most limit bytes. Annotations give way, the longest first, each with a note that
// says how much is missing; then a generator URL too long for any browser; never a label, since labels are
// the alert's identity. Labels that do not fit are an error.
func fit(a Alert, limit int) (Raw, error) {
	raw, err := encode(a)
	if err != nil || len(raw) <= limit {
		return raw, err
	}
	if len(a.GeneratorURL) > limit/4 {
		a.GeneratorURL = ""
	}
	notes := a.Annotations
	a.Annotations = nil
	bare, err := encode(a)
	if err != nil {
		return nil, err
	}
	room := limit - len(bare) - len(`,"annotations":{}`)
	a.Annotations = shorten(notes, room)
	if raw, err = encode(a); err != nil || len(raw) <= limit {
		return raw, err
	}
	a.GeneratorURL = ""
	if raw, err = encode(a); err != nil || len(raw) <= limit {
		return raw, err
	}
	return nil, fmt.Errorf("labels take more than the %d bytes that an alert may have", limit)
}

// shorten returns a copy of the annotations that takes at most room bytes as JSON, if anything of them fits.
func shorten(notes map[string]string, room int) map[string]string {
	notes = maps.Clone(notes)
	size, total := 0, 0
	for name, value := range notes {
		size += quotedSize(name) + quotedSize(value) + len(`:,`)
		total += len(name) + len(value)
	}
	names := slices.SortedFunc(maps.Keys(notes), func(x, y string) int {
		return cmp.Or(cmp.Compare(len(notes[y]), len(notes[x])), cmp.Compare(x, y))
	})
	for _, name := range names {
		value := notes[name]
		if size <= room || len(value) <= keepAnnotation+noteRoom {
			break
		}
		keep := max(keepAnnotation, len(value)-(size-room)-noteRoom)
		for !utf8.RuneStart(value[keep]) {
			keep--
		}
		size -= quotedSize(value)
		notes[name] = fmt.Sprintf("%s … [%d bytes cut]", value[:keep], len(value)-keep)
		size += quotedSize(notes[name])
	}
	if size > room {
		return map[string]string{
			cutAnnotation: fmt.Sprintf("%d annotations of %d bytes cut: they did not fit", len(notes), total),
		}
	}
	return notes
}

// quotedSize returns how many bytes s takes as a JSON string, or a little more than that.
func quotedSize(s string) int {
	size := len(s) + len(`""`)
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			size++
		case c < ' ':
			size += len(`\u0000`) - 1
		case c == 0xE2:
			// U+2028 and U+2029 start with this byte and are escaped too.
			size += len(`\u2028`) - 3
		}
	}
	return size
}

// encode writes an alert as one line, without its delivery.
func encode(a Alert) (Raw, error) {
	a.Delivery = Delivery{}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(a); err != nil {
		return nil, fmt.Errorf("encode alert: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
