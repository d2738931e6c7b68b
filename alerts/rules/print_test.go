package rules_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/firebreak-sre/firebreak/alerts/rules"
)

// document is a YAML document of which only the groups are looked at, wherever the format has them.
type document struct {
	Kind     string
	Metadata struct{ Name string }
	Groups   []any
	Spec     struct{ Groups []any }
}

// What is printed is what is in the files, all of it and nothing else, and Prometheus loads it as one file.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	var want []any
	for _, file := range ruleFiles(t) {
		want = append(want, decode(t, file)[0].Groups...)
	}
	text, err := rules.Prometheus(rules.Names()...)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := decode(t, path)[0].Groups; !reflect.DeepEqual(got, want) {
		t.Errorf("the groups are not those of the files: %d and %d", len(got), len(want))
	}
	promtool(t, "check", "rules", path)
}

// For Kubernetes it is one object for each file, with the same groups.
func TestKubernetes(t *testing.T) {
	t.Parallel()
	names := rules.Names()
	text, err := rules.Kubernetes(names...)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := decode(t, path)
	if len(got) != len(names) {
		t.Fatalf("got %d objects, want %d", len(got), len(names))
	}
	for i, name := range names {
		want := decode(t, name+".yaml")[0].Groups
		if d := got[i]; d.Kind != "PrometheusRule" || d.Metadata.Name != "firebreak-"+name || !reflect.DeepEqual(d.Spec.Groups, want) {
			t.Errorf("%s: got %s %s with %d groups, want %d", name, d.Kind, d.Metadata.Name, len(d.Spec.Groups), len(want))
		}
	}
}

// Who names rules that are not there is told which are.
func TestUnknown(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"nope", "postgres_test", "postgres_exporter_queries", "../rules/postgres", ""} {
		if text, err := rules.Prometheus(name); err == nil || text != "" || !strings.Contains(err.Error(), "postgres, region, retrystorm") {
			t.Errorf("%q: got %d characters, %v, want an error with those that are there", name, len(text), err)
		}
	}
}

func decode(t *testing.T, path string) []document {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []document
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var one document
		err := d.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, one)
	}
}
