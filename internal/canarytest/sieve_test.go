package canarytest

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// A canary is found in every coat, behind anything, cut in half, and in capitals; and no other text is taken for one.
func TestSieve(t *testing.T) {
	t.Parallel()
	c := newCanary("ONE", "postgres://u:%s@h/d")
	s := newSieve([]canary{c, newCanary("TWO", "%s")})
	quoted, err := json.Marshal(map[string]string{"said": c.value})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"plain": c.value, "escaped": url.QueryEscape(c.value), "json": string(quoted), "capitals": strings.ToUpper(c.core),
		"first half": c.core[:13], "second half": "…" + c.core[13:], "hex": hex.EncodeToString([]byte(c.value)),
		"HEX": strings.ToUpper(hex.EncodeToString([]byte(c.core))), "base64": base64.StdEncoding.EncodeToString([]byte(c.core)),
		"base64 at 1": base64.URLEncoding.EncodeToString([]byte(":" + c.core)), "base64 at 2": base64.RawStdEncoding.EncodeToString([]byte("u:" + c.core + "@")),
		"a half in base64": base64.StdEncoding.EncodeToString([]byte("Bearer " + c.core[:13])),
	} {
		for _, around := range []string{text, "x" + text, "\x00\x00" + text + "tail"} {
			found := s.find([]byte(around))
			if len(found) == 0 || found[0].canary != "ONE" {
				t.Errorf("%s: found %v", name, found)
			}
		}
	}
	if found := s.find([]byte(strings.Repeat(c.core[:12]+" "+c.core[14:]+"\n", 100))); len(found) != 0 {
		t.Errorf("less than a half was taken for one: %v", found)
	}
}
