package guard_test

import (
	"context"
	"strings"
	"testing"

	"github.com/prometheus/alertmanager/matcher/parse"
	"github.com/prometheus/alertmanager/pkg/labels"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/alerts/live"
	"github.com/firebreak-sre/firebreak/remediations/guard"
)

// listener is an Alertmanager that notes the matchers it is asked with.
type listener struct{ heard []string }

func (l *listener) Ready(context.Context) error { return nil }

func (l *listener) Muted(context.Context, []string, string) (map[string][]string, error) {
	return nil, nil
}

func (l *listener) Alerts(_ context.Context, matchers []string) ([]live.Alert, error) {
	l.heard = matchers
	return nil, nil
}

// matchersFor are the matchers that alerts with these names are asked for with.
func matchersFor(t *testing.T, names ...string) []string {
	t.Helper()
	l := &listener{}
	am, err := guard.NewAlertmanagers([]guard.Peer{{Name: "am", Source: l}})
	if err != nil {
		t.Fatal(err)
	}
	var list []alerts.Alert
	for _, name := range names {
		list = append(list, alerts.Alert{Fingerprint: name, Labels: map[string]string{"alertname": name}})
	}
	am.Check(t.Context(), list)
	return l.heard
}

// wantMatch says that both of Alertmanager's own parsers read the matcher, and that it chooses exactly what it should.
func wantMatch(t *testing.T, matcher string, names []string, others ...string) {
	t.Helper()
	for parser, read := range map[string]func(string) (*labels.Matcher, error){"UTF-8": parse.Matcher, "classic": labels.ParseMatcher} {
		m, err := read(matcher)
		if err != nil {
			t.Errorf("%s parser: %s: %v", parser, matcher, err)
			continue
		}
		if m.Name != "alertname" {
			t.Errorf("%s parser: %s: got label %q", parser, matcher, m.Name)
		}
		for _, name := range names {
			if !m.Matches(name) {
				t.Errorf("%s parser: %s does not match %q", parser, matcher, name)
			}
		}
		for _, name := range others {
			if m.Matches(name) {
				t.Errorf("%s parser: %s matches %q", parser, matcher, name)
			}
		}
	}
}

// oddNames are names of alerts as nobody should write them, but may.
func oddNames() []string {
	return []string{"PoolExhausted", "", " ", `"`, `\`, `\\`, `\n`, "\n", "\r\n", "\t", "a b", `a"b`, `a\"b`, `a\`, "'", "`", "{}", "a,b",
		"a=~b", ".*", "a|b", "(", "^$", "ü", "日本語", "🔥", "e\u0301", "\u202e", "\x00", "\x7f", "\uFFFD", `", x="y`, "%20&filter=", "+", "#"}
}

// Any name is asked for exactly, alone or among others.
func TestMatchersOfOddNames(t *testing.T) {
	t.Parallel()
	all := oddNames()
	for i, name := range all {
		asked := matchersFor(t, name, name)
		if len(asked) != 1 {
			t.Fatalf("%q: got matchers %q", name, asked)
		}
		wantMatch(t, asked[0], []string{name}, all[(i+1)%len(all)], name+"x")
	}
	asked := matchersFor(t, all...)
	if len(asked) != 1 {
		t.Fatalf("got matchers %q", asked)
	}
	wantMatch(t, asked[0], all, "x", "aab", "PoolExhaustedx")
}

// Names that do not fit into an address are not sent.
func TestMatchersOfLongNames(t *testing.T) {
	t.Parallel()
	if asked := matchersFor(t, strings.Repeat("x", 3000)); asked != nil {
		t.Errorf("got %q, want none", asked)
	}
	if asked := matchersFor(t, strings.Repeat("x", 1500), strings.Repeat("y", 1500)); asked != nil {
		t.Errorf("got %q, want none", asked)
	}
}

// Whatever a stranger names an alert, the matcher means exactly that.
func FuzzMatchers(f *testing.F) {
	for _, name := range oddNames() {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		name = strings.ToValidUTF8(name, "\uFFFD") // as JSON delivers it
		if asked := matchersFor(t, name); len(asked) == 1 {
			wantMatch(t, asked[0], []string{name}, name+"x")
		}
		if asked := matchersFor(t, name, "Other"); len(asked) == 1 {
			wantMatch(t, asked[0], []string{name, "Other"}, name+"x", "Otherx")
		}
	})
}
