package alerts_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/firebreak-sre/firebreak/alerts"
)

// withAnnotations is a body with one alert that has these annotations.
func withAnnotations(t *testing.T, notes map[string]string) []byte {
	t.Helper()
	b, err := json.Marshal(notes)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(one(`"status":"firing","generatorURL":"http://p","annotations":` + string(b)))
}

// An alert that is too large for the bus keeps its labels and the beginning of each annotation; the longest is cut
// first and says by how much.
func TestParseCutsAnnotations(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", 150<<10)
	b, list := decoded(t, withAnnotations(t, map[string]string{"huge": long, "summary": "short"}))
	if got := len(b.Alerts[0]); got > alerts.MaxAlert || got < alerts.MaxAlert-1024 {
		t.Errorf("got %d bytes, want a little less than %d", got, alerts.MaxAlert)
	}
	a := list[0]
	if a.Annotations["summary"] != "short" || a.Name() != "A" || a.GeneratorURL != "http://p" {
		t.Errorf("got name %q, URL %q, summary %q: want all of them kept", a.Name(), a.GeneratorURL, a.Annotations["summary"])
	}
	head, note, ok := strings.Cut(a.Annotations["huge"], " … [")
	if want := fmt.Sprintf("%d bytes cut]", len(long)-len(head)); !ok || note != want {
		t.Errorf("got note %q, want %q", note, want)
	}
	if !strings.HasPrefix(long, head) || !utf8.ValidString(head) {
		t.Error("what is left is not the beginning")
	}
}

// Whatever is large, the line fits or the alert is refused; the labels are never cut.
func TestParseFitsAnything(t *testing.T) {
	t.Parallel()
	many := map[string]string{}
	for i := range 4000 {
		many[fmt.Sprintf("note-%d", i)] = strings.Repeat("x", 1000+i%300)
	}
	cases := map[string]struct {
		notes map[string]string
		want  func(alerts.Alert) bool
	}{
		"control characters": {map[string]string{"a": strings.Repeat("\x01", 100<<10)}, func(a alerts.Alert) bool {
			return strings.HasPrefix(a.Annotations["a"], "\x01\x01")
		}},
		"line separators": {map[string]string{"a": strings.Repeat("\u2028", 80<<10)}, func(a alerts.Alert) bool {
			return strings.HasPrefix(a.Annotations["a"], "\u2028")
		}},
		"two long ones": {map[string]string{"a": strings.Repeat("a", 400<<10), "b": strings.Repeat("b", 200<<10)}, func(a alerts.Alert) bool {
			return len(a.Annotations["a"]) < 64<<10 && len(a.Annotations["b"]) == 200<<10
		}},
		"thousands":  {many, func(a alerts.Alert) bool { return strings.Contains(a.Annotations["firebreak_cut"], "4000 annotations") }},
		"a long key": {map[string]string{strings.Repeat("k", 300<<10): "v"}, func(a alerts.Alert) bool { return len(a.Annotations) == 1 }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, list := decoded(t, withAnnotations(t, c.notes))
			if len(b.Alerts[0]) > alerts.MaxAlert || !c.want(list[0]) {
				t.Errorf("got %d bytes, %d annotations, %.200s", len(b.Alerts[0]), len(list[0].Annotations), b.Alerts[0])
			}
		})
	}

	_, list := decoded(t, []byte(one(`"status":"firing","annotations":{"a":"kept"},"generatorURL":"`+strings.Repeat("u", 300<<10)+`"`)))
	if list[0].GeneratorURL != "" || list[0].Annotations["a"] != "kept" {
		t.Errorf("long URL: got %d bytes of it and annotations %v", len(list[0].GeneratorURL), list[0].Annotations)
	}

	long := strings.Replace(one(`"status":"firing"`), `"A"`, `"`+strings.Repeat("A", alerts.MaxAlert)+`"`, 1)
	_, err := alerts.Parse([]byte(long))
	var refused *alerts.BodyError
	if !errors.As(err, &refused) || refused.Code != alerts.CodeAlertInvalid || !strings.Contains(err.Error(), "labels") {
		t.Errorf("long label: got %v, want %s", err, alerts.CodeAlertInvalid)
	}
}
