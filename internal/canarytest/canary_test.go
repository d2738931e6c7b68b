package canarytest

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// canary is a secret that is in one place of the policy and nowhere else.
type canary struct {
	// name is that of its variable, without the prefix.
	name string
	// core is what is looked for, value what the policy holds: the core, in the form that the key wants.
	core, value string
}

// newCanary makes one. form has one %s. One whose name ends in _SHA256 is a hash.
func newCanary(name, form string) canary {
	core := strings.ToLower(rand.Text())
	if strings.HasSuffix(name, "_SHA256") {
		core = fmt.Sprintf("%x", sha256.Sum256([]byte(core)))
	}
	return canary{name: name, core: core, value: fmt.Sprintf(form, core)}
}

// window is how many bytes of each needle are looked up at first; no needle is shorter.
const window = 8

// needle is a canary as it may look somewhere.
type needle struct {
	canary, as string
	text       []byte
	// exact says that capitals are other letters.
	exact bool
}

// sieve finds canaries.
type sieve struct {
	// seen says by the hash of a window whether a needle may begin there.
	seen    []bool
	needles map[[window]byte][]needle
}

// sieveBits is the size of the table of hashes.
const sieveBits = 20

func newSieve(all []canary) *sieve {
	s := &sieve{seen: make([]bool, 1<<sieveBits), needles: map[[window]byte][]needle{}}
	for _, c := range all {
		half := len(c.core) / 2
		for _, part := range []string{c.core[:half], c.core[half:]} {
			s.add(c.name, "plain", part)
			s.add(c.name, "hex", hex.EncodeToString([]byte(part)))
			for shift := range 3 {
				for _, coded := range shifted(part, shift) {
					s.add(c.name, "base64", coded)
				}
			}
		}
	}
	return s
}

// shifted is what stands for a text in base64, where so many bytes (modulo 3) are before it, in both alphabets. The letters that
// it shares with its neighbours are left out.
func shifted(text string, shift int) []string {
	raw := append(make([]byte, shift), text...)
	first := (8*shift + 5) / 6
	last := 8 * len(raw) / 6
	return []string{base64.RawStdEncoding.EncodeToString(raw)[first:last], base64.RawURLEncoding.EncodeToString(raw)[first:last]}
}

func (s *sieve) add(name, as, text string) {
	n := needle{canary: name, as: as, text: []byte(text), exact: as == "base64" || text != strings.ToLower(text)}
	key := [window]byte(n.text)
	s.seen[hash(n.text)] = true
	s.needles[key] = append(s.needles[key], n)
}

// hash is of the first bytes of a text.
func hash(b []byte) uint64 {
	var h uint64
	for _, c := range b[:window] {
		h = h*0x9E3779B97F4A7C15 + uint64(c)
	}
	return h * 0xD6E8FEB86659FD93 >> (64 - sieveBits)
}

// find says which canaries are in a text, and how they look there. Plain and hex are found in capitals too.
func (s *sieve) find(text []byte) []needle {
	found := s.findIn(text, false)
	return append(found, s.findIn(bytes.ToLower(text), true)...)
}

func (s *sieve) findIn(text []byte, lowered bool) []needle {
	var found []needle
	for i := 0; i+window <= len(text); i++ {
		if !s.seen[hash(text[i:])] {
			continue
		}
		for _, n := range s.needles[[window]byte(text[i:])] {
			if lowered == n.exact || !bytes.HasPrefix(text[i:], n.text) {
				continue
			}
			if !slices.ContainsFunc(found, func(f needle) bool { return f.canary == n.canary && f.as == n.as }) {
				found = append(found, n)
			}
		}
	}
	return found
}
