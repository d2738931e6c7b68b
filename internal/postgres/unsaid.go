package postgres

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// unsaid takes the password out of what the server says about a login: a server that is asked without TLS may want to hear it as it is, and
// then says whatever it likes. What the error is can still be asked.
func unsaid(err error, password string) error {
	if err == nil || password == "" || !strings.Contains(err.Error(), password) {
		return err
	}
	hide := func(text string) string { return strings.ReplaceAll(text, password, "[redacted]") }
	words := hide(err.Error())
	var said *pgconn.PgError
	if errors.As(err, &said) {
		for _, text := range []*string{&said.Message, &said.Detail, &said.Hint, &said.Where} {
			*text = hide(*text)
		}
	}
	return unsaidError{words, err}
}

// unsaidError says less than the error in it.
type unsaidError struct {
	words string
	err   error
}

// Error is what may be said.
func (e unsaidError) Error() string { return e.words }

// Unwrap is the error as it came. Nobody may show what it says.
func (e unsaidError) Unwrap() error { return e.err }
