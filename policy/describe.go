package policy

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// descriptions are the comments of the example, by path ("handlers.retrystorm.edges[].mode") and by struct and key
// ("Budget.hour"). The second is for keys of structs that are used in several places: each is described once.
type descriptions struct {
	byPath map[string]string
	byType map[string]string
}

// of is the description of a key, or "".
func (w descriptions) of(path string, t reflect.Type, key string) string {
	if text := w.byPath[path]; text != "" {
		return text
	}
	return w.byType[t.Name()+"."+key]
}

// whole is the example with every key in force, those too that are commented out because they exclude another: a "#"
// that a key follows at once.
func whole(example []byte) []byte {
	return regexp.MustCompile(`(?m)^( *)#([a-z0-9_]+:( |$))`).ReplaceAll(example, []byte("$1$2"))
}

// describe collects the comments above the keys of the example.
func describe(example []byte) (descriptions, error) {
	w := descriptions{byPath: map[string]string{}, byType: map[string]string{}}
	text := whole(example)
	var doc yaml.Node
	if err := yaml.Load(text, &doc); err != nil {
		return w, fmt.Errorf("read example: %w", err)
	}
	w.collect(doc.Content[0], reflect.TypeFor[Policy](), "", strings.Split(string(text), "\n"))
	return w, nil
}

// collect goes through the nodes and the types of the example side by side.
func (w descriptions) collect(n *yaml.Node, t reflect.Type, path string, lines []string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		for _, e := range n.Content {
			w.collect(e, t.Elem(), path+"[]", lines)
		}
	case t.Kind() == reflect.Map && n.Kind == yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			w.collect(n.Content[i], t.Elem(), path+".*", lines)
		}
	case t.Kind() == reflect.Struct && n.Kind == yaml.MappingNode:
		for _, f := range fieldsOf(t) {
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value != f.name {
					continue
				}
				at := strings.TrimPrefix(path+"."+f.name, ".")
				w.note(at, t.Name()+"."+f.name, above(lines, n.Content[i].Line))
				w.collect(n.Content[i+1], t.Field(f.index).Type, at, lines)
			}
		}
	}
}

// note keeps the first comment of a key.
func (w descriptions) note(path, key, text string) {
	if text == "" {
		return
	}
	if w.byPath[path] == "" {
		w.byPath[path] = text
	}
	if w.byType[key] == "" {
		w.byType[key] = text
	}
}

// above is the comment right above a line, as one paragraph. Lines count from 1.
func above(lines []string, line int) string {
	first := line - 1
	for first > 0 && strings.HasPrefix(strings.TrimSpace(lines[first-1]), "#") {
		first--
	}
	words := make([]string, 0, line-1-first)
	for _, l := range lines[first : line-1] {
		words = append(words, strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(l), "#")))
	}
	return strings.TrimSpace(strings.Join(words, " "))
}
