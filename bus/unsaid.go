package bus

import (
	"errors"
	"strings"
)

// unsaid is an error without what we presented: a server that refuses us may say back what it heard. One that says nothing of it is
// returned as it is.
func (c Config) unsaid(err error) error {
	if err == nil {
		return nil
	}
	words := err.Error()
	for _, secret := range []string{c.Token, c.Password} {
		if secret != "" {
			words = strings.ReplaceAll(words, secret, "[redacted]")
		}
	}
	if words == err.Error() {
		return err
	}
	return errors.New(words)
}
