package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/firebreak-sre/firebreak/handlers/replay"
	"github.com/firebreak-sre/firebreak/handlers/replay/families"
	"github.com/firebreak-sre/firebreak/policy"
)

// candidate is a policy that is only tried on the past.
type candidate struct {
	policy.Policy
	rules replay.Rules
	// unset are the variables that were not set. Their values are secrets, of which no decision and no hash knows anything.
	unset []string
}

// loadCandidate reads a policy without the secrets that it names as variables: what is secret decides nothing. A variable that is not set gets a
// value that would do in its place; if the policy is another one with another such value, it is not only a secret, and must be set.
func loadCandidate(path string, env func(string) (string, bool)) (candidate, error) {
	f := filler{env: env, shape: map[string]int{}}
	p, err := f.load(path)
	if len(f.shape) == 0 {
		return finished(p, nil, path, err)
	}
	if err != nil {
		p, err = f.fit(path, err)
	}
	unset := slices.Sorted(maps.Keys(f.shape))
	if err != nil {
		return candidate{}, fmt.Errorf("the policy cannot be used (not set, and filled in for the replay: %s):\n%w", strings.Join(unset, ", "), err)
	}
	if deciding := f.deciding(path, p.Hash()); len(deciding) > 0 {
		return candidate{}, fmt.Errorf("read %s: %s must be set: what is not a secret can decide something", path, strings.Join(deciding, ", "))
	}
	return finished(p, unset, path, nil)
}

func finished(p policy.Policy, unset []string, path string, err error) (candidate, error) {
	if err != nil {
		return candidate{}, fmt.Errorf("the policy cannot be used:\n%w", err)
	}
	rules, err := families.Rules(p, buildVersion())
	if err != nil {
		return candidate{}, fmt.Errorf("%s: %w", path, err)
	}
	return candidate{Policy: p, rules: rules, unset: unset}, nil
}

// print says which policy it is.
func (c candidate) print(w io.Writer, path string) {
	fmt.Fprintf(w, "policy\n  %s\n", clean(path, 0))
	item(w, "", fmt.Sprintf("hash %s, build %s", c.rules.Hash, c.rules.Build))
	if len(c.unset) > 0 {
		item(w, "", fmt.Sprintf("not set, and secret, so that they decide nothing: %s", strings.Join(c.unset, ", ")))
	}
}

// filler gives values to variables that are not set.
type filler struct {
	env func(string) (string, bool)
	// shape is, for each variable that is not set, which of the shapes its value has.
	shape map[string]int
	// salt makes other values of the same shapes: for all variables, or for the one that is named.
	salt, salted string
}

// shapes are what secrets can look like; %s stands for 32 hex digits.
func shapes() []string {
	return []string{"%s", "xoxb-%s", "xapp-%s", "https://%s.invalid/", "discord://%s@1"}
}

func (f *filler) lookup(name string) (string, bool) {
	if v, ok := f.env(name); ok && v != "" {
		return v, true
	}
	n := f.shape[name]
	f.shape[name] = n
	salt := ""
	if f.salted == "" || f.salted == name {
		salt = f.salt
	}
	sum := sha256.Sum256([]byte(salt + "\x00" + name))
	return strings.Replace(shapes()[n], "%s", hex.EncodeToString(sum[:16]), 1), true
}

func (f *filler) load(path string) (policy.Policy, error) { return policy.Load(path, f.lookup) }

// fitRounds bounds how often all variables are tried: one may be wrong only because of another.
const fitRounds = 3

// fit looks for shapes with which the policy has no problems. Only variables on lines with problems are tried.
func (f *filler) fit(path string, err error) (policy.Policy, error) {
	var p policy.Policy
	for range fitRounds {
		for _, name := range f.suspects(path, err) {
			best := f.shape[name]
			for n := range shapes() {
				was := f.shape[name]
				f.shape[name] = n
				q, tried := f.load(path)
				if tried == nil {
					return q, nil
				}
				if problems(tried) < problems(err) {
					best, err = n, tried
				}
				f.shape[name] = was
			}
			f.shape[name] = best
		}
	}
	return p, err
}

// problems counts what is wrong; a file that cannot be read at all is worse than anything in it.
func problems(err error) int {
	var list *policy.Problems
	if errors.As(err, &list) {
		return len(list.List)
	}
	return 1 << 20
}

// suspects are the variables that are named on the lines that have problems.
func (f *filler) suspects(path string, err error) []string {
	var list *policy.Problems
	text, readErr := os.ReadFile(path)
	if readErr != nil || !errors.As(err, &list) {
		return nil
	}
	lines := strings.Split(string(text), "\n")
	named := regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)
	found := map[string]bool{}
	for _, p := range list.List {
		if p.Line < 1 || p.Line > len(lines) {
			continue
		}
		for _, m := range named.FindAllStringSubmatch(lines[p.Line-1], -1) {
			if _, unset := f.shape[m[1]]; unset {
				found[m[1]] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// deciding are the variables with which the policy in force is another one: its hash leaves out nothing but secrets.
func (f *filler) deciding(path, hash string) []string {
	changes := func() bool {
		p, err := f.load(path)
		return err != nil || p.Hash() != hash
	}
	defer func() { f.salt, f.salted = "", "" }()
	f.salt, f.salted = "another", ""
	if !changes() {
		return nil
	}
	unset := slices.Sorted(maps.Keys(f.shape))
	var list []string
	for _, name := range unset {
		if f.salted = name; changes() {
			list = append(list, name)
		}
	}
	if len(list) == 0 { // only together
		return unset
	}
	return list
}
