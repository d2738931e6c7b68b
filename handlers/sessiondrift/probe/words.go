package probe

import (
	"context"
	"strings"
	"unicode"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/policy"
)

const (
	// maxWords bounds what is repeated of a stranger's text, in characters.
	maxWords = 300
	// maxName bounds a name that a store gave.
	maxName = 100
)

// why is an error as an observation tells it; what ended the context is told in place of what it did to a client.
func why(ctx context.Context, err error, secrets ...policy.Secret) string {
	if cause := context.Cause(ctx); cause != nil {
		return cut(cause.Error(), maxWords)
	}
	return printable(err.Error(), secrets...)
}

// printable makes a stranger's text fit to be kept and shown: on one line, printable, short, and without the secrets.
func printable(text string, secrets ...policy.Secret) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s.Reveal(), s.String())
		}
	}
	return cut(text, maxWords)
}

// cut is a text on one line, printable, of at most so many characters.
func cut(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, "?"))
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// room is how many bytes of the record a part of a look may still fill. A look is one message, which has an end.
type room int

// recorded is how much one part may fill: sessions are small, but names and versions need not be.
const recorded room = 200 << 10

// take takes room for sessions, or says that there is none.
func (r *room) take(list ...sessions.Session) bool {
	need := room(0)
	for _, s := range list {
		need += 300 + room(len(s.ID)+len(s.Copy)+len(s.Owner))
		for node := range s.Version {
			need += 25 + room(len(node))
		}
	}
	if need > *r {
		return false
	}
	*r -= need
	return true
}
