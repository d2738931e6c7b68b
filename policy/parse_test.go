package policy_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/tools/txtar"

	"github.com/firebreak-sre/firebreak/policy"
)

// parse reads a policy that has no problem.
func parse(t *testing.T, text string) policy.Policy {
	t.Helper()
	p, err := policy.Parse("testdata/files/firebreak.yaml", []byte(text), testEnv)
	if err != nil {
		t.Fatalf("parse policy:\n%v", err)
	}
	return p
}

// TestDefault holds the defaults that the documentation names.
func TestDefault(t *testing.T) {
	t.Parallel()
	cooldown, risky := policy.Duration(10*time.Minute), policy.Duration(time.Hour)
	want := policy.Policy{
		Server: policy.Server{Listen: "127.0.0.1:9095", MaxBody: 16 << 20, StoreTimeout: policy.Duration(2 * time.Second)},
		Bus:    policy.Bus{Data: "./firebreak-data", Replicas: 1, MaxBytes: 8 << 30, IncidentsMaxBytes: 8 << 30, MaxAge: policy.Duration(90 * 24 * time.Hour)},
		Limits: policy.Limits{
			PerDomain: policy.Budget{Hour: 3, Day: 6, Concurrent: 1}, PerAction: policy.Budget{Hour: 6, Day: 20, Concurrent: 2},
			Global: policy.Budget{Hour: 10, Day: 40, Concurrent: 2}, Cooldown: &cooldown, CooldownRisky: &risky,
			AlertMaxAge: policy.Duration(2 * time.Minute),
			BlastRadius: policy.BlastRadius{Targets: 2, SharePercent: 33, AlertsPerMinute: 1000, Calm: policy.Duration(10 * time.Minute)},
			Chain:       policy.Chain{Fixes: 5, Window: policy.Duration(72 * time.Hour)},
		},
		Guard: policy.Guard{
			StopFile: filepath.FromSlash("firebreak-data/STOP"),
			Observer: policy.Observer{ClockSkew: policy.Duration(2 * time.Second), Timeout: policy.Duration(time.Second)},
		},
		Approvals: policy.Approvals{Expire: policy.Duration(10 * time.Minute)},
		Handlers: policy.Handlers{RetryStorm: policy.RetryStorm{
			Mode: policy.Observe, Alerts: []string{"RetryStorm"},
			Thresholds: policy.StormThresholds{
				Ratio: 1.3, RatioHealed: 1.1, MinCalls: 100, ErrorShare: 0.5, GoodputDrop: 0.1, ManyEdges: 3, Samples: 1,
				SampleEvery: policy.Duration(5 * time.Second), ConfirmAfter: policy.Duration(5 * time.Second), VerifyWithin: policy.Duration(time.Minute),
				HoldFor: policy.Duration(time.Minute), RampEvery: policy.Duration(30 * time.Second),
			},
		}, ReplicationLag: defaultLag(), PoolExhaustion: defaultPool(), SessionDrift: defaultDrift()},
	}
	if got := policy.Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, text := range []string{"", "# nothing\n", "---\n", "\ufeff", "server:\nhandlers:\n  retrystorm:\n    mode:\n"} {
		if got := parse(t, text); !reflect.DeepEqual(got, want) {
			t.Errorf("policy %q: got %+v, want the defaults", text, got)
		}
	}
}

// TestDefaultsOfParts holds the defaults that depend on what else is there.
func TestDefaultsOfParts(t *testing.T) {
	t.Parallel()
	p := parse(t, `
bus: {url: "nats://n1"}
handlers:
  retrystorm:
    mode: auto
    edges:
      - service: a
        edge: b
        probe: {json: {urls: ["http://a"], calls: c, attempts: a, successes: s, failures: f}}
        fix:
          allow: [shed]
          http:
            instances: ["http://a"]
            controls:
              shed: {apply: {path: /on}, revert: {path: /off}, adjust: {path: /adjust}, read: {path: /s, state: s, on: a, off: b}}
`)
	if p.Bus.Replicas != 3 || p.Bus.Data != "" {
		t.Errorf("external bus: got %d replicas and folder %q, want 3 and none", p.Bus.Replicas, p.Bus.Data)
	}
	e := p.Handlers.RetryStorm.Edges[0]
	if e.Mode != policy.Auto || e.Domain != "a" || e.Zone != "all" || !reflect.DeepEqual(e.Match, map[string]string{"service": "a", "edge": "b"}) {
		t.Errorf("edge: got mode %s, domain %s, zone %s, match %v", e.Mode, e.Domain, e.Zone, e.Match)
	}
	want := policy.EdgeFix{
		HTTP: e.Fix.HTTP, Allow: []string{"shed"}, BudgetPercent: 10, ShedPercent: 50, TTL: policy.Duration(time.Minute),
		Limit: policy.Duration(5 * time.Minute), Ramp: []int{50, 75, 90}, Timeout: policy.Duration(5 * time.Second),
	}
	if !reflect.DeepEqual(e.Fix, want) {
		t.Errorf("fix: got %+v, want %+v", e.Fix, want)
	}
	if c := e.Fix.HTTP.Controls["shed"]; c.Apply.Method != "POST" || c.Revert.Method != "POST" || c.Adjust.Method != "POST" {
		t.Errorf("methods: got %+v, want POST", c)
	}
}

// TestNoneIsNotAbsent: what is said to be none stays none, and does not take the default.
func TestNoneIsNotAbsent(t *testing.T) {
	t.Parallel()
	p := parse(t, `
limits: {cooldown: 0s, cooldown_risky: 0s}
handlers:
  retrystorm:
    edges:
      - service: a
        edge: b
        probe: {json: {urls: ["http://a"], calls: c, attempts: a, successes: s, failures: f}}
        fix: {ramp: []}
`)
	if ramp := p.Handlers.RetryStorm.Edges[0].Fix.Ramp; ramp == nil || len(ramp) != 0 {
		t.Errorf("ramp: got %#v, want none", ramp)
	}
	for _, c := range []*policy.Duration{p.Limits.Cooldown, p.Limits.CooldownRisky} {
		if c == nil || *c != 0 {
			t.Errorf("cooldown: got %v, want none", c)
		}
	}
}

// TestSecretsAreResolved: variables and files are read, without the files' line ends, and escapes are taken back.
func TestSecretsAreResolved(t *testing.T) {
	t.Parallel()
	const fromFile = "a-token-of-twenty-four-chars"
	p := parse(t, `
server:
  webhook:
    bearer_tokens: ["${TOKEN}", "x${SHORT}-$${NAME}-$$-$x"]
    bearer_token_files: [token]
    username: ${NAME}
    password_file: token
handlers:
  retrystorm:
    edges:
      - service: ${NAME}
        edge: b
        probe: {prometheus: {url: "http://${HOST}", calls: "${NAME}", attempts: $$, successes: "$${x}", failures: f}}
`)
	tokens := []string{}
	for _, s := range p.Server.Webhook.BearerTokens {
		tokens = append(tokens, s.Reveal())
	}
	if want := []string{"hunter2-hunter2-hunter2-hunter2", "xhunter2-${NAME}-$$-$x", fromFile}; !reflect.DeepEqual(tokens, want) {
		t.Errorf("tokens: got %q, want %q", tokens, want)
	}
	if got := p.Server.Webhook; got.Username != "checkout" || got.Password.Reveal() != fromFile || got.PasswordFile != filepath.Join("testdata", "files", "token") {
		t.Errorf("login: got %q, %q from %q", got.Username, got.Password.Reveal(), got.PasswordFile)
	}
	e := p.Handlers.RetryStorm.Edges[0]
	if q := e.Probe.Prometheus; e.Service != "checkout" || q.URL != "http://am.example.com" || q.Calls != "${NAME}" || q.Attempts != "$$" || q.Successes != "$${x}" {
		t.Errorf("edge: got service %q and probe %+v; expressions must be left alone", e.Service, *q)
	}
}

// TestLoad: a file is read as Parse does, and a file that cannot be read is said to be that.
func TestLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "firebreak.yaml")
	if _, err := policy.Load(path, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v, want that it does not exist", err)
	}
	if err := os.WriteFile(path, []byte("limits: {cooldown: 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := policy.Load(path, nil)
	want := path + ":1:20: limits.cooldown: expected a duration such as 30s, got '1' without a unit: write 1s, or another unit (ms, m, h)"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestNotAPolicy: what is too large, or no text, is refused at once.
func TestNotAPolicy(t *testing.T) {
	t.Parallel()
	var labels strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&labels, "l%d: x, ", i)
	}
	aliases := "handlers: {retrystorm: {edges: [{match: &m {" + labels.String() + "}}, " + strings.Repeat("{match: *m}, ", 200) + "]}}"
	for name, c := range map[string]struct{ data, want string }{
		"not UTF-8": {"a: b\nc: ü\xff", "p:2:5: this is not UTF-8: write the file in UTF-8"},
		"too large": {strings.Repeat("#", 4<<20+1), "p:1:1: is larger than 4MiB: this is not a policy"},
		"aliases": {aliases, "p:1:16902: handlers.retrystorm.edges[99].match.l1796: " +
			"there are more than 200000 values: this is not a policy"},
	} {
		got := problemsOf(t, "p", []byte(c.data))
		if !slices.ContainsFunc(got, func(p policy.Problem) bool { return p.String() == c.want }) {
			t.Errorf("%s: got %d problems, first %s, want %s", name, len(got), got[0], c.want)
			for _, p := range got {
				if strings.Contains(p.Message, "values") {
					t.Log(p)
				}
			}
		}
	}
}

// FuzzParse: whatever stands in a file, it is read without a panic, every error is *Problems, each with words and a place
// inside of the file, and nothing that a variable holds is ever said.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/problems/*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatalf("list cases: %v, %d files", err, len(files))
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for i := 0; i < len(archive.Files); i += 2 {
			f.Add(archive.Files[i].Data) // small ones, so that the fuzzer spends no time on making them smaller
		}
	}
	f.Add([]byte("handlers:\n  retrystorm:\n    edges: [&a {service: ${TOKEN}, edge: *a}, *a]\n"))
	f.Add([]byte("server:\n\tlisten: 'ü\r\n---\n? [a]: {<<: b}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if strings.Contains(string(data), "hunter2") {
			t.Skip("holds the secret by itself")
		}
		lines := strings.SplitAfter(strings.TrimPrefix(string(data), "\ufeff"), "\n")
		for _, p := range problemsOf(t, "testdata/files/fuzz.yaml", data) {
			if p.Line < 1 || p.Line > len(lines) || p.Col < 1 || p.Col > utf8.RuneCountInString(lines[p.Line-1])+1 {
				t.Errorf("not in the file: %s", p)
			}
			if s := p.String(); strings.Contains(s, "hunter2") || strings.Contains(s, "\n") || p.Message == "" {
				t.Errorf("shows a variable, or is not one line: %q", s)
			}
		}
	})
}
