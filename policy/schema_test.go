package policy_test

import (
	"bytes"
	"encoding"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/firebreak-sre/firebreak/policy"
)

// anyEnv gives every variable a value of its own that suits.
func anyEnv(name string) (string, bool) {
	switch name {
	case "FIREBREAK_SLACK_BOT_TOKEN":
		return "xoxb-of-the-test", true
	case "FIREBREAK_SLACK_APP_TOKEN":
		return "xapp-of-the-test", true
	case "FIREBREAK_PAGERDUTY_KEY":
		return "0123456789abcdef0123456789abcdef", true
	}
	return name + "-of-more-than-24-bytes", true
}

// schema compiles the schema.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := policy.Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("policy.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("policy.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validate holds a policy against the schema, as an editor does.
func validate(t *testing.T, s *jsonschema.Schema, text []byte) error {
	t.Helper()
	var v any
	if err := yaml.Load(text, &v); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

// TestSchema: the examples are valid, and slips are not.
func TestSchema(t *testing.T) {
	t.Parallel()
	s := schema(t)
	cases := map[string][]byte{"example": policy.Example(),
		"size":    []byte("bus: {max_bytes: 1024}"),
		"moments": []byte("guard: {maintenance: [{name: a, from: 2026-12-24T18:00:00Z, until: \"2026-12-24T18:00:00.5+01:00\"}]}"),
		"times":   []byte("guard: {maintenance: [{name: a, at: \"23:59\", for: 1h, days: [mon, sun], handlers: [retrystorm]}]}"),
		"chat": []byte("outcomes: {slack: {channel: \"${CHANNEL}\", channels: {page: G12}, team: E12, app: A12}, " +
			"pagerduty: {severities: {x: info}}, messages: []}"),
		"ladder": []byte("outcomes: {escalation: {\"\": [{to: [slack]}], \"any value\": [{after: 5m, to: [a, b], mention: W12}], low: []}}"),
		"approvals": []byte("approvals: {expire: 5m, rules: [{handlers: [retrystorm], targets: [a/b], fixes: [open], " +
			"slack_users: [U12, \"${WHO}\"], slack_groups: [S12], emails: [a@b.example, \"${WHO}\"], operators: [alice]}]}"),
		"anchors": []byte("guard: {observer: {anchors: [\"a:1\", \"[::1]:53\", \"https://a/b\", \"${HOST}:53\"]}, watchdog: {}}"),
		"cluster": []byte("postgres: [{cluster: a, system_identifier: \"${ID}\", connect: {sslmode: require, probe: {user: u}}, " +
			"nodes: [{node: n, host: \"::1\", slot: \"\"}, {node: m, host: \"${HOST}\", slot: s_1}, {node: o, host: /run/postgresql}], " +
			"reads: {haproxy: {address: \"tcp://a:1\", backend: \"b:1\", servers: {n: \"${HOST}\"}}}, " +
			"pgbouncers: [{pgbouncer: b, host: h.example, stats: {user: s}}]}]"),
		"clusters": []byte("approvals: {rules: [{fixes: [drain, open, resume]}]}\nhandlers: {replicationlag: {clusters: [{cluster: a, fix: {allow: [drain]}}]}, " +
			"poolexhaustion: {clusters: [{cluster: \"${NAME}\", fix: {allow: [resume]}, " +
			"apps: [{app: a, prometheus: {url: \"http://p\", waiting: w, busy: b, size: s}}]}]}}"),
		"stores": []byte("sessions: [{store: a, ttl: 30s, redis: {primary: \"${HOST}\", prefix: \"\", replicas: [{name: r, address: \"[::1]:1\"}], tls: {}}}, " +
			"{store: b, ttl: 1m, postgres: {cluster: c, table: a.b, columns: {copy: \"-\", id: \"Session Id\", version_type: bigint}}}, " +
			"{store: c, ttl: 1m, http: {url: \"http://h\"}}]\n" +
			"handlers: {sessiondrift: {stores: [{store: a, fix: {allow: [sync, recover], recover_to: \"a.b:1\"}}]}}\n" +
			"approvals: {rules: [{fixes: [quarantine, set_aside]}]}"),
	}
	for _, file := range smallExamples(t) {
		small, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cases[file] = small
	}
	for name, text := range cases {
		if err := validate(t, s, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{
		"sever: {}", "server: {lisen: x}", "limits: {cooldown: 30}", "limits: {cooldown: thirty}", "bus: {max_bytes: lots}",
		"limits: {global: {hour: 0}}", "handlers: {retrystorm: {mode: of}}", "handlers: {retrystorm: {edges: [{service: a}]}}",
		"handlers: {retrystorm: {thresholds: {error_share: 1}}}", "outcomes: {webhooks: [{name: a b, url: x}]}",
		"handlers: {retrystorm: {edges: [{service: a, edge: b, fix: {breaker: {x: 1}}}]}}",
		"handlers: {retrystorm: {edges: [{service: a, edge: b, fix: {allow: [opn]}}]}}",
		"handlers: {retrystorm: {edges: [{service: a, edge: b, fix: {ramp: [100]}}]}}",
		"handlers: {retrystorm: {edges: [{service: a, edge: b, fix: {http: {instances: [x], controls: {opn: {}}}}}]}}",
		"guard: {maintenance: [{at: \"22:00\"}]}", "guard: {maintenance: [{name: a, at: \"24:00\"}]}", "guard: {maintenance: [{name: a, at: \"9:00\"}]}",
		"guard: {maintenance: [{name: a, from: tomorrow}]}", "guard: {maintenance: [{name: a, from: \"2026-12-24T18:00:00\"}]}",
		"guard: {maintenance: [{name: a, days: [monday]}]}", "guard: {maintenance: [{name: a, handlers: [storm]}]}",
		"guard: {observer: {anchors: [gateway]}}", "guard: {observer: {anchors: [\"ftp://a\"]}}", "guard: {observer: {need: 0}}",
		"guard: {heartbeat: {url: \" \"}}", "server: {api: {operators: [{token: x}]}}", "server: {api: {operators: [{name: a, may: [root]}]}}",
		"limits: {blast_radius: {share_percent: 101}}", "outcomes: {slack: {bot_token: x}}", "outcomes: {slack: {channel: \"#ops\"}}",
		"outcomes: {slack: {channel: C12, channels: {page: ops}}}", "outcomes: {slack: {channel: C12, team: C12}}", "outcomes: {slack: }",
		"outcomes: {pagerduty: {severities: {page: high}}}", "outcomes: {messages: [{url: \"discord://a@b\"}]}",
		"outcomes: {escalation: {high: [{after: 5m}]}}", "outcomes: {escalation: {high: [{to: []}]}}", "outcomes: {escalation: {high: {to: [slack]}}}",
		"outcomes: {escalation: {high: [{to: [slack], mention: C12}]}}", "approvals: {rules: [{fixes: [opne]}]}",
		"approvals: {rules: [{slack_users: [alice]}]}", "approvals: {rules: [{slack_groups: [U12]}]}", "approvals: {rules: [{emails: [alice]}]}",
		"approvals: {rules: [{handlers: [storm]}]}", "approvals: {expire: 10}",
		"postgres: [{}]", "postgres: [{cluster: a, connect: {probe: {user: u}}, nodes: []}]",
		"postgres: [{cluster: a, system_identifier: a, connect: {probe: {user: u}}, nodes: [{node: n, host: h}]}]",
		"postgres: [{cluster: a, connect: {sslmode: prefer, probe: {user: u}}, nodes: [{node: n, host: h}]}]",
		"postgres: [{cluster: a, connect: {probe: {user: u}}, nodes: [{node: n, host: \"a b\"}]}]",
		"postgres: [{cluster: a, connect: {probe: {user: u}}, nodes: [{node: n, host: h, slot: S}]}]",
		"postgres: [{cluster: a, connect: {probe: {user: u}}, nodes: [{node: n, host: h}], reads: {haproxy: {address: a, backend: b}}}]",
		"postgres: [{cluster: a, connect: {probe: {user: u}}, nodes: [{node: n, host: h}], reads: {haproxy: {address: /a, backend: b c}}}]",
		"postgres: [{cluster: a, connect: {probe: {user: u}}, nodes: [{node: n, host: h}], reads: {haproxy: {address: /a, backend: b, servers: {n: a/b}}}}]",
		"postgres: [{cluster: a, connect: {probe: {user: u}}, nodes: [{node: n, host: h}], patroni: {urls: []}}]",
		"handlers: {replicationlag: {clusters: [{cluster: a, fix: {allow: [open]}}]}}", "handlers: {replicationlag: {clusters: [{}]}}",
		"sessions: [{ttl: 1s}]", "sessions: [{store: a}]", "sessions: [{store: a, ttl: 1s, redis: {}}]", "sessions: [{store: a, ttl: 1s, redis: {primary: a}}]",
		"sessions: [{store: a, ttl: 1s, redis: {primary: \"a:1\", prefix: \"*\"}}]", "sessions: [{store: a, ttl: 1s, redis: {primary: \"a:1\", replicas: [{name: a}]}}]",
		"sessions: [{store: a, ttl: 1s, postgres: {cluster: a, table: b}}]", "sessions: [{store: a, ttl: 1s, postgres: {cluster: a, columns: {version_type: int}}}]",
		"sessions: [{store: a, ttl: 1s, postgres: {cluster: a, columns: {ids: x}}}]", "sessions: [{store: a, ttl: 1s, postgres: {cluster: a, columns: {id: 'a\"b'}}}]",
		"handlers: {sessiondrift: {stores: [{store: a, fix: {allow: [drain]}}]}}", "handlers: {sessiondrift: {stores: [{store: a, fix: {recover_to: a@b}}]}}",
		"handlers: {sessiondrift: {stores: [{store: a, fix: {max_sessions: 51}}]}}", "handlers: {sessiondrift: {thresholds: {orphan_percent: 0}}}",
		"handlers: {poolexhaustion: {clusters: [{cluster: a, fix: {allow: [drain]}}]}}", "handlers: {poolexhaustion: {thresholds: {headroom: 1}}}",
	} {
		if err := validate(t, s, []byte(text)); err == nil {
			t.Errorf("%s: is valid, want it refused", text)
		}
	}
}

// TestSchemaIsStable: the same bytes each time, with a line end, and words for every key.
func TestSchemaIsStable(t *testing.T) {
	t.Parallel()
	a, err := policy.Schema()
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := policy.Schema(); !bytes.Equal(a, b) || !bytes.HasSuffix(a, []byte("}\n")) {
		t.Error("the schema differs from one call to the next, or does not end a line")
	}
	type node struct {
		Description          string
		Properties           map[string]json.RawMessage
		Items                json.RawMessage
		AdditionalProperties json.RawMessage
	}
	keys := 0
	var walk func(path string, text json.RawMessage)
	walk = func(path string, text json.RawMessage) {
		var n node
		if len(text) == 0 || text[0] != '{' {
			return
		}
		if err := json.Unmarshal(text, &n); err != nil {
			t.Fatal(err)
		}
		for key, below := range n.Properties {
			var k node
			if err := json.Unmarshal(below, &k); err != nil || len(k.Description) < 10 {
				t.Errorf("%s.%s: got description %q (%v), want one", path, key, k.Description, err)
			}
			keys++
			walk(path+"."+key, below)
		}
		walk(path+"[]", n.Items)
		walk(path+".*", n.AdditionalProperties)
	}
	walk("", a)
	if keys < 100 {
		t.Errorf("got %d keys, want all", keys)
	}
}

// TestExample: the example has no problem, acts on nothing, and shows every key with a comment; those that exclude
// others are commented out.
func TestExample(t *testing.T) {
	t.Parallel()
	p, err := policy.Parse("example.yaml", policy.Example(), anyEnv)
	if err != nil {
		t.Fatalf("example:\n%v", err)
	}
	targets := p.Targets()
	for _, handler := range []string{"retrystorm", "replicationlag", "poolexhaustion", "sessiondrift"} {
		if !slices.ContainsFunc(targets, func(t policy.TargetName) bool { return t.Handler == handler && len(t.Fixes) > 0 }) {
			t.Errorf("%s: got no target with a fix, want one", handler)
		}
	}
	for _, target := range targets {
		if target.Mode != policy.Observe {
			t.Errorf("%s %s: got mode %s, want it observed", target.Handler, target.Name, target.Mode)
		}
	}
	text := regexp.MustCompile(`(?m)^( *)#([a-z0-9_]+:( |$))`).ReplaceAll(policy.Example(), []byte("$1$2"))
	var doc yaml.Node
	if err := yaml.Load(text, &doc); err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	collectKeys(doc.Content[0], "", shown)
	wantKeys(t, reflect.TypeFor[policy.Policy](), "", shown)
	if policy.Example()[0] = 'x'; policy.Example()[0] == 'x' {
		t.Error("a caller can change the example")
	}
}

// collectKeys notes the path of every key, "[]" for elements of lists.
func collectKeys(n *yaml.Node, path string, into map[string]bool) {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		key := strings.TrimPrefix(path+"."+n.Content[i].Value, ".")
		into[key] = true
		collectKeys(n.Content[i+1], key, into)
	}
	for _, e := range n.Content {
		if n.Kind == yaml.SequenceNode {
			collectKeys(e, path+"[]", into)
		}
	}
}

// wantKeys holds that every key of a struct, and of those below it, was seen.
func wantKeys(t *testing.T, typ reflect.Type, path string, seen map[string]bool) {
	t.Helper()
	switch typ.Kind() {
	case reflect.Pointer:
		wantKeys(t, typ.Elem(), path, seen)
	case reflect.Slice:
		wantKeys(t, typ.Elem(), path+"[]", seen)
	case reflect.Map:
		key := map[reflect.Kind]string{reflect.Struct: ".open", reflect.Slice: ".critical"}[typ.Elem().Kind()]
		wantKeys(t, typ.Elem(), path+key, seen)
	case reflect.Struct:
		if reflect.PointerTo(typ).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
			return
		}
		for i := range typ.NumField() {
			key := strings.TrimPrefix(path+"."+typ.Field(i).Tag.Get("yaml"), ".")
			// A method is shown where it is not the default; action and body are not in every request.
			if !seen[key] && !strings.HasSuffix(key, ".revert.body") {
				t.Errorf("the example does not show %s", key)
			}
			wantKeys(t, typ.Field(i).Type, key, seen)
		}
	}
}

// smallExamples are the policies to begin with.
func smallExamples(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.FromSlash("../deploy/examples/*.yaml"))
	if err != nil || len(files) < 2 {
		t.Fatalf("list examples: %v, %d files", err, len(files))
	}
	return files
}

// TestSmallExamples: the policies to begin with have no problem, have a target, and change nothing. What is commented out in them has no
// problem either.
func TestSmallExamples(t *testing.T) {
	t.Parallel()
	for _, file := range smallExamples(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for what, text := range map[string][]byte{
			"as it is": text, "whole": regexp.MustCompile(`(?m)^( *)#([a-z0-9_]+:( |$))`).ReplaceAll(text, []byte("$1$2")),
		} {
			p, err := policy.Parse(file, text, anyEnv)
			if err != nil {
				t.Errorf("%s, %s:\n%v", file, what, err)
				continue
			}
			targets := p.Targets()
			if len(targets) == 0 {
				t.Errorf("%s, %s: got no targets", file, what)
			}
			for _, target := range targets {
				if target.Mode != policy.Observe {
					t.Errorf("%s, %s: %s %s: got mode %s, want it observed", file, what, target.Handler, target.Name, target.Mode)
				}
			}
		}
	}
}

// TestEventKinds: the kinds are those of the package incidents, which this package cannot import.
func TestEventKinds(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../incidents/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("list files of incidents: %v, %d files", err, len(files))
	}
	var want []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatalf("parse %s: %v", file, err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "Kind" && len(spec.Values) == 1 {
				if text, ok := spec.Values[0].(*ast.BasicLit); ok {
					want = append(want, strings.Trim(text.Value, `"`))
				}
			}
			return true
		})
	}
	got := policy.EventKinds()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
