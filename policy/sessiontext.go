package policy

import (
	"net"
	"strings"
)

// sessionText says what is wrong with a text that names a part of a store of sessions, or "". Other kinds of text are not looked at.
func sessionText(kind, value, written string) string {
	switch kind {
	case "address":
		return serverProblem(value, written)
	case "prefix":
		if strings.Trim(value, anyLetters+digits+":._-{}") != "" {
			return "must be of letters, digits and ':._-{}', since it becomes a part of patterns, got " + quote(written)
		}
	case "table":
		schema, table, two := strings.Cut(value, ".")
		if !two || !isColumn(schema) || !isColumn(table) || strings.Contains(table, ".") {
			return "expected schema.table such as public.sessions, got " + quote(written)
		}
	case "column":
		if !isColumn(value) {
			return "must be the name of a column: at most 63 bytes, without quotes and control characters, got " + quote(written)
		}
	case "member":
		if len(value) > longestMember || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' || r == '@' }) {
			return "must be of printable ASCII characters without blanks and '@', as names of members are, got " + quote(written)
		}
	}
	return ""
}

const (
	// longestMember is the longest name of a member; package sessions says so too.
	longestMember = 100
	// longestIdentifier is what PostgreSQL keeps of a name, in bytes. A longer one is cut off without a word.
	longestIdentifier = 63
)

// isColumn says whether a text can be the name of a table or a column as it is.
func isColumn(s string) bool {
	return s != "" && len(s) <= longestIdentifier && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '"' })
}

// serverProblem says what is wrong with the address of a server, or "".
func serverProblem(value, written string) string {
	host, port, err := net.SplitHostPort(value)
	if err != nil || host == "" || strings.HasPrefix(host, "/") || port == "0" || !isPort(port, false) || hostProblem(host, host) != "" {
		return "expected host:port such as 10.0.0.31:6379, got " + showURL(written)
	}
	return ""
}
