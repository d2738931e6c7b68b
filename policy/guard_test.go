package policy_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the cases name time zones, and not every machine knows them

	"go.yaml.in/yaml/v4"

	"github.com/firebreak-sre/firebreak/policy"
)

// TestGuardDefaults holds what a guard means that says little.
func TestGuardDefaults(t *testing.T) {
	t.Parallel()
	p := parse(t, `
server: {api: {operators: [{name: alice, token: "${TOKEN}"}]}}
alertmanagers: [{url: "http://am"}]
guard:
  maintenance:
    - {name: once, from: 2026-12-24T18:00:00+01:00, until: "2026-12-24T18:00:00Z"}
    - {name: daily, at: 00:00, for: 90m}
  observer: {anchors: ["a:1", "b:2", "c:3", "d:4"]}
  watchdog: {}
  heartbeat: {url: "https://${HOST}/x"}
`)
	at := func(h int) policy.Instant { return policy.Instant(time.Date(2026, 12, 24, h, 0, 0, 0, time.UTC)) }
	want := policy.Guard{
		StopFile: filepath.FromSlash("firebreak-data/STOP"),
		Maintenance: []policy.Window{
			{Name: "once", From: at(17), Until: at(18), TimeZone: "UTC"},
			{Name: "daily", At: 0, For: policy.Duration(90 * time.Minute), TimeZone: "UTC"},
		},
		Observer: policy.Observer{Anchors: []string{"a:1", "b:2", "c:3", "d:4"}, Need: 3,
			ClockSkew: policy.Duration(2 * time.Second), Timeout: policy.Duration(time.Second)},
		Watchdog:  &policy.Watchdog{Alert: "Watchdog", MaxAge: policy.Duration(15 * time.Minute)},
		Heartbeat: &policy.Heartbeat{URL: "https://am.example.com/x", Every: policy.Duration(time.Minute)},
	}
	if !reflect.DeepEqual(p.Guard, want) {
		t.Errorf("got  %+v\nwant %+v", p.Guard, want)
	}
	if w := p.Guard.Maintenance; !w[0].Once() || w[1].Once() {
		t.Errorf("once: got %t and %t, want true and false", w[0].Once(), w[1].Once())
	}
	if o := p.Server.API.Operators[0]; !reflect.DeepEqual(o.May, []string{"read"}) {
		t.Errorf("operator: got rights %q, want read", o.May)
	}
	if got := p.Alertmanagers[0].Receiver; got != "firebreak" {
		t.Errorf("receiver: got %q, want firebreak", got)
	}
}

// TestNeedIsMoreThanHalf: two halves of a split network can never both believe to be well.
func TestNeedIsMoreThanHalf(t *testing.T) {
	t.Parallel()
	for anchors, want := range []int{0, 1, 2, 2, 3, 3} {
		list := make([]string, anchors)
		for i := range anchors {
			list[i] = fmt.Sprintf(`"a:%d"`, i+1)
		}
		if got := parse(t, "guard: {observer: {anchors: ["+strings.Join(list, ", ")+"]}}").Guard.Observer.Need; got != want {
			t.Errorf("%d anchors: got need %d, want %d", anchors, got, want)
		}
	}
}

// TestStopFile: a path that the file names starts at the file, and the default is where the data is.
func TestStopFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("testdata", "files")
	for text, want := range map[string]string{
		"":                                filepath.FromSlash("firebreak-data/STOP"),
		"guard: {stop_file: }":            filepath.FromSlash("firebreak-data/STOP"),
		`guard: {stop_file: ""}`:          filepath.FromSlash("firebreak-data/STOP"),
		"bus: {data: /var/lib/fb}":        "/var/lib/fb/STOP",
		"bus: {data: data}":               filepath.Join(dir, "data", "STOP"),
		"bus: {url: \"nats://n\"}":        "./firebreak.stop",
		"guard: {stop_file: halt}":        filepath.Join(dir, "halt"),
		"guard: {stop_file: ../halt}":     filepath.Join("testdata", "halt"),
		"guard: {stop_file: /run/fb.off}": "/run/fb.off",
		`{bus: {url: "nats://n"}, guard: {stop_file: "${NAME}.stop"}}`: filepath.Join(dir, "checkout.stop"),
	} {
		if got := parse(t, text).Guard.StopFile; got != want {
			t.Errorf("policy %q: got %q, want %q", text, got, want)
		}
	}
}

// TestSetData: the stop file goes where the data goes, but for one that was named.
func TestSetData(t *testing.T) {
	t.Parallel()
	p := parse(t, "bus: {data: /var/lib/fb}")
	if p.SetData("/tmp/x"); p.Bus.Data != "/tmp/x" || p.Guard.StopFile != filepath.FromSlash("/tmp/x/STOP") {
		t.Errorf("default: got %q and %q", p.Bus.Data, p.Guard.StopFile)
	}
	p = parse(t, "{bus: {data: /var/lib/fb}, guard: {stop_file: /run/off}}")
	if p.SetData("/tmp/x"); p.Bus.Data != "/tmp/x" || p.Guard.StopFile != "/run/off" {
		t.Errorf("named: got %q and %q", p.Bus.Data, p.Guard.StopFile)
	}
}

// TestOperatorCan: whoever has any right may read, and nobody has a right that is not named.
func TestOperatorCan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		may   []string
		right string
		want  bool
	}{
		{nil, "read", false}, {nil, "operate", false}, {[]string{"read"}, "read", true}, {[]string{"read"}, "operate", false},
		{[]string{"operate"}, "read", true}, {[]string{"operate"}, "operate", true}, {[]string{"operate"}, "approve", false},
		{[]string{"approve"}, "read", true}, {[]string{"approve"}, "operate", false}, {[]string{"read"}, "", false},
	} {
		if got := (policy.Operator{May: c.may}).Can(c.right); got != c.want {
			t.Errorf("%q, right %q: got %t, want %t", c.may, c.right, got, c.want)
		}
	}
}

// TestMoments: moments and times of day read back what they write, in JSON and YAML, and refuse what is none.
func TestMoments(t *testing.T) {
	t.Parallel()
	type both struct {
		At   policy.Instant   `json:"at" yaml:"at"`
		Open policy.ClockTime `json:"open" yaml:"open"`
	}
	for _, v := range []both{
		{}, {policy.Instant(time.Date(2026, 12, 24, 18, 0, 0, 5, time.UTC)), 23*60 + 59}, {policy.Instant(time.Unix(0, 0).UTC()), 1},
	} {
		var fromJSON, fromYAML both
		asJSON, err1 := json.Marshal(v)
		asYAML, err2 := yaml.Dump(v)
		err3, err4 := json.Unmarshal(asJSON, &fromJSON), yaml.Load(asYAML, &fromYAML)
		if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
			t.Errorf("%v: got %v, %v, %v, %v", v, err1, err2, err3, err4)
		}
		if fromJSON != v || fromYAML != v {
			t.Errorf("got %v from %s and %v from %s, want %v", fromJSON, asJSON, fromYAML, asYAML, v)
		}
	}
	var i policy.Instant
	if err := i.UnmarshalText([]byte("2026-12-24T18:00:00+01:00")); err != nil || i.String() != "2026-12-24T17:00:00Z" || i.IsZero() {
		t.Errorf("offset: got %s and %v", i, err)
	}
	for _, text := range []string{"2026-12-24", "2026-12-24T18:00:00", "2026-12-24 18:00:00Z", "2026-12-24t18:00:00z", "2026-02-30T00:00:00Z",
		"2026-12-24T18:00:00,5Z", "0001-01-01T00:00:00Z", "now", " "} {
		if err := i.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: got %s, want an error", text, i)
		}
	}
	var c policy.ClockTime
	if err := c.UnmarshalText([]byte("07:05")); err != nil || c != 425 || c.String() != "07:05" {
		t.Errorf("got %d, %s and %v, want 425", c, c, err)
	}
	if h, m := c.Clock(); h != 7 || m != 5 {
		t.Errorf("clock: got %d and %d, want 7 and 5", h, m)
	}
	for _, text := range []string{"", "7:05", "24:00", "22:60", "2205", "22:05:00", "10pm", "-1:00", "+1:00", "22.05"} {
		if err := c.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: got %s, want an error", text, c)
		}
	}
}

// TestGuardKeepsSecrets: the heartbeat's address and the operators' tokens are secrets, and do not change the hash.
func TestGuardKeepsSecrets(t *testing.T) {
	t.Parallel()
	const text = "{guard: {heartbeat: {url: \"https://x/%\"}}, server: {api: {operators: [{name: a, token: \"%-%-%-%\"}]}}}"
	p := parse(t, strings.ReplaceAll(text, "%", "${SHORT}"))
	asJSON, err := json.Marshal(p)
	if err != nil || strings.Contains(string(asJSON), "hunter") {
		t.Errorf("got %s and %v, want no secret", asJSON, err)
	}
	if a, b := p.Hash(), parse(t, strings.ReplaceAll(text, "%", "other")).Hash(); a != b {
		t.Errorf("two secrets: got %s and %s, want the same", a, b)
	}
	if a, b := p.Hash(), policy.Default().Hash(); a == b {
		t.Errorf("with and without an operator: got %s twice", a)
	}
}
