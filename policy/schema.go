package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"
)

// The patterns of values that are written as text. They are those of editors, a little wider than what the loader takes.
const (
	durationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`
	bytesPattern    = `^[0-9]+(\.[0-9]+)? ?([KMGT]i?B|B)?$`
	instantPattern  = `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$`
	clockPattern    = `^([01][0-9]|2[0-3]):[0-5][0-9]$`
	anchorPattern   = `^(https?://\S+|[^\s/@]+:[0-9]+|\S*\$\{\S*)$`
	emailPattern    = `^(\S+@\S+|\S*\$\{\S*)$`
	hostPattern     = `^(/.*|[A-Za-z0-9._:%-]+|\S*\$\{\S*)$`
	socketPattern   = `^(/.*|tcp://\S+:[0-9]+|\S*\$\{\S*)$`
	runtimePattern  = `^(/.*|t(cp|ls)://\S+:[0-9]+|\S*\$\{\S*)$`
	digestPattern   = `^((sha256:)?[0-9a-fA-F]{64}|\S*\$\{\S*)$`
	serverPattern   = `^([A-Za-z0-9._:-]+|\S*\$\{\S*)$`
	slotPattern     = `^([a-z0-9_]*|\S*\$\{\S*)$`
	addressPattern  = `^(\S+:[0-9]+|\S*\$\{\S*)$`
	prefixPattern   = `^([A-Za-z0-9:._{}-]*|\S*\$\{\S*)$`
	tablePattern    = `^([^".]+\.[^".]+|\S*\$\{\S*)$`
	columnPattern   = `^([^"]{1,63}|\S*\$\{\S*)$`
	memberPattern   = `^([!-?A-~]{0,100}|\S*\$\{\S*)$`
	digitsPattern   = `^([0-9]*|\S*\$\{\S*)$`
	namePattern     = `^([A-Za-z0-9_-]|\$\{[A-Za-z_][A-Za-z0-9_]*\})+$`
)

// Schema is the JSON schema (draft 2020-12) of a policy, for editors: keys, kinds, bounds, and the descriptions and
// defaults of [Example]. It says less than [Parse], which alone decides: a schema cannot see what two keys say about
// each other. The same build gives the same bytes.
func Schema() ([]byte, error) {
	words, err := describe(exampleYAML)
	if err != nil {
		return nil, fmt.Errorf("describe keys: %w", err)
	}
	r := jsonschema.Reflector{
		Anonymous: true, DoNotReference: true, RequiredFromJSONSchemaTags: true, FieldNameTag: "yaml",
		Mapper: textSchema,
	}
	s := r.Reflect(Policy{})
	s.Title = "Firebreak policy"
	words.put(s, reflect.TypeFor[Policy](), "")
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		return nil, fmt.Errorf("encode schema: %w", err)
	}
	return out.Bytes(), nil
}

// textSchema is the schema of types that are written as text; nil for all others.
func textSchema(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[Duration]():
		return &jsonschema.Schema{Type: "string", Pattern: durationPattern, Examples: []any{"500ms", "30s", "5m", "2160h"}}
	case reflect.TypeFor[Bytes]():
		zero := json.Number("0")
		return &jsonschema.Schema{
			AnyOf:    []*jsonschema.Schema{{Type: "string", Pattern: bytesPattern}, {Type: "integer", Minimum: zero}},
			Examples: []any{"512KiB", "16MB", "8GiB"},
		}
	case reflect.TypeFor[Instant]():
		return &jsonschema.Schema{Type: "string", Pattern: instantPattern, Examples: []any{"2026-12-24T18:00:00Z", "2026-12-24T18:00:00+01:00"}}
	case reflect.TypeFor[ClockTime]():
		return &jsonschema.Schema{Type: "string", Pattern: clockPattern, Examples: []any{"22:00", "07:30"}}
	case reflect.TypeFor[Secret]():
		return &jsonschema.Schema{Type: "string", Pattern: `\S`, Examples: []any{"${FIREBREAK_SECRET}"}}
	}
	return nil
}

// put adds to a schema, and to everything below it, what the tags and the example say. path has "[]" for the elements of
// lists, and ".*" for those of mappings.
func (w descriptions) put(s *jsonschema.Schema, t reflect.Type, path string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Kind() == reflect.Slice:
		w.put(s.Items, t.Elem(), path+"[]")
	case t.Kind() == reflect.Map:
		w.put(s.AdditionalProperties, t.Elem(), path+".*")
	case isSection(t):
		if s.Properties == nil {
			return
		}
		for _, f := range fieldsOf(t) {
			below, _ := s.Properties.Get(f.name)
			at := strings.TrimPrefix(path+"."+f.name, ".")
			below.Description = w.of(at, t, f.name)
			f.rule.constrain(below, t.Field(f.index).Type)
			if f.rule.need != "" {
				s.Required = append(s.Required, f.name)
			}
			w.put(below, t.Field(f.index).Type, at)
			if isSection(t.Field(f.index).Type) {
				// A section whose keys are all commented out is null, which is the same as no section.
				below.Type, below.Extras = "", map[string]any{"type": []string{"object", "null"}}
			}
		}
	}
}

// constrain writes a tag in the words of a schema.
func (r rule) constrain(s *jsonschema.Schema, t reflect.Type) {
	if r.def != "" {
		s.Default = r.def
		if v := reflect.New(t).Elem(); setText(v, r.def) == nil && s.Type != "string" && s.AnyOf == nil {
			s.Default = v.Interface()
		}
	}
	switch t.Kind() {
	case reflect.Slice:
		if r.need != "" {
			one := uint64(1)
			s.MinItems = &one
		}
		r.element().constrain(s.Items, t.Elem())
		return
	case reflect.Map:
		if known := choices(r.is); known != nil {
			s.PropertyNames = &jsonschema.Schema{Enum: anys(known)}
		}
		if r.each != "" {
			rule{is: r.each}.constrain(s.AdditionalProperties, t.Elem())
		}
		return
	}
	if s.Type == "integer" || s.Type == "number" {
		s.Minimum, s.Maximum = json.Number(r.min), json.Number(r.max)
		s.ExclusiveMinimum, s.ExclusiveMaximum = json.Number(r.over), json.Number(r.under)
	}
	if known := choices(r.is); known != nil {
		s.Enum = anys(known)
	}
	if p := patternOf(r.is); p != "" {
		s.Pattern = p
	}
	if _, letters := slackID(r.is); letters != "" {
		s.Pattern = `^([` + letters + `][A-Z0-9]{2,40}|\S*\$\{\S*)$`
	}
}

// patternOf is the pattern of a kind of text, or "".
func patternOf(kind string) string {
	switch kind {
	case "name":
		return namePattern
	case "anchor":
		return anchorPattern
	case "email":
		return emailPattern
	case "host":
		return hostPattern
	case "socket":
		return socketPattern
	case "runtime":
		return runtimePattern
	case "sha256":
		return digestPattern
	case "server":
		return serverPattern
	case "slot":
		return slotPattern
	case "digits":
		return digitsPattern
	case "address":
		return addressPattern
	case "prefix":
		return prefixPattern
	case "table":
		return tablePattern
	case "column":
		return columnPattern
	case "member":
		return memberPattern
	}
	return ""
}

// anys is a list as the schema's type wants it.
func anys(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}
