package retrystorm_test

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/incidents"
)

// A decision says which rule held and, for every other one, which number was in its way.
func TestOthers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file string
		rule string
		// others by name, with a text that must be said.
		others map[string]string
	}{
		{"storm-budget", "attempts per call", map[string]string{
			"shared_cause → page":   "would be a shared cause",
			"pool_exhausted → page": "connection pool", "recovering → wait": "by itself",
			"dependency_down → open": "of the attempts fail", "metastable → shed": "queue", "healthy → false positive": "are well",
		}},
		{"down", "of the attempts fail", map[string]string{"retry_storm → retry_budget": "", "healthy → false positive": ""}},
		{"storm-still-served", "attempts per call", map[string]string{"dependency_down → open": "opening would take that away"}},
		{"storm-and-down", "of the attempts fail", map[string]string{"retry_storm → retry_budget": "the dependency is down"}},
		{"metastable", "oldest request waits", map[string]string{"healthy → false positive": "the oldest request has waited", "retry_storm → retry_budget": "would be a storm"}},
		{"healthy-but-alerting", "false positive", map[string]string{"retry_storm → retry_budget": "would be a storm", "dependency_down → open": "would be down"}},
		{"shared-cause", "edges have an open incident", nil},
		{"retries-absorb", "", map[string]string{"retry_storm → retry_budget": "the retries do their work"}},
	} {
		var of decideCase
		readJSON(t, filepath.Join("testdata", "decide", c.file+".json"), &of)
		d := newHandler(t, of.Policy).Decide(of.handed())
		if (c.rule == "") != (d.Rule == "") || !strings.Contains(d.Rule, c.rule) {
			t.Errorf("%s: got the rule %q, want one with %q", c.file, d.Rule, c.rule)
		}
		for name, text := range c.others {
			i := slices.IndexFunc(d.Others, func(o incidents.Other) bool { return o.Name == name })
			if i < 0 || !strings.Contains(d.Others[i].Why, text) {
				t.Errorf("%s: %s with %q is not among what was not chosen: %+v", c.file, name, text, d.Others)
			}
		}
	}
}

// What was chosen is never among what was not, everything says why, and without numbers nothing is held against them. Saying so
// changes nothing about the decision itself.
func TestOthersNeverHoldTheChoice(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "decide", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	said := 0
	for _, file := range files {
		var c decideCase
		readJSON(t, file, &c)
		d := newHandler(t, c.Policy).Decide(c.handed())
		if again := newHandler(t, c.Policy).Decide(c.handed()); !reflect.DeepEqual(d, again) {
			t.Errorf("%s: got %+v, then %+v", file, d, again)
		}
		for _, o := range d.Others {
			said++
			if strings.HasPrefix(o.Name, d.Cause+" ") || o.Why == "" || strings.Contains(o.Why, "NaN") {
				t.Errorf("%s: decided on %s, and not chosen was %+v", file, d.Cause, o)
			}
		}
		if (d.Cause == "gathering" || d.Cause == "probe_unknown") && len(d.Others) > 0 {
			t.Errorf("%s: nothing was measured, and yet not chosen was %+v", file, d.Others)
		}
		if d.Verdict == incidents.Act && (d.Rule == "" || len(d.Others) < 4) {
			t.Errorf("%s: acts by the rule %q and %d others, want a rule and at least 4", file, d.Rule, len(d.Others))
		}
	}
	if said < 100 {
		t.Errorf("only %d times something was said, so the cases do not show it", said)
	}
}
