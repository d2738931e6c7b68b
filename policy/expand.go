package policy

import "strings"

// expand puts the values of variables into a text. What cannot be resolved is reported, by the variable's name at most:
// the text may be a secret.
func (d *document) expand(text string, pos mark, path string) (string, bool) {
	var out strings.Builder
	ok := true
	for text != "" {
		i := strings.IndexByte(text, '$')
		if i < 0 {
			break
		}
		out.WriteString(text[:i])
		text = text[i:]
		switch {
		case strings.HasPrefix(text, "$${"):
			out.WriteString("${")
			text = text[3:]
		case strings.HasPrefix(text, "${"):
			name, rest, closed := strings.Cut(text[2:], "}")
			if !closed || !isVariable(name) {
				d.unreadable(pos, path, "has a '${' that does not begin a variable such as ${NAME}: write $${ for a plain '${'")
				return "", false
			}
			value, set := d.env(name)
			if value == "" {
				d.unreadable(pos, path, "variable %s is %s: set it, or write $${ for a plain '${'", name, state(set))
				ok = false
			}
			out.WriteString(value)
			text = rest
		default:
			out.WriteByte('$')
			text = text[1:]
		}
	}
	out.WriteString(text)
	return out.String(), ok
}

// state says why a variable has no value.
func state(set bool) string {
	if set {
		return "empty"
	}
	return "not set"
}

// isVariable says whether text is the name of a variable.
func isVariable(s string) bool {
	return isName(s) && !strings.Contains(s, "-") && (s[0] < '0' || s[0] > '9')
}
