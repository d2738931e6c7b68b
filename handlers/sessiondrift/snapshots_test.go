package sessiondrift_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
)

type look = think.Look[sessiondrift.Observation]

// settings is what a case may change about the policy. The zero value is the store webshop, in which everything may be done but recover, and
// whose Prometheus is asked all there is to ask.
type settings struct {
	Allow       *[]string       `json:"allow,omitempty"`
	RecoverTo   string          `json:"recover_to,omitempty"`
	MaxSessions int             `json:"max_sessions,omitempty"`
	Asks        *[]string       `json:"asks,omitempty"` // partition, deploying, not_found, orphans_before
	TTL         policy.Duration `json:"ttl,omitempty"`
	HoldFor     policy.Duration `json:"hold_for,omitempty"`
	Stable      policy.Duration `json:"stable,omitempty"`
}

// stood is the change that is judged.
type stood struct {
	Fix    string          `json:"fix"`
	Params json.RawMessage `json:"params"`
	Since  time.Time       `json:"since"`
	Until  time.Time       `json:"until"`
}

// snapshot is one file of testdata/snapshots: what was seen, and what must be made of it. With a step the looks from its beginning on are
// those after it, and what it did is judged.
type snapshot struct {
	Name string `json:"name"`
	Note string `json:"note"`
	// TwinOf names the cause that this looks like and is not, or is not acted on.
	TwinOf string         `json:"twin_of,omitempty"`
	Policy settings       `json:"policy"`
	Alerts []alerts.Alert `json:"alerts"`
	Step   *stood         `json:"step,omitempty"`
	Now    time.Time      `json:"now,omitzero"`
	Want   want           `json:"want"`
	Looks  []look         `json:"looks"`
}

type want struct {
	Cause       string            `json:"cause,omitempty"`
	Verdict     incidents.Verdict `json:"verdict,omitempty"`
	Fix         string            `json:"fix,omitempty"`
	Node        string            `json:"node,omitempty"`
	Remediation string            `json:"remediation,omitempty"`
	Effect      incidents.Effect  `json:"effect,omitempty"`
	// Contains are texts that the reason, or the judgement, must say.
	Contains []string `json:"reason_contains,omitempty"`
}

// Each scene that is built here lies in testdata as it was recorded, so that a changed format of a look is seen: what is in old records
// must stay readable. UPDATE_GOLDEN=1 writes them anew. Incidents that were worth a review may lie beside them.
func TestScenesAreRecorded(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, s := range scenes(t) {
		if names[s.Name] {
			t.Errorf("there are two scenes %s", s.Name)
		}
		names[s.Name] = true
		text, err := json.MarshalIndent(s, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, '\n')
		file := filepath.Join("testdata", "snapshots", s.Name+".json")
		if os.Getenv("UPDATE_GOLDEN") != "" {
			if err := os.WriteFile(file, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if recorded, err := os.ReadFile(file); err != nil || !bytes.Equal(recorded, text) {
			t.Errorf("%s is not what is built here (%v)", file, err)
		}
	}
}

// snapshots are all files, read strictly: a key that nobody knows is a case that tries nothing.
func snapshots(t *testing.T) []snapshot {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "snapshots", "*.json"))
	if err != nil || len(files) < 120 {
		t.Fatalf("snapshots: got %d (%v), want at least 120", len(files), err)
	}
	all := make([]snapshot, 0, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var s snapshot
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&s); err != nil {
			t.Fatalf("read %s: %v", file, err)
		}
		if s.Name+".json" != filepath.Base(file) || s.Note == "" {
			t.Fatalf("%s says that it is %q: %q", file, s.Name, s.Note)
		}
		all = append(all, s)
	}
	return all
}

// handed is the case as a handler gets it. Without a time of its own it is decided at once after the last look.
func (s snapshot) handed() think.Case[sessiondrift.Observation] {
	c := think.Case[sessiondrift.Observation]{
		Target: think.Target{Name: "webshop", Domain: "webshop", Mode: policy.Auto}, Alerts: slices.Clone(s.Alerts), Now: s.Now,
	}
	for _, l := range s.Looks {
		if s.Step != nil && !l.At.Before(s.Step.Since) {
			c.After = append(c.After, l)
		} else {
			c.Before = append(c.Before, l)
		}
		if s.Now.IsZero() {
			c.Now = l.At
		}
	}
	if c.Now.IsZero() {
		c.Now = t0()
	}
	if s.Step != nil {
		c.Step = &think.Stood{Fix: s.Step.Fix, Node: "sessions", Params: s.Step.Params, Since: s.Step.Since, Until: s.Step.Until}
	}
	return c
}

// TestSnapshots derives the decision, or the judgement, of every file again.
func TestSnapshots(t *testing.T) {
	t.Parallel()
	for _, s := range snapshots(t) {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			t.Log(s.Note)
			h := newHandler(t, s.Policy)
			if s.Step != nil {
				checkJudgement(t, s.Want, h.Judge(s.handed()))
				return
			}
			checkDecision(t, s.Want, h.Decide(s.handed()))
		})
	}
}

func checkDecision(t *testing.T, want want, got incidents.Decision) {
	t.Helper()
	t.Log(got.Reason)
	if got.Cause != want.Cause || got.Verdict != want.Verdict {
		t.Fatalf("got %s, %s (%s), want %s, %s", got.Cause, got.Verdict, got.Reason, want.Cause, want.Verdict)
	}
	checkWords(t, want, got.Reason)
	if (got.Verdict == incidents.Wait || got.Verdict == incidents.Act) == got.Until.IsZero() {
		t.Errorf("until %v does not fit the verdict %s", got.Until, got.Verdict)
	}
	if (got.Verdict == incidents.Act) != (got.Step != nil && got.Verify != nil) {
		t.Fatalf("%s with step %+v and verify %+v", got.Verdict, got.Step, got.Verify)
	}
	if got.Step == nil {
		return
	}
	if got.Step.Fix != want.Fix || got.Step.Node != want.Node || got.Step.Remediation != want.Remediation {
		t.Errorf("got %s on %s by %s, want %s on %s by %s", got.Step.Fix, got.Step.Node, got.Step.Remediation, want.Fix, want.Node, want.Remediation)
	}
	if got.Rule == "" || len(got.Others) < 3 || len(got.Evidence) < 5 {
		t.Errorf("it acts by the rule %q, beside %d others and on %d facts", got.Rule, len(got.Others), len(got.Evidence))
	}
}

func checkJudgement(t *testing.T, want want, got incidents.Judgement) {
	t.Helper()
	t.Log(got.Words)
	if got.Effect != want.Effect || got.Healed {
		t.Fatalf("got %s, healed %v (%s), want %s", got.Effect, got.Healed, got.Words, want.Effect)
	}
	checkWords(t, want, got.Words)
}

func checkWords(t *testing.T, want want, said string) {
	t.Helper()
	for _, text := range want.Contains {
		if !strings.Contains(said, text) {
			t.Errorf("%q is not said in:\n%s", text, said)
		}
	}
	if said == "" || strings.Contains(said, "%!") || strings.Contains(said, "NaN") || strings.HasPrefix(said, ".") || strings.Contains(said, "()") {
		t.Errorf("it is not said well: %q", said)
	}
}

// newHandler builds a handler of the store webshop.
func newHandler(t *testing.T, s settings) *sessiondrift.Handler {
	t.Helper()
	h, err := sessiondrift.New(driftPolicy(s))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func driftPolicy(s settings) policy.Policy {
	place := policy.SessionStore{Store: "webshop", Domain: "webshop", Zone: "all", TTL: policy.Duration(ttl)}
	if s.TTL != 0 {
		place.TTL = s.TTL
	}
	d := policy.DriftStore{Store: "webshop", Fix: policy.DriftFix{Allow: []string{"sync", "quarantine", "reconcile", "set_aside"},
		MaxSessions: s.MaxSessions, RecoverTo: s.RecoverTo}}
	if s.Allow != nil {
		d.Fix.Allow = *s.Allow
	}
	asks := []string{"partition", "deploying", "not_found", "orphans_before"}
	if s.Asks != nil {
		asks = *s.Asks
	}
	if len(asks) > 0 {
		ask := func(name string) string {
			if slices.Contains(asks, name) {
				return "some_" + name
			}
			return ""
		}
		d.Prometheus = &policy.DriftMetrics{URL: "http://prometheus:9090", Partition: ask("partition"), Deploying: ask("deploying"),
			NotFound: ask("not_found"), OrphansBefore: ask("orphans_before")}
	}
	own := policy.SessionDrift{Mode: policy.Auto, Stores: []policy.DriftStore{d}}
	own.Thresholds.HoldFor, own.Thresholds.Stable = s.HoldFor, s.Stable
	return policy.Policy{Sessions: []policy.SessionStore{place}, Handlers: policy.Handlers{SessionDrift: own}}
}
