package canarytest

import (
	"cmp"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/policy"
)

// public are the keys that name files in which nothing is secret.
func public() []string {
	return []string{"ca_file", "client_ca_file", "cert_file", "client_cert_file", "sslrootcert_file", "sslcert_file", "stop_file"}
}

// field is a place of the policy that may hold a secret, by the names of its keys: "outcomes.slack.bot_token".
type field struct {
	path string
	// file says that the key names a file with the secret.
	file bool
}

// secretFields are all places of a type of the policy that may hold a secret.
func secretFields(t reflect.Type, at string) []field {
	switch {
	case t == reflect.TypeFor[policy.Secret]():
		return []field{{path: at}}
	case t.Kind() == reflect.Pointer, t.Kind() == reflect.Slice, t.Kind() == reflect.Map:
		return secretFields(t.Elem(), at)
	case t.Kind() != reflect.Struct:
		return nil
	}
	var all []field
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("yaml")
		if !f.IsExported() || name == "" {
			continue
		}
		here := strings.TrimPrefix(at+"."+name, ".")
		if namesSecretFile(name, f.Type) {
			all = append(all, field{path: fileAt(t, f, here), file: true})
			continue
		}
		all = append(all, secretFields(f.Type, here)...)
	}
	return all
}

// fileAt is how a key that names a file is told apart from others. What is read into a field beside it is that field's, wherever it is; a
// private key is used by one piece of code for all places of its kind.
func fileAt(t reflect.Type, f reflect.StructField, here string) string {
	if strings.Contains(f.Tag.Get("rule"), "into=") {
		return here
	}
	return t.Name() + "." + f.Tag.Get("yaml")
}

// namesSecretFile says whether a key names files with secrets: every file is one, but for those that are known to be public.
func namesSecretFile(name string, t reflect.Type) bool {
	text := t.Kind() == reflect.String || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String
	return text && (strings.HasSuffix(name, "_file") || strings.HasSuffix(name, "_files")) && !slices.Contains(public(), name)
}

// plantedIn are the fields of a policy that hold a canary, or name a file of the folder with the canaries.
func plantedIn(v reflect.Value, at string, secrets map[string]bool, folder string, found map[string]bool) {
	switch {
	case v.Type() == reflect.TypeFor[policy.Secret]():
		found[at] = found[at] || secrets[v.String()]
		return
	case v.Kind() == reflect.Pointer && !v.IsNil():
		plantedIn(v.Elem(), at, secrets, folder, found)
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			plantedIn(v.Index(i), at, secrets, folder, found)
		}
	case v.Kind() == reflect.Map:
		for _, key := range v.MapKeys() {
			plantedIn(v.MapIndex(key), at, secrets, folder, found)
		}
	case v.Kind() == reflect.String:
		found[at] = found[at] || path.Dir(v.String()) == folder
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name := f.Tag.Get("yaml")
			if !f.IsExported() || name == "" {
				continue
			}
			here := strings.TrimPrefix(at+"."+name, ".")
			if namesSecretFile(name, f.Type) {
				here = fileAt(v.Type(), f, here)
			}
			plantedIn(v.Field(i), here, secrets, folder, found)
		}
	}
}

// requirePlanted fails for every field that may hold a secret and had no canary in any of the policies.
func requirePlanted(t *testing.T, all []planting) {
	t.Helper()
	found := map[string]bool{}
	for _, p := range all {
		secrets := map[string]bool{}
		for _, c := range p.canaries {
			secrets[c.value] = true
		}
		plantedIn(reflect.ValueOf(p.policy), "", secrets, p.secrets, found)
	}
	fields := secretFields(reflect.TypeFor[policy.Policy](), "")
	if len(fields) < 40 {
		t.Fatalf("the walk found only %d places for secrets in the policy", len(fields))
	}
	slices.SortFunc(fields, func(a, b field) int { return cmp.Compare(a.path, b.path) })
	for _, f := range fields {
		if !found[f.path] {
			t.Errorf("%s", f.missing())
		}
	}
}

func (f field) missing() string {
	if f.file {
		return fmt.Sprintf("%s may name a file with a secret, and none of the policies in testdata plants one: add it there, or to public() "+
			"if there is nothing secret in such a file", f.path)
	}
	return fmt.Sprintf("%s may hold a secret, and none of the policies in testdata plants a canary there: write ${CANARY_…}", f.path)
}

// The walk finds secrets wherever they may be written, also those that nobody has thought of.
func TestSecretFields(t *testing.T) {
	t.Parallel()
	type inner struct {
		Token     policy.Secret `yaml:"token"`
		TokenFile string        `yaml:"token_file" rule:"into=Token"`
		KeyFile   string        `yaml:"key_file"`
		CAFile    string        `yaml:"ca_file"`
		Name      string        `yaml:"name"`
	}
	type outer struct {
		One    *inner                   `yaml:"one"`
		Some   []inner                  `yaml:"some"`
		Named  map[string]policy.Secret `yaml:"named"`
		Tokens []policy.Secret          `yaml:"tokens"`
		Files  []string                 `yaml:"token_files" rule:"into=Tokens"`
	}
	want := []field{{"one.token", false}, {"one.token_file", true}, {"inner.key_file", true}, {"some.token", false},
		{"some.token_file", true}, {"inner.key_file", true}, {"named", false}, {"tokens", false}, {"token_files", true}}
	if got := secretFields(reflect.TypeFor[outer](), ""); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	found := map[string]bool{}
	v := outer{One: &inner{Token: "s", KeyFile: "/secrets/a"}, Named: map[string]policy.Secret{"x": "s"}, Tokens: []policy.Secret{"other"}}
	plantedIn(reflect.ValueOf(v), "", map[string]bool{"s": true}, "/secrets", found)
	for _, f := range want {
		planted := f.path == "one.token" || f.path == "inner.key_file" || f.path == "named"
		if found[f.path] != planted {
			t.Errorf("%s: got %t, want %t", f.path, found[f.path], planted)
		}
	}
}
