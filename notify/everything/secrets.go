package everything

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const (
	redacted = "(redacted)"
	// leastSecret is the shortest part of an address that counts as one: shorter ones are in every text.
	leastSecret = 5
	// maxError bounds an error that a service wrote, in runes.
	maxError = 500
)

// secrets are all parts of a service's address that may be one, as they are written and as they are meant, longest first. Where the
// secret is differs from service to service: it can be the user, the password, the host, a part of the path or a parameter.
func secrets(address string) []string {
	parts := []string{address}
	add := func(all ...string) { parts = append(parts, all...) }
	rest := address
	if _, after, ok := strings.Cut(address, "://"); ok {
		rest = after
		add(after)
	}
	add(strings.FieldsFunc(rest, func(r rune) bool { return strings.ContainsRune("/?#&=@:,;", r) })...)
	for _, p := range slices.Clone(parts) {
		if plain, err := url.PathUnescape(p); err == nil {
			add(plain)
		}
		if plain, err := url.QueryUnescape(p); err == nil {
			add(plain)
		}
		add(url.PathEscape(p), url.QueryEscape(p))
	}
	parts = slices.DeleteFunc(parts, func(p string) bool { return len(p) < leastSecret })
	slices.SortFunc(parts, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return slices.Compact(parts)
}

// clean is an error's text without secrets, and without any address: libraries change the one that they were given before they use it.
func clean(s string, hide []string) string {
	for _, secret := range hide {
		s = strings.ReplaceAll(s, secret, redacted)
	}
	s = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"']*`).ReplaceAllString(s, redacted)
	return defused(s, maxError)
}
