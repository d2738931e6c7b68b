package review

import "strings"

// md makes text mean itself in Markdown, wherever it stands behind something else on its line: no emphasis, link, image, code, table cell,
// HTML or formula begins in it, no address becomes a link by itself, and nobody is called by their name.
func md(s string) string {
	s = mentions(plain(s))
	s = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
	var out strings.Builder
	for _, r := range s {
		if strings.ContainsRune("\\`*_{}[]|~#!$", r) {
			out.WriteByte('\\')
		}
		out.WriteRune(r)
	}
	return strings.NewReplacer("://", "\\://", "www.", "www\\.", "WWW.", "WWW\\.").Replace(out.String())
}

// mentions parts an @ from what follows by a mark that is not seen: where such documents are kept, it would call people.
func mentions(s string) string { return strings.ReplaceAll(s, "@", "@\u2060") }
