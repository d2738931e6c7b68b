package poolexhaustion_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/handlers/poolexhaustion"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
)

type look = think.Look[poolexhaustion.Observation]

// settings is what a case may change about the policy. The zero value is the cluster orders with two nodes and one pooler, logins to act
// with at all of them, every fix allowed, and the role shop.
type settings struct {
	Allow            *[]string `json:"allow"`
	Roles            *[]string `json:"roles"`
	Act              *bool     `json:"act"`
	Admin            *bool     `json:"admin"`
	Poolers          *[]string `json:"poolers"`
	Apps             string    `json:"apps"` // none (default), plain, or http with two instances
	MaxSessions      int       `json:"max_sessions"`
	GrowPercent      int       `json:"grow_percent"`
	SystemIdentifier string    `json:"system_identifier"`
	Samples          int       `json:"samples"`
}

// snapshot is one file of testdata/snapshots: what was seen, and what must be made of it. With a step the looks from its beginning on are
// those after it, and what it did is judged.
type snapshot struct {
	Name string `json:"name"`
	Note string `json:"note"`
	// TwinOf names the cause that this looks like and is not, or is not acted on.
	TwinOf string         `json:"twin_of"`
	Policy settings       `json:"policy"`
	Alerts []alerts.Alert `json:"alerts"`
	Step   *struct {
		Fix   string    `json:"fix"`
		Since time.Time `json:"since"`
		Until time.Time `json:"until"`
	} `json:"step"`
	Now   time.Time `json:"now"`
	Want  want      `json:"want"`
	Looks []look    `json:"looks"`
}

type want struct {
	Cause       string            `json:"cause"`
	Verdict     incidents.Verdict `json:"verdict"`
	Fix         string            `json:"fix"`
	Node        string            `json:"node"`
	Remediation string            `json:"remediation"`
	Effect      incidents.Effect  `json:"effect"`
	Healed      bool              `json:"healed"`
	// Contains and Lacks are texts that the reason, or the judgement, must and must not say.
	Contains []string `json:"reason_contains"`
	Lacks    []string `json:"reason_lacks"`
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
		text, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		var s snapshot
		dec := json.NewDecoder(text)
		dec.DisallowUnknownFields()
		if err := dec.Decode(&s); err != nil {
			t.Fatalf("read %s: %v", file, err)
		}
		_ = text.Close() // was only read
		if s.Name+".json" != filepath.Base(file) || s.Note == "" {
			t.Fatalf("%s says that it is %q: %q", file, s.Name, s.Note)
		}
		all = append(all, s)
	}
	return all
}

// handed is the case as a handler gets it. Without a time of its own it is decided at once after the last look.
func (s snapshot) handed() think.Case[poolexhaustion.Observation] {
	c := think.Case[poolexhaustion.Observation]{
		Target: think.Target{Name: "orders", Domain: "orders", Mode: policy.Auto}, Alerts: slices.Clone(s.Alerts), Now: s.Now,
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
	if s.Step != nil {
		c.Step = &think.Stood{Fix: s.Step.Fix, Since: s.Step.Since, Until: s.Step.Until}
	}
	return c
}

// TestSnapshots derives the decision, or the judgement, of every file again. An incident that is worth a review becomes one more.
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
	if got.Effect != want.Effect || got.Healed != want.Healed {
		t.Fatalf("got %s, healed %v (%s), want %s, healed %v", got.Effect, got.Healed, got.Words, want.Effect, want.Healed)
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
	for _, text := range want.Lacks {
		if strings.Contains(said, text) {
			t.Errorf("%q is said in:\n%s", text, said)
		}
	}
	if said == "" || strings.Contains(said, "%!") || strings.Contains(said, "NaN") || strings.HasPrefix(said, ".") {
		t.Errorf("it is not said well: %q", said)
	}
}

// newHandler builds a handler of the cluster orders.
func newHandler(t *testing.T, s settings) *poolexhaustion.Handler {
	t.Helper()
	h, err := poolexhaustion.New(poolPolicy(s))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func poolPolicy(s settings) policy.Policy {
	c := policy.PostgresCluster{Cluster: "orders", Domain: "orders", Zone: "all", SystemIdentifier: s.SystemIdentifier,
		Match: map[string]string{"cluster": "orders"}}
	for _, name := range []string{"pg1", "pg2"} {
		c.Nodes = append(c.Nodes, policy.PostgresNode{Node: name, Host: "10.0.0.1" + name[2:], Port: 5432, ApplicationName: name})
	}
	c.Connect.Probe.User = "firebreak_probe"
	if s.Act == nil || *s.Act {
		c.Connect.Act = &policy.PostgresLogin{User: "firebreak_act"}
	}
	poolers := []string{"bouncer1"}
	if s.Poolers != nil {
		poolers = *s.Poolers
	}
	for i, name := range poolers {
		b := policy.PgBouncer{PgBouncer: name, Host: "10.0.0.2" + string(rune('1'+i)), Port: 6432}
		if s.Admin == nil || *s.Admin {
			b.Admin = &policy.PostgresLogin{User: "firebreak_admin"}
		}
		c.PgBouncers = append(c.PgBouncers, b)
	}
	l := policy.PoolCluster{Cluster: "orders", Fix: policy.PoolFix{Allow: []string{"end_leaked", "end_blocker", "grow_pool", "resume"},
		Roles: []string{"shop"}, MaxSessions: s.MaxSessions, GrowPercent: s.GrowPercent}}
	if s.Allow != nil {
		l.Fix.Allow = *s.Allow
	}
	if s.Roles != nil {
		l.Fix.Roles = *s.Roles
	}
	if s.Apps == "plain" || s.Apps == "http" {
		a := policy.AppPool{App: "checkout", Prometheus: policy.AppPoolMetrics{URL: "http://prometheus:9090", Waiting: "w", Busy: "b", Size: "s"}}
		if s.Apps == "http" {
			a.HTTP = &policy.AppPoolHTTP{Instances: []string{"http://checkout-1:8081", "http://checkout-2:8081"}}
		}
		l.Apps = []policy.AppPool{a}
	}
	own := policy.PoolExhaustion{Mode: policy.Auto, Clusters: []policy.PoolCluster{l}}
	own.Thresholds.Samples = s.Samples
	return policy.Policy{Postgres: []policy.PostgresCluster{c}, Handlers: policy.Handlers{PoolExhaustion: own}}
}
