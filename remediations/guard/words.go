package guard

import (
	"errors"
	"net/url"
	"strings"
	"unicode"

	"github.com/firebreak-sre/firebreak/remediations"
)

// maxCause is how much of somebody else's text, in characters, a refusal carries: an error, a reason, the content of a file.
const maxCause = 300

// refuse is a no that only a change of the world lifts.
func refuse(reason remediations.Reason, words string) *remediations.NoError {
	return &remediations.NoError{Reason: reason, Words: words}
}

// clean makes one printable line of a text that somebody else wrote, of at most so many characters. Characters that move the
// cursor or turn the direction of writing become spaces, so that nobody can write a refusal that reads as another one.
func clean(text string, maxRunes int) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxRunes {
		return string(runes[:maxRunes-1]) + "…"
	}
	return text
}

// cause is an error for people. The address is left out, since it may hold a password; who uses this names the place itself.
func cause(err error) string {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	return clean(err.Error(), maxCause)
}
