package policy

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what a secret looks like from outside.
const redacted = "[redacted]"

// Secret is text that never prints itself: not by any verb of fmt, not as JSON, YAML or text, not in a log. Reveal is
// the only way to its value. It cannot hide from a conversion to string, from an unexported field that is printed
// with its struct (fmt asks no method there), nor from use as the key of a map.
type Secret string

// Reveal is the secret's value.
func (s Secret) Reveal() string { return string(s) }

// String hides the value.
func (s Secret) String() string { return redacted }

// GoString hides the value from %#v.
func (s Secret) GoString() string { return redacted }

// Format hides the value from every verb, those too that do not suit it: without this, %d prints it in its complaint.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue hides the value from log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the value from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText takes the text as the value. What MarshalText wrote is no secret any more: it reads as "[redacted]".
func (s *Secret) UnmarshalText(b []byte) error {
	*s = Secret(b)
	return nil
}
