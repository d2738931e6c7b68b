// Package rules is the Prometheus rules that this product's handlers are made for, so that who has only the program has them too.
package rules

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Pages is where the runbooks lie that the annotations runbook_url of the rules link to. Whoever keeps copies elsewhere puts that in its place.
const Pages = "https://github.com/firebreak-sre/firebreak/blob/main/"

// Names are the rule files without their ending, in order: "firebreak", "postgres" and so on.
func Names() []string {
	var names []string
	all, _ := fs.Glob(files, "*.yaml") // the pattern is well formed, which is all that can go wrong
	for _, file := range all {
		if !strings.HasSuffix(file, "_test.yaml") && !strings.HasSuffix(file, "_queries.yaml") {
			names = append(names, strings.TrimSuffix(file, ".yaml"))
		}
	}
	slices.Sort(names)
	return names
}

// Prometheus is one file of rules with those of all names, as rule_files in prometheus.yml takes it. The comments stay.
func Prometheus(names ...string) (string, error) {
	var out strings.Builder
	out.WriteString("groups:\n")
	for _, name := range names {
		about, groups, err := read(name)
		if err != nil {
			return "", err
		}
		out.WriteString(indent(about) + groups)
	}
	return out.String(), nil
}

// Kubernetes is a PrometheusRule of the Prometheus operator for each name, as kubectl takes them.
func Kubernetes(names ...string) (string, error) {
	var out strings.Builder
	for i, name := range names {
		about, groups, err := read(name)
		if err != nil {
			return "", err
		}
		if i > 0 {
			out.WriteString("---\n")
		}
		fmt.Fprintf(&out, "%sapiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: firebreak-%s\n", about, name)
		out.WriteString("spec:\n  groups:\n" + indent(groups))
	}
	return out.String(), nil
}

// read returns what a file says about itself, and its groups: what stands below its one key.
func read(name string) (about, groups string, err error) {
	if !slices.Contains(Names(), name) {
		return "", "", fmt.Errorf("there are no rules %q, only %s", name, strings.Join(Names(), ", "))
	}
	text, err := files.ReadFile(name + ".yaml")
	if err != nil {
		return "", "", fmt.Errorf("read rules %s: %w", name, err)
	}
	about, groups, found := strings.Cut(string(text), "groups:\n")
	if !found {
		return "", "", fmt.Errorf("read rules %s: there is no key groups", name)
	}
	return about, strings.TrimRight(groups, "\n") + "\n", nil
}

// indent moves text one level to the right. Lines without anything stay so.
func indent(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			out.WriteString("  ")
		}
		out.WriteString(line)
	}
	return out.String()
}
