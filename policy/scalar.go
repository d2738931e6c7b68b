package policy

import (
	"cmp"
	"encoding"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// scalar reads one value: text, a number, yes or no. Secrets are never part of what is said about them.
func (d *document) scalar(n *yaml.Node, v reflect.Value, s spot) {
	pos := d.at[s.path].value
	secret := v.Type() == reflect.TypeFor[Secret]()
	if n.Kind != yaml.ScalarNode {
		d.unreadable(pos, s.path, "expected %s, got %s", expected(v.Type()), shape(n))
		return
	}
	if !secret {
		here := d.at[s.path]
		here.text = cmp.Or(s.alias, n.Value)
		d.at[s.path] = here
	}
	if !suits(n, v) {
		d.unreadable(pos, s.path, "expected %s, got %s", expected(v.Type()), got(n, v.Type(), d.at[s.path].text))
		return
	}
	text := n.Value
	if v.Kind() == reflect.String && choices(s.rule.is) == nil && !s.rule.raw {
		var ok bool
		if text, ok = d.expand(text, pos, s.path); !ok {
			return
		}
	}
	if err := setText(v, text); err != nil {
		d.unreadable(pos, s.path, "expected %s, got %s", expected(v.Type()), got(n, v.Type(), d.at[s.path].text))
		return
	}
	if said := bounds(v, s.rule, d.written(s.path)); said != "" {
		d.unreadable(pos, s.path, "%s", said)
		v.SetZero()
		return
	}
	if said := d.kind(v, s); said != "" {
		d.unreadable(pos, s.path, "%s", said)
	}
}

// suits says whether a YAML scalar is of the kind that a field wants. Text must be text, so that nobody is surprised by
// what YAML makes of 0777, 1e3 or 2024-01-01.
func suits(n *yaml.Node, v reflect.Value) bool {
	switch v.Interface().(type) {
	case Duration, ClockTime:
		return n.Tag == "!!str"
	case Instant:
		return n.Value != "" && (n.Tag == "!!str" || n.Tag == "!!timestamp")
	case Bytes:
		return n.Tag == "!!str" || n.Tag == "!!int"
	}
	switch v.Kind() {
	case reflect.Bool:
		return n.Tag == "!!bool"
	case reflect.Int:
		return n.Tag == "!!int"
	case reflect.Float64:
		return n.Tag == "!!int" || n.Tag == "!!float"
	}
	return n.Tag == "!!str" || n.Tag == "!!merge"
}

// expected says in a user's words what a field wants.
func expected(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Duration]():
		return "a duration such as 30s"
	case reflect.TypeFor[Bytes]():
		return "a size such as 512KiB or 8GiB"
	case reflect.TypeFor[Instant]():
		return "a moment such as 2026-12-24T18:00:00Z"
	case reflect.TypeFor[ClockTime]():
		return "a time of day such as '22:00'"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	}
	return "text"
}

// got says what stands there instead, with a hint where the slip is a common one.
func got(n *yaml.Node, t reflect.Type, written string) string {
	if t == reflect.TypeFor[Secret]() {
		return "something else: put it in quotes"
	}
	q := quote(written)
	if t.Kind() == reflect.String {
		return q + " without quotes: put it in quotes"
	}
	switch t {
	case reflect.TypeFor[Instant]():
		if hint := instantHint(written); hint != "" {
			return q + " " + hint
		}
		return q
	case reflect.TypeFor[ClockTime]():
		return q + clockHint(written)
	case reflect.TypeFor[Duration]():
		if days, ok := strings.CutSuffix(written, "d"); ok {
			if f, err := strconv.ParseFloat(days, 64); err == nil && f > 0 && f < 1e5 {
				return fmt.Sprintf("%s: days are written in hours, %gh", q, f*24)
			}
		}
		if i, err := strconv.Atoi(written); err == nil {
			return fmt.Sprintf("%s without a unit: write %ds, or another unit (ms, m, h)", q, i)
		}
	}
	if n.Tag == "!!str" && t.Kind() != reflect.Bool && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		if _, err := strconv.ParseFloat(written, 64); err == nil {
			return "text: take the quotes off " + q
		}
	}
	return q
}

// setText sets a scalar from its text. It is what files, defaults and bounds are read with alike.
func setText(v reflect.Value, text string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.Bool:
		b, err := strconv.ParseBool(strings.ToLower(text))
		if err != nil {
			return fmt.Errorf("parse bool: %w", err)
		}
		v.SetBool(b)
	case reflect.Int:
		i, err := strconv.Atoi(text)
		if err != nil || strconv.Itoa(i) != strings.TrimPrefix(text, "+") {
			return strconv.ErrSyntax
		}
		v.SetInt(int64(i))
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return strconv.ErrSyntax
		}
		v.SetFloat(f)
	default:
		v.SetString(text)
	}
	return nil
}

// bounds says what is wrong with the size of a value, or "".
func bounds(v reflect.Value, r rule, written string) string {
	switch {
	case v.Kind() == reflect.String:
		return ""
	case r.min != "" && number(v) < limit(v, r.min):
		return fmt.Sprintf("must be at least %s, got %s", r.min, written)
	case r.over != "" && number(v) <= limit(v, r.over):
		return fmt.Sprintf("must be more than %s, got %s", r.over, written)
	case r.under != "" && number(v) >= limit(v, r.under):
		return fmt.Sprintf("must be less than %s, got %s", r.under, written)
	case r.max != "" && number(v) > limit(v, r.max):
		return fmt.Sprintf("must be at most %s, got %s", r.max, written)
	}
	return ""
}

// limit is a bound in the notation of a field, as a number.
func limit(like reflect.Value, text string) float64 {
	v := reflect.New(like.Type()).Elem()
	if err := setText(v, text); err != nil {
		return math.NaN() // a slip in a tag; a test reads all of them
	}
	return number(v)
}

// number is a number whatever its type.
func number(v reflect.Value) float64 {
	if v.CanInt() {
		return float64(v.Int())
	}
	return v.Float()
}

// kind says what is wrong with a text of a certain kind, or "".
func (d *document) kind(v reflect.Value, s spot) string {
	if v.Type() == reflect.TypeFor[Secret]() {
		return secretProblem(Secret(v.String()), s.rule)
	}
	if v.Kind() != reflect.String || v.String() == "" {
		return ""
	}
	if known := choices(s.rule.is); known != nil && !slices.Contains(known, v.String()) {
		return d.written(s.path) + " is not known here: " + oneOf(v.String(), known)
	}
	switch s.rule.is {
	case "name":
		if !isName(v.String()) {
			return "must be of letters, digits, '_' and '-', since it becomes a key, got " + d.written(s.path)
		}
	case "url", "base":
		return urlProblem(v.String(), d.at[s.path].text, s.rule.is == "base", "http", "https")
	case "anchor":
		return anchorProblem(v.String(), d.at[s.path].text)
	case "nats":
		return natsProblem(v.String(), d.at[s.path].text)
	case "email":
		return emailProblem(v.String(), d.at[s.path].text)
	case "file":
		path, said := d.regular(v.String())
		v.SetString(path)
		return said
	}
	if said := placeProblem(s.rule.is, v.String(), d.at[s.path].text); said != "" {
		return said
	}
	if said := sessionText(s.rule.is, v.String(), d.at[s.path].text); said != "" {
		return said
	}
	return idProblem(s.rule.is, v.String(), d.at[s.path].text)
}

// isName says whether text can be one token of a key.
func isName(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' {
			return false
		}
	}
	return s != ""
}

// wholeSeconds says whether a duration has no fraction of a second.
func wholeSeconds(d Duration) bool { return d.D()%time.Second == 0 }
