package alerts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/tidwall/gjson"
)

// Raw is one alert as one line of JSON without a newline, at most MaxAlert bytes, as Parse made it: validated,
// with a fingerprint, and read the same by Decode and by encoding/json.
type Raw []byte

// Decode reads the alert. Its Delivery is zero, since that is kept beside the alerts, not in each. It accepts
// any JSON object with a status, so that a line of an older release stays readable; an absent, null or empty
// field is zero.
func (r Raw) Decode() (Alert, error) {
	if deeperThan(r, maxDepth) {
		return Alert{}, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	if !gjson.ValidBytes(r) {
		return Alert{}, errors.New("not a well-formed JSON value")
	}
	f, err := scan(gjson.ParseBytes(r))
	if err != nil {
		return Alert{}, err
	}
	return f.alert()
}

// The known fields of an alert, as indexes.
const (
	fieldFingerprint int = iota
	fieldStatus
	fieldLabels
	fieldAnnotations
	fieldStartsAt
	fieldEndsAt
	fieldGeneratorURL
	fieldCount
)

// fieldOf returns the field with exactly this name.
func fieldOf(name string) (field int, known bool) {
	switch name {
	case "fingerprint":
		return fieldFingerprint, true
	case "status":
		return fieldStatus, true
	case "labels":
		return fieldLabels, true
	case "annotations":
		return fieldAnnotations, true
	case "startsAt":
		return fieldStartsAt, true
	case "endsAt":
		return fieldEndsAt, true
	case "generatorURL":
		return fieldGeneratorURL, true
	}
	return 0, false
}

// ambiguous reports whether a decoder might take this unknown name for something of ours: encoding/json
// ignores case, Alert has a field delivery, and a line that starts with "v" would look like a record's header.
func ambiguous(name string) bool {
	for _, ours := range [...]string{
		"fingerprint", "status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "delivery", "v",
	} {
		if strings.EqualFold(name, ours) {
			return true
		}
	}
	return false
}

// fields are the known values of one alert, not yet decoded. An absent one is a null.
type fields struct {
	values [fieldCount]gjson.Result
	// plain is true while every decoder would read the alert's own bytes alike.
	plain bool
}

// scan finds the known fields of an alert. A field that appears twice is an error.
func scan(item gjson.Result) (fields, error) {
	f := fields{plain: true}
	if !item.IsObject() {
		return f, fmt.Errorf("a %s, not an object", kind(item))
	}
	seen := 0
	for key, value := range item.All() {
		if escaped(key) {
			f.plain = false
		}
		name := unquote(key.Raw)
		i, known := fieldOf(name)
		if !known {
			f.plain = f.plain && !ambiguous(name)
			continue
		}
		if seen&(1<<i) != 0 {
			return f, fmt.Errorf("%s appears more than once", name)
		}
		seen |= 1 << i
		f.values[i] = value
	}
	return f, nil
}

// line validates one alert of a body and returns it as one line: the body's own bytes where that is possible.
func line(body []byte, item gjson.Result) (Raw, error) {
	f, err := scan(item)
	if err != nil {
		return nil, err
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	if f.plain {
		raw := body[item.Index : item.Index+len(item.Raw) : item.Index+len(item.Raw)]
		if bytes.IndexByte(raw, '\n') >= 0 || bytes.IndexByte(raw, '\r') >= 0 {
			var flat bytes.Buffer
			if err := json.Compact(&flat, raw); err != nil {
				return nil, fmt.Errorf("compact: %w", err)
			}
			raw = flat.Bytes()
		}
		if len(raw) <= MaxAlert {
			return raw, nil
		}
	}
	a, err := f.alert()
	if err != nil {
		return nil, err
	}
	return fit(a, MaxAlert)
}

// check validates what decisions rest on, and clears plain where the alert's own bytes would not decode into
// the same alert everywhere.
func (f *fields) check() error {
	status, err := f.status()
	if err != nil {
		return err
	}
	labels := f.values[fieldLabels]
	if !labels.IsObject() {
		return fmt.Errorf("labels is a %s, not an object", kind(labels))
	}
	for key, value := range labels.All() {
		if value.Type != gjson.String {
			return fmt.Errorf("label %.64q is a %s, not a string", key.Str, kind(value))
		}
	}
	if empty(f.values[fieldStartsAt]) {
		return errors.New("startsAt is missing or empty, so that the alert has neither identity nor age")
	}
	if _, err := timeOf("startsAt", f.values[fieldStartsAt]); err != nil {
		return err
	}
	ends, err := timeOf("endsAt", f.values[fieldEndsAt])
	if err != nil {
		return err
	}
	f.plain = f.plain && f.ordinary() && (status == Resolved || ends.IsZero())
	return nil
}

// ordinary reports whether the optional fields have the types and spellings that Alertmanager gives them.
func (f *fields) ordinary() bool {
	for _, i := range [...]int{fieldStatus, fieldStartsAt, fieldEndsAt, fieldFingerprint} {
		if escaped(f.values[i]) {
			return false
		}
	}
	ends, url, notes := f.values[fieldEndsAt], f.values[fieldGeneratorURL], f.values[fieldAnnotations]
	if ends.Raw != "" && empty(ends) || !hex16(f.values[fieldFingerprint].Str) {
		return false
	}
	if url.Raw != "" && url.Type != gjson.String || notes.Raw != "" && !notes.IsObject() {
		return false
	}
	for _, value := range notes.All() {
		if value.Type != gjson.String {
			return false
		}
	}
	return true
}

// alert decodes the fields. It needs nothing that check has not seen, but does not rely on check either.
func (f *fields) alert() (a Alert, err error) {
	if a.Status, err = f.status(); err != nil {
		return a, err
	}
	if a.Labels, err = labelsOf(f.values[fieldLabels]); err != nil {
		return a, err
	}
	if a.StartsAt, err = timeOf("startsAt", f.values[fieldStartsAt]); err != nil {
		return a, err
	}
	if a.EndsAt, err = timeOf("endsAt", f.values[fieldEndsAt]); err != nil {
		return a, err
	}
	if a.Status == Firing {
		a.EndsAt = time.Time{}
	}
	if notes := f.values[fieldAnnotations]; notes.IsObject() {
		a.Annotations = make(map[string]string, 8)
		for key, value := range notes.All() {
			a.Annotations[unquote(key.Raw)] = text(value)
		}
	}
	if url := f.values[fieldGeneratorURL]; url.Type == gjson.String {
		a.GeneratorURL = text(url)
	}
	if a.Fingerprint = text(f.values[fieldFingerprint]); !hex16(a.Fingerprint) {
		a.Fingerprint = fingerprint(a.Labels)
	}
	return a, nil
}

// status reads the alert's own status.
func (f *fields) status() (Status, error) {
	value := f.values[fieldStatus]
	if value.Type == gjson.String {
		switch s := unquote(value.Raw); s {
		case string(Firing):
			return Firing, nil
		case string(Resolved):
			return Resolved, nil
		default:
			return "", fmt.Errorf("status is %.32q, not firing or resolved", s)
		}
	}
	return "", fmt.Errorf("status is a %s, not firing or resolved", kind(value))
}

// labelsOf decodes an object of strings. Of a name that appears twice the last value counts.
func labelsOf(value gjson.Result) (map[string]string, error) {
	labels := make(map[string]string, 8)
	if empty(value) {
		return labels, nil
	}
	if !value.IsObject() {
		return nil, fmt.Errorf("labels is a %s, not an object", kind(value))
	}
	for key, value := range value.All() {
		if value.Type != gjson.String && value.Type != gjson.Null {
			return nil, fmt.Errorf("label %.64q is a %s, not a string", key.Str, kind(value))
		}
		labels[unquote(key.Raw)] = text(value)
	}
	return labels, nil
}

// zeroTime is how Alertmanager says that an alert has not ended.
const zeroTime = "0001-01-01T00:00:00Z"

// timeOf decodes a time of RFC 3339, in UTC. Nothing at all is zero.
func timeOf(name string, value gjson.Result) (t time.Time, err error) {
	if empty(value) {
		return t, nil
	}
	if value.Type == gjson.String {
		s := value.Str
		if escaped(value) {
			s = text(value)
		}
		if s == zeroTime {
			return t, nil
		}
		if t, ok := rfc3339(s); ok {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s is %.40q, not a time of RFC 3339", name, value.Raw)
}

// rfc3339 is time.Parse without what it reads beyond RFC 3339 (an hour of one digit, a comma before the fraction)
// and without what could not be written again (an offset of 24 hours, a year outside 0 to 9999 in UTC).
func rfc3339(s string) (time.Time, bool) {
	if len(s) < len("2006-01-02T15:04:05Z") || s[len("2006-01-02T15")] != ':' || s[len("2006-01-02T15:04:05")] == ',' {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, false
	}
	_, offset := t.Zone()
	t = t.UTC()
	return t, max(offset, -offset) < 24*60*60 && t.Year() >= 0 && t.Year() <= 9999
}

// fingerprint computes what Alertmanager computes: a hash over the labels alone, as 16 hex digits.
func fingerprint(labels map[string]string) string {
	set := make(model.LabelSet, len(labels))
	for name, value := range labels {
		set[model.LabelName(name)] = model.LabelValue(value)
	}
	return set.Fingerprint().String()
}

// hex16 reports whether s has the form of a fingerprint.
func hex16(s string) bool {
	if len(s) != 16 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
