package incidentfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// frame is an object or a list that is being read.
type frame struct {
	object  bool
	wantKey bool
	key     string
	index   int
	path    string
}

// next moves on behind a value.
func (f *frame) next() {
	f.wantKey = f.object
	f.index++
}

// here is the path of the value that comes next.
func (f *frame) here() string {
	if f.object {
		return f.path + "." + f.key
	}
	return fmt.Sprintf("%s[%d]", f.path, f.index)
}

// rewrite puts what fn makes of a string in its place, for all strings that are values. Everything else stays byte for byte, numbers too:
// what decisions rest on must not pass through a float.
func rewrite(path string, text []byte, fn func(path, key, value string) string) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var out bytes.Buffer
	copied, stack := 0, []*frame{{path: path}}
	for {
		before := int(dec.InputOffset())
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			out.Write(text[copied:])
			return out.Bytes(), nil
		}
		if err != nil {
			return nil, err
		}
		top := stack[len(stack)-1]
		switch v := token.(type) {
		case json.Delim:
			if v == '}' || v == ']' {
				stack = stack[:len(stack)-1]
				stack[len(stack)-1].next()
				continue
			}
			below := path
			if len(stack) > 1 {
				below = top.here()
			}
			stack = append(stack, &frame{object: v == '{', wantKey: v == '{', path: below})
		case string:
			if top.wantKey {
				top.key, top.wantKey = v, false
				continue
			}
			if masked := fn(top.here(), top.key, v); masked != v {
				// Between two tokens there are only blanks, commas and colons.
				start := before + bytes.IndexByte(text[before:], '"')
				out.Write(text[copied:start])
				quoted, err := quote(masked)
				if err != nil {
					return nil, err
				}
				out.Write(quoted)
				copied = int(dec.InputOffset())
			}
			top.next()
		default:
			top.next()
		}
	}
}

func quote(s string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Masked is something that was taken out.
type Masked struct {
	// Where is the path of the text in the file, What what was found there, and Times how often.
	Where string `json:"where"`
	What  string `json:"what"`
	Times int    `json:"times"`
}

// mostMasked bounds the list; what is more is counted in its last entry.
const mostMasked = 500

// note enters something that was taken out.
func (m *masker) note(where, what string, times int) {
	i := slices.IndexFunc(m.found, func(f Masked) bool { return f.Where == where && f.What == what })
	switch {
	case i >= 0:
		m.found[i].Times += times
	case len(m.found) < mostMasked:
		m.found = append(m.found, Masked{Where: where, What: what, Times: times})
	case m.found[mostMasked-1].Where != elsewhere:
		m.found[mostMasked-1].Times += times
		m.found[mostMasked-1].Where, m.found[mostMasked-1].What = elsewhere, "more of the same kinds"
	default:
		m.found[mostMasked-1].Times += times
	}
}

const elsewhere = "elsewhere"
