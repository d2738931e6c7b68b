package alerts

import (
	"encoding/json"
	"strings"

	"github.com/tidwall/gjson"
)

// text returns a string's value, the empty string for null, and the JSON of anything else. It never aliases
// the text it was parsed from.
func text(value gjson.Result) string {
	switch value.Type {
	case gjson.String:
		return strings.Clone(unquote(value.Raw))
	case gjson.Null:
		return ""
	}
	return strings.Clone(value.Raw)
}

// unquote returns the value of a valid JSON string, given with its quotes. Escapes are left to encoding/json,
// because gjson reads half a surrogate pair differently.
func unquote(raw string) string {
	if strings.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	var s string
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		return raw[1 : len(raw)-1]
	}
	return s
}

// escaped reports whether the JSON of a key or of a value holds a backslash.
func escaped(value gjson.Result) bool { return strings.IndexByte(value.Raw, '\\') >= 0 }

// empty reports whether a value is absent, null or the empty string.
func empty(value gjson.Result) bool { return value.Type == gjson.Null || value.Raw == `""` }

// kind names the type of a value for a person.
func kind(value gjson.Result) string {
	switch {
	case !value.Exists():
		return "missing value"
	case value.IsObject():
		return "JSON object"
	case value.IsArray():
		return "JSON array"
	case value.Type == gjson.String:
		return "string"
	case value.Type == gjson.Number:
		return "number"
	case value.IsBool():
		return "boolean"
	}
	return "null"
}
