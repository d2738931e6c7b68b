package policy

import (
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxValues is how many values a policy may have, those counted again that aliases repeat.
const maxValues = 200_000

// spot is where a value is read to: its path, the position of its key, and what its field's tag says.
type spot struct {
	path string
	key  mark
	rule rule
	// alias is the alias ("*name") through which the value is read, or "". It is shown in place of the value, which stands
	// elsewhere and may be a secret there.
	alias string
}

// value reads one node. Whatever is wrong with it is reported, and v keeps its zero.
func (d *document) value(n *yaml.Node, v reflect.Value, s spot) {
	pos := markOf(n)
	if n.Kind == yaml.AliasNode {
		n, s.alias = n.Alias, "*"+n.Value
	}
	if s.key == (mark{}) {
		s.key = pos
	}
	d.at[s.path] = place{key: s.key, value: pos, null: isNull(n)}
	if d.values++; d.values > maxValues {
		if d.values == maxValues+1 {
			d.unreadable(pos, s.path, "there are more than %d values: this is not a policy", maxValues)
		}
		return
	}
	if !plainTag(n) {
		d.unreadable(pos, s.path, "has a tag ('!…') that means nothing here: take the tag out")
		return
	}
	if v.Kind() == reflect.Pointer {
		if isNull(n) && isSection(v.Type().Elem()) {
			d.unreadable(s.key, s.path, "is empty: %s, or take the key out", fillIn(v.Type().Elem()))
			return
		}
		if isNull(n) {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if isNull(n) {
		if isSection(v.Type()) {
			d.structure(nil, v, s)
		}
		return
	}
	switch {
	case isSection(v.Type()):
		d.section(n, v, s)
	case v.Kind() == reflect.Slice:
		d.list(n, v, s)
	case v.Kind() == reflect.Map:
		d.mapping(n, v, s)
	default:
		d.scalar(n, v, s)
	}
}

// fillIn says what to write for a section that turns something on by being there.
func fillIn(t reflect.Type) string {
	fields := fieldsOf(t)
	keys := "its keys below it (" + strings.Join(names(fields), ", ") + ")"
	switch {
	case len(fields) == 0:
		return "write {} to use it"
	case !slices.ContainsFunc(fields, func(f field) bool { return f.rule.def == "" }):
		return "write {} to use it with its defaults, or " + keys
	}
	return "write " + keys
}

// section reads a mapping into a struct.
func (d *document) section(n *yaml.Node, v reflect.Value, s spot) {
	if n.Kind != yaml.MappingNode {
		known := "none"
		if v.NumField() > 0 {
			known = strings.Join(names(fieldsOf(v.Type())), ", ")
		}
		d.unreadable(d.at[s.path].value, s.path, "expected keys below it (%s), got %s", known, shape(n))
		return
	}
	d.structure(n.Content, v, s)
}

// structure reads the pairs of a mapping into a struct, then looks for what must be there and reads the files that it names.
func (d *document) structure(pairs []*yaml.Node, v reflect.Value, s spot) {
	fields := fieldsOf(v.Type())
	seen := map[string]mark{}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, ok := d.key(pairs[i], s.path, seen)
		if !ok {
			continue
		}
		path := join(s.path, name)
		at := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		if at < 0 {
			d.unreadable(markOf(pairs[i]), path, "is not a key of a policy here: %s", oneOf(name, names(fields)))
			continue
		}
		f := fields[at]
		f.rule.raw = f.rule.raw || s.rule.raw
		d.value(pairs[i+1], v.Field(f.index), spot{path: path, key: markOf(pairs[i]), rule: f.rule, alias: s.alias})
	}
	for _, f := range fields {
		path := join(s.path, f.name)
		if _, ok := seen[f.name]; !ok && isSection(v.Field(f.index).Type()) {
			d.structure(nil, v.Field(f.index), spot{path: path, rule: f.rule})
		}
		if f.rule.need != "" && d.sound(path) && empty(v.Field(f.index)) {
			d.wrong(path, "is missing: write for example %s", f.rule.need)
		}
	}
	for _, f := range fields {
		if f.rule.into != "" {
			d.secretFiles(v, f, s.path)
		}
	}
}

// empty says whether a value that must be there is not.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String:
		return strings.TrimSpace(v.String()) == ""
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	}
	return v.IsZero()
}

// key is the name of one key of a mapping. A key that is no name, or that is there twice, is reported.
func (d *document) key(n *yaml.Node, path string, seen map[string]mark) (string, bool) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case n.Kind != yaml.ScalarNode:
		d.unreadable(markOf(n), path, "a key must be a plain name, got %s", shape(n))
		return "", false
	case n.Tag == "!!merge":
		d.unreadable(markOf(n), path, "merge keys ('<<') are not supported: write the keys themselves")
		return "", false
	}
	if first, twice := seen[n.Value]; twice {
		d.unreadable(markOf(n), join(path, n.Value), "is here twice, first in line %d: keep one of the two", first.line)
		return "", false
	}
	seen[n.Value] = markOf(n)
	return n.Value, true
}

// list reads a sequence. An empty one is not the same as none: it is there, with no element.
func (d *document) list(n *yaml.Node, v reflect.Value, s spot) {
	if n.Kind != yaml.SequenceNode {
		d.unreadable(d.at[s.path].value, s.path, "expected a list such as [a, b], got %s", shape(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, e := range n.Content {
		path := at(s.path, i)
		if isNull(e) || (s.rule.is != "" || s.rule.into != "") && isEmptyText(e) {
			d.unreadable(markOf(e), path, "is empty: write a value, or take the line out")
			continue
		}
		d.value(e, v.Index(i), spot{path: path, rule: s.rule.element(), alias: s.alias})
	}
}

// mapping reads a mapping whose keys are the operator's own, or of a closed set.
func (d *document) mapping(n *yaml.Node, v reflect.Value, s spot) {
	if n.Kind != yaml.MappingNode {
		d.unreadable(d.at[s.path].value, s.path, "expected keys and values below it, got %s", shape(n))
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	seen := map[string]mark{}
	known := choices(s.rule.is)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, ok := d.key(n.Content[i], s.path, seen)
		if !ok {
			continue
		}
		path := join(s.path, name)
		switch {
		case known != nil && !slices.Contains(known, name):
			d.unreadable(markOf(n.Content[i]), path, "is not known here: %s", oneOf(name, known))
			continue
		case name == "" && !s.rule.others, isNull(n.Content[i]), isNull(n.Content[i+1]), s.rule.each != "" && isEmptyText(n.Content[i+1]):
			d.unreadable(markOf(n.Content[i]), path, "is empty: write a name and a value, or take the line out")
			continue
		}
		e := reflect.New(v.Type().Elem()).Elem()
		below := rule{raw: s.rule.raw, is: s.rule.each}
		d.value(n.Content[i+1], e, spot{path: path, key: markOf(n.Content[i]), rule: below, alias: s.alias})
		v.SetMapIndex(reflect.ValueOf(name), e)
	}
}

// isNull says whether a node is no value.
func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// isEmptyText says whether a node is text with nothing in it.
func isEmptyText(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n.Kind == yaml.ScalarNode && n.Tag == "!!str" && n.Value == ""
}

// plainTag says whether a node is of YAML's own kinds.
func plainTag(n *yaml.Node) bool {
	switch n.Kind {
	case yaml.MappingNode:
		return n.Tag == "!!map"
	case yaml.SequenceNode:
		return n.Tag == "!!seq"
	}
	return slices.Contains([]string{"!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp", "!!merge"}, n.Tag)
}

// shape says what a node is, and nothing of what is in it.
func shape(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	}
	if isNull(n) {
		return "nothing"
	}
	return "one value"
}
