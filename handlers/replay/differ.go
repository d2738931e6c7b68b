package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// difference is the first place at which two values differ as JSON, and what stands there: "" if they are the same.
func difference(a, b any) (path, left, right string) {
	x, errX := generic(a)
	y, errY := generic(b)
	if errX != nil || errY != nil {
		return ".", fmt.Sprint(errX), fmt.Sprint(errY)
	}
	return differ("", x, y)
}

// generic is a value as JSON has it, numbers as they are written.
func generic(v any) (any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var out any
	err = dec.Decode(&out)
	return out, err
}

func differ(path string, a, b any) (where, left, right string) {
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			return differMaps(path, x, y)
		}
	case []any:
		if y, ok := b.([]any); ok {
			return differLists(path, x, y)
		}
	default:
		if a == b {
			return "", "", ""
		}
	}
	if path == "" {
		path = "."
	}
	return path, short(a), short(b)
}

func differMaps(path string, x, y map[string]any) (where, left, right string) {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(x)), maps.Keys(y))
	slices.Sort(keys)
	for _, k := range slices.Compact(keys) {
		below := k
		if path != "" {
			below = path + "." + k
		}
		xv, inX := x[k]
		yv, inY := y[k]
		if inX != inY {
			return below, absent(xv, inX), absent(yv, inY)
		}
		if where, left, right := differ(below, xv, yv); where != "" {
			return where, left, right
		}
	}
	return "", "", ""
}

func differLists(path string, x, y []any) (where, left, right string) {
	for i := range max(len(x), len(y)) {
		below := fmt.Sprintf("%s[%d]", path, i)
		if i >= len(x) || i >= len(y) {
			return below, absentAt(x, i), absentAt(y, i)
		}
		if where, left, right := differ(below, x[i], y[i]); where != "" {
			return where, left, right
		}
	}
	return "", "", ""
}

func absent(v any, there bool) string {
	if !there {
		return "nothing"
	}
	return short(v)
}

func absentAt(list []any, i int) string {
	if i >= len(list) {
		return "nothing"
	}
	return short(list[i])
}

// longest is how much of a value is shown.
const longest = 200

func short(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	if len(text) > longest {
		return string(text[:longest]) + "…"
	}
	return string(text)
}
