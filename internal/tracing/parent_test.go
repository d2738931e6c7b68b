package tracing_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/internal/tracing"
)

const (
	given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	state = "vendor=a1,other@x=b"
)

// What is valid is kept as it is; what is not is no trace, and a bad tracestate takes nothing else with it.
func TestFromHeader(t *testing.T) {
	t.Parallel()
	long := "vendor=" + strings.Repeat("a", 250) + ",other=" + strings.Repeat("b", 250) + ",third=c"
	for name, c := range map[string]struct {
		parent, state []string
		want          tracing.Parent
	}{
		"none":                            {nil, nil, tracing.Parent{}},
		"a state without a parent":        {nil, []string{state}, tracing.Parent{}},
		"valid":                           {[]string{given}, []string{state}, tracing.Parent{Trace: given, State: state}},
		"not sampled":                     {[]string{given[:53] + "00"}, nil, tracing.Parent{Trace: given[:53] + "00"}},
		"blanks around it":                {[]string{" " + given + "\t"}, nil, tracing.Parent{Trace: given}},
		"two of them":                     {[]string{given, given}, nil, tracing.Parent{}},
		"a state over two headers":        {[]string{given}, []string{"vendor=a1", "other@x=b"}, tracing.Parent{Trace: given, State: state}},
		"a state that is none":            {[]string{given}, []string{"=;no"}, tracing.Parent{Trace: given}},
		"a state that is too long":        {[]string{given}, []string{long}, tracing.Parent{Trace: given}},
		"more behind it":                  {[]string{given + "-more"}, nil, tracing.Parent{}},
		"more behind a later version":     {[]string{"cc" + given[2:] + "-more"}, nil, tracing.Parent{Trace: given}},
		"a version that there cannot be":  {[]string{"ff" + given[2:]}, nil, tracing.Parent{}},
		"capital letters":                 {[]string{strings.ToUpper(given)}, nil, tracing.Parent{}},
		"a trace of zeros":                {[]string{"00-" + strings.Repeat("0", 32) + given[35:]}, nil, tracing.Parent{}},
		"a span of zeros":                 {[]string{given[:36] + strings.Repeat("0", 16) + "-01"}, nil, tracing.Parent{}},
		"a quotation mark":                {[]string{strings.Replace(given, "4", `"`, 1)}, nil, tracing.Parent{}},
		"an underscore where a dash goes": {[]string{strings.ReplaceAll(given, "-", "_")}, nil, tracing.Parent{}},
	} {
		h := http.Header{"Traceparent": c.parent, "Tracestate": c.state}
		if got := tracing.FromHeader(h); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

// Whatever strangers send, what is kept is nothing or a trace that is read the same again, and it is bounded.
func FuzzFromHeader(f *testing.F) {
	f.Add(given, state)
	f.Add("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", "a=b,,c=d")
	f.Add("00-", strings.Repeat("a=b,", 200))
	f.Fuzz(func(t *testing.T, parent, state string) {
		p := tracing.FromHeader(http.Header{"Traceparent": {parent}, "Tracestate": {state}})
		if p.Trace == "" && p.State != "" || p.Trace != "" && len(p.Trace) != 55 || len(p.State) > 512 {
			t.Fatalf("got %+v", p)
		}
		if again := tracing.FromHeader(http.Header{"Traceparent": {p.Trace}, "Tracestate": {p.State}}); again != p {
			t.Fatalf("got %+v, and %+v when read again", p, again)
		}
	})
}
