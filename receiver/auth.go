package receiver

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// Auth is who may come in: with a bearer token, or with a name and a password. The zero value lets everybody in, which is for
// listeners that only this machine, or only holders of a client certificate, can reach.
type Auth struct {
	// Tokens are the SHA-256 of those that are accepted: several, so that they can be rotated without losing an alert.
	Tokens   [][sha256.Size]byte
	Username string
	// Password is its SHA-256.
	Password [sha256.Size]byte
}

// Allows checks a request's credentials in a time that does not depend on how wrong they are.
func (a Auth) Allows(r *http.Request) bool {
	if len(a.Tokens) == 0 && a.Username == "" {
		return true
	}
	ok := 0
	if scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " "); found && strings.EqualFold(scheme, "Bearer") {
		for _, t := range a.Tokens {
			ok |= same(token, t)
		}
	}
	if user, password, found := r.BasicAuth(); found && a.Username != "" {
		ok |= same(user, sha256.Sum256([]byte(a.Username))) & same(password, a.Password)
	}
	return ok == 1
}

func same(got string, want [sha256.Size]byte) int {
	g := sha256.Sum256([]byte(got))
	return subtle.ConstantTimeCompare(g[:], want[:])
}
