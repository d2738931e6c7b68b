package policy

import (
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
)

// leastHidden is the shortest secret that is looked for in what others wrote: a shorter one would be found in ordinary words.
const leastHidden = 6

// Hidden is what somebody else wrote, without the secret: a server may say back what it was sent. It is found as it is, quoted, as a part of a
// URL, and in base64 by itself. What was changed in another way is not. Cut a text only after this, since a part is not found.
func (s Secret) Hidden(text string) string {
	plain := s.Reveal()
	if len(plain) < leastHidden || text == "" {
		return text
	}
	quoted := strconv.Quote(plain)
	for _, coat := range []string{plain, quoted[1 : len(quoted)-1], url.QueryEscape(plain), url.PathEscape(plain),
		base64.StdEncoding.EncodeToString([]byte(plain)), base64.URLEncoding.EncodeToString([]byte(plain))} {
		text = strings.ReplaceAll(text, coat, redacted)
	}
	return text
}

// HiddenIn is an error whose words are without the secret. What it wraps is the error itself, for callers that ask what it is; one that has
// no secret in its words is returned as it is.
func (s Secret) HiddenIn(err error) error {
	if err == nil {
		return nil
	}
	words := err.Error()
	if said := s.Hidden(words); said != words {
		return hiddenError{said, err}
	}
	return err
}

// hiddenError is an error that says something else than it did.
type hiddenError struct {
	words string
	err   error
}

// Error is what may be said.
func (e hiddenError) Error() string { return e.words }

// Unwrap is the error as it came. Nobody may show what it says.
func (e hiddenError) Unwrap() error { return e.err }
