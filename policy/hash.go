package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// Hash names the policy that a decision was made under: 12 hex digits of the SHA-256 of all that is in force, defaults
// included, secrets and paths not. It is the same on every machine that runs the same build with the same file and variables, wherever
// the file lies; a build that knows a new key has other hashes. Since secrets are left out, turning one over keeps the hash.
func (p Policy) Hash() string {
	text, err := json.Marshal(p)
	if err == nil {
		text, err = withoutPaths(text)
	}
	if err != nil {
		text = []byte(err.Error()) // only a policy made by hand, with a number that is none, gets here
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// withoutPaths takes the paths out of a policy's JSON: they are absolute, so that a copy of the file elsewhere would be another policy.
func withoutPaths(text []byte) ([]byte, error) {
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	if bus, ok := all["Bus"].(map[string]any); ok {
		delete(bus, "Data")
	}
	delete(all, "Tracing") // it is of what happens, and never has a part in it
	dropFiles(all)
	return json.Marshal(all)
}

func dropFiles(v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, below := range v {
			if strings.HasSuffix(key, "File") || strings.HasSuffix(key, "Files") {
				delete(v, key)
				continue
			}
			dropFiles(below)
		}
	case []any:
		for _, below := range v {
			dropFiles(below)
		}
	}
}
