package main

import (
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
)

// marked is text in which the program's own commands stand out, so that they are found and checked like all others.
func marked(text string) string {
	words := strings.Split(text, " ")
	for i, w := range words {
		if w != "firebreak" || i+1 >= len(words) {
			continue
		}
		next := strings.TrimRight(words[i+1], ".,;:")
		rest := strings.TrimPrefix(words[i+1], next)
		if next == "kill-switch" && i+2 < len(words) {
			last := strings.TrimRight(words[i+2], ".,;:")
			words[i+2] = last + "`" + strings.TrimPrefix(words[i+2], last)
			words[i] = "`firebreak"
			continue
		}
		words[i], words[i+1] = "`firebreak", next+"`"+rest
	}
	return strings.Join(words, " ")
}

// reference writes the keys of a schema: a heading for each section and each list of sections, a table for what is in it.
func reference(b *strings.Builder, schema []byte) {
	gjson.GetBytes(schema, "properties").ForEach(func(name, s gjson.Result) bool {
		section(b, name.String(), s, 2)
		return true
	})
}

// section is one mapping: what it is for, its keys, and then the sections in it.
func section(b *strings.Builder, path string, s gjson.Result, depth int) {
	inside, path := insideOf(s, path)
	fmt.Fprintf(b, "%s `%s`\n\n", strings.Repeat("#", min(depth, 4)), path)
	if words := s.Get("description").String(); words != "" {
		fmt.Fprintf(b, "%s\n\n", strings.Join(strings.Fields(words), " "))
	}
	var below []gjson.Result
	var names []string
	table := false
	inside.Get("properties").ForEach(func(key, v gjson.Result) bool {
		if in, _ := insideOf(v, ""); in.Get("properties").Exists() {
			below, names = append(below, v), append(names, key.String())
			return true
		}
		if !table {
			b.WriteString("| key | is | default | meaning |\n|---|---|---|---|\n")
			table = true
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", key, kindOf(v), defaultOf(v), inCell(v.Get("description").String()))
		return true
	})
	if table {
		b.WriteString("\n")
	}
	for i, v := range below {
		section(b, path+"."+names[i], v, depth+1)
	}
}

// insideOf is the mapping that a list or a mapping of mappings is made of, with how its path is written; or the value itself.
func insideOf(s gjson.Result, path string) (gjson.Result, string) {
	for {
		switch {
		case s.Get("items").Exists():
			s, path = s.Get("items"), path+"[]"
		case s.Get("additionalProperties").IsObject():
			s, path = s.Get("additionalProperties"), path+".NAME"
		default:
			return s, path
		}
	}
}

// kindOf is what may be written there, in a few words.
func kindOf(v gjson.Result) string {
	switch {
	case v.Get("items").Exists():
		return "list of " + kindOf(v.Get("items"))
	case v.Get("additionalProperties").IsObject():
		return "mapping to " + kindOf(v.Get("additionalProperties"))
	case v.Get("enum").Exists():
		var all []string
		for _, one := range v.Get("enum").Array() {
			all = append(all, "`"+one.String()+"`")
		}
		return strings.Join(all, ", ")
	}
	kind := v.Get("type").String()
	switch example := v.Get("examples.0"); {
	case v.Get("anyOf").Exists():
		kind = "size, such as `" + v.Get("examples.2").String() + "`"
	case strings.Contains(v.Get("pattern").String(), "(ns|us|"):
		kind = "duration, such as `" + v.Get("examples.1").String() + "`"
	case strings.HasPrefix(example.String(), "${"):
		kind = "secret, such as `" + example.String() + "`"
	case example.Exists():
		kind = "such as `" + example.String() + "`"
	case kind == "" || kind == "string":
		kind = "text"
	}
	for _, bound := range []struct{ key, words string }{{"minimum", "≥"}, {"exclusiveMinimum", ">"}, {"maximum", "≤"}, {"exclusiveMaximum", "<"}} {
		if limit := v.Get(bound.key); limit.Exists() && v.Get("type").Exists() {
			kind += " " + bound.words + " " + limit.Raw
		}
	}
	return kind
}

func defaultOf(v gjson.Result) string {
	if d := v.Get("default"); d.Exists() {
		return "`" + d.String() + "`"
	}
	return ""
}

// inCell is text in one cell of a table.
func inCell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}
