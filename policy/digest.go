package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Digest is the SHA-256 of a token or password. It is enough to tell whether somebody shows the right one, and who reads it cannot show it.
// It is a fast hash, so this holds for what is long and random only: a word that people choose is found by trying.
type Digest [sha256.Size]byte

// DigestOf is the digest of what somebody shows.
func DigestOf(shown string) Digest { return sha256.Sum256([]byte(shown)) }

// String is how a policy writes it.
func (d Digest) String() string { return digestPrefix + hex.EncodeToString(d[:]) }

const digestPrefix = "sha256:"

// parseDigest reads what a policy writes: 64 hexadecimal digits, with or without the prefix.
func parseDigest(s Secret) (d Digest, ok bool) {
	raw, err := hex.DecodeString(strings.TrimPrefix(s.Reveal(), digestPrefix))
	if err != nil || len(raw) != len(d) {
		return Digest{}, false
	}
	return Digest(raw), true
}

// digestProblem says what is wrong with a digest, or "", and nothing of it: it may be a token in the wrong place.
func digestProblem(s Secret) string {
	if _, ok := parseDigest(s); !ok {
		return "is no SHA-256, which has 64 hexadecimal digits: write what \"firebreak token\" prints"
	}
	return ""
}

// digest is that of a secret, given as it is or as its hash. It is false if neither is there.
func digest(plain, hashed Secret) (Digest, bool) {
	if plain != "" {
		return DigestOf(plain.Reveal()), true
	}
	return parseDigest(hashed)
}

// digests are those of secrets and of hashes, in this order.
func digests(plain, hashed []Secret) []Digest {
	var all []Digest
	for _, s := range plain {
		all = append(all, DigestOf(s.Reveal()))
	}
	for _, s := range hashed {
		if d, ok := parseDigest(s); ok {
			all = append(all, d)
		}
	}
	return all
}

// Tokens are the digests of all tokens that may post alerts.
func (a WebhookAuth) Tokens() []Digest { return digests(a.BearerTokens, a.BearerTokenSHA256s) }

// PasswordDigest is that of the password; false if there is none.
func (a WebhookAuth) PasswordDigest() (Digest, bool) { return digest(a.Password, a.PasswordSHA256) }

// Readers are the digests of all tokens that may read and nothing else.
func (a APIAuth) Readers() []Digest { return digests(a.BearerTokens, a.BearerTokenSHA256s) }

// Digest is that of the operator's token; false if there is none.
func (o Operator) Digest() (Digest, bool) { return digest(o.Token, o.TokenSHA256) }
