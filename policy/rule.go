package policy

import (
	"encoding"
	"reflect"
	"strings"
)

// rule is what the tag "rule" of a field says; the package's documentation lists its parts.
type rule struct {
	def         string // the default, in the field's own notation
	need        string // an example of what must be there
	min, max    string
	over, under string
	minLen      string
	into        string
	is          string // the kind of text
	each        string // the kind of text of a mapping's values
	raw         bool
	others      bool // a mapping may have the key ""
}

// field is one key of a struct.
type field struct {
	name  string
	index int
	rule  rule
}

// isSection says whether a type has keys below it. A struct that reads itself from text, such as [Instant], is one value.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// fieldsOf lists the keys of a struct in the order of its fields.
func fieldsOf(t reflect.Type) []field {
	list := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		list = append(list, field{name: tag.Get("yaml"), index: i, rule: parseRule(tag.Get("rule"))})
	}
	return list
}

// parseRule reads a tag.
func parseRule(tag string) rule {
	var r rule
	if tag == "" {
		return r
	}
	for part := range strings.SplitSeq(tag, ";") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "default":
			r.def = value
		case "need":
			r.need = value
		case "min":
			r.min = value
		case "max":
			r.max = value
		case "over":
			r.over = value
		case "under":
			r.under = value
		case "minlen":
			r.minLen = value
		case "into":
			r.into = value
		case "each":
			r.each = value
		case "raw":
			r.raw = true
		case "others":
			r.others = true
		default:
			r.is = name
		}
	}
	return r
}

// element is the rule of a list's elements: what is said about the list itself does not hold for them.
func (r rule) element() rule {
	r.def, r.need, r.into = "", "", ""
	return r
}

// choices are the only texts that a kind of text may be; nil where it is open.
func choices(is string) []string {
	switch is {
	case "mode":
		return modes()
	case "fix":
		return fixes()
	case "lagfix":
		return lagFixes()
	case "poolfix":
		return poolFixes()
	case "driftfix":
		return driftFixes()
	case "versiontype":
		return versionTypes()
	case "anyfix":
		return allFixes()
	case "sslmode":
		return sslModes()
	case "event":
		return EventKinds()
	case "method":
		return methods()
	case "day":
		return days()
	case "right":
		return rights()
	case "handler":
		return handlerNames()
	case "severity":
		return severities()
	}
	return nil
}

// names lists the keys of a struct.
func names(list []field) []string {
	out := make([]string, len(list))
	for i, f := range list {
		out[i] = f.name
	}
	return out
}
