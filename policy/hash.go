package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Hash names the policy that a decision was made under: 12 hex digits of the SHA-256 of all that is in force, defaults
// included, secrets not. It is the same on every machine that runs the same build with the same file and variables; a
// build that knows a new key has other hashes. Since secrets are left out, turning one over keeps the hash.
func (p Policy) Hash() string {
	text, err := json.Marshal(p)
	if err != nil {
		text = []byte(err.Error()) // only a policy made by hand, with a number that is none, gets here
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}
