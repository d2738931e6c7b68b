package policy

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Instant is a moment that is written as RFC 3339, "2026-12-24T18:00:00Z". It is kept in UTC, so that the same moment is the
// same value however it was written. The zero value is no moment, and is written as nothing.
type Instant time.Time

// errInstant is what a moment that cannot be read is told.
var errInstant = errors.New("expected a moment such as 2026-12-24T18:00:00Z")

// T is the plain time.
func (i Instant) T() time.Time { return time.Time(i) }

// IsZero says that this is no moment.
func (i Instant) IsZero() bool { return i.T().IsZero() }

// String is the moment in UTC as RFC 3339, or "" for none.
func (i Instant) String() string {
	if i.IsZero() {
		return ""
	}
	return i.T().UTC().Format(time.RFC3339Nano)
}

// MarshalText writes the moment as String does.
func (i Instant) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads what MarshalText wrote, and every other offset from UTC.
func (i *Instant) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*i = Instant{}
		return nil
	}
	var t time.Time
	if err := t.UnmarshalText(text); err != nil || t.IsZero() || bytes.ContainsRune(text, ',') {
		return errInstant
	}
	*i = Instant(t.UTC())
	return nil
}

// instantHint says what to write in place of a moment of which a part is missing, or "".
func instantHint(written string) string {
	fixed := strings.Replace(strings.ToUpper(written), " ", "T", 1)
	const offset = ", or an offset such as +01:00 in place of Z"
	for _, c := range []struct{ layout, said, end string }{
		{time.DateOnly, "without a time of day", offset},
		{"2006-01-02T15:04", "without a time zone", offset},
		{"2006-01-02T15:04:05", "without a time zone", offset},
		{"2006-01-02T15:04Z07:00", "without seconds", ""},
		{time.RFC3339, "of another notation", ""},
	} {
		if t, err := time.Parse(c.layout, fixed); err == nil && !t.IsZero() {
			return fmt.Sprintf("%s: write %s%s", c.said, t.Format(time.RFC3339), c.end)
		}
	}
	return ""
}

// ClockTime is a time of day in minutes since midnight, written as "15:04". The zero value is midnight.
type ClockTime int

// errClockTime is what a time of day that cannot be read is told.
var errClockTime = errors.New("expected a time of day such as 22:00")

// Clock is the hour, 0 to 23, and the minute.
func (c ClockTime) Clock() (hour, minute int) { return int(c) / 60, int(c) % 60 }

// String is the time of day as "15:04".
func (c ClockTime) String() string {
	hour, minute := c.Clock()
	return fmt.Sprintf("%02d:%02d", hour, minute)
}

// MarshalText writes the time of day as String does.
func (c ClockTime) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText wrote, from 00:00 to 23:59.
func (c *ClockTime) UnmarshalText(text []byte) error {
	t, err := time.Parse("15:04", string(text))
	if err != nil || len(text) != len("15:04") {
		return errClockTime
	}
	*c = ClockTime(t.Hour()*60 + t.Minute())
	return nil
}

// clockHint says what to write in place of a time of day of another notation, or "".
func clockHint(written string) string {
	if written == "24:00" {
		return ": the end of a day is the beginning of the next, write '00:00'"
	}
	for _, layout := range []string{"15:04", "15:04:05", "1504", "3:04PM", "3:04 PM", "3PM", "3 PM"} {
		if t, err := time.Parse(layout, strings.ToUpper(written)); err == nil {
			return ": write '" + t.Format("15:04") + "'"
		}
	}
	return ""
}
