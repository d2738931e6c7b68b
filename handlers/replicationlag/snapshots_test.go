package replicationlag_test

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/handlers/replicationlag"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
)

type look = think.Look[replicationlag.Observation]

// settings is what a case may change about the policy. The zero value is the cluster orders with three nodes, their slots, a read pool
// behind HAProxy, a login to act with, every fix allowed, and the role report.
type settings struct {
	Allow            *[]string `json:"allow"`
	Roles            *[]string `json:"roles"`
	Act              *bool     `json:"act"`
	Slots            *bool     `json:"slots"`
	Reads            string    `json:"reads"` // haproxy (default), http or none
	Nodes            []string  `json:"nodes"`
	MaxSessions      int       `json:"max_sessions"`
	MinReady         int       `json:"min_ready"`
	SystemIdentifier string    `json:"system_identifier"`
	Samples          int       `json:"samples"`
	ReplyAge         string    `json:"reply_age"`
	SLO              string    `json:"slo"`
}

// snapshot is one file of testdata/snapshots: what was seen, and what must be made of it. With a step the looks from its beginning on are
// those after it, and what it did is judged.
type snapshot struct {
	Name string `json:"name"`
	Note string `json:"note"`
	// TwinOf names the cause that this looks like and is not, or is not yet acted on.
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
func snapshots(t testing.TB) []snapshot {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "snapshots", "*.json"))
	if err != nil || len(files) < 70 {
		t.Fatalf("snapshots: got %d (%v), want at least 70", len(files), err)
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
func (s snapshot) handed() think.Case[replicationlag.Observation] {
	c := think.Case[replicationlag.Observation]{
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
	if got.Step.Fix != want.Fix || got.Step.Node != want.Node || want.Remediation != "" && got.Step.Remediation != want.Remediation {
		t.Errorf("got %s on %s by %s, want %s on %s by %s", got.Step.Fix, got.Step.Node, got.Step.Remediation, want.Fix, want.Node, want.Remediation)
	}
	if got.Rule == "" || len(got.Others) < 3 || len(got.Evidence) < 5 {
		t.Errorf("it acts by the rule %q, beside %d others and on %d facts", got.Rule, len(got.Others), len(got.Evidence))
	}
}

func checkJudgement(t *testing.T, want want, got incidents.Judgement) {
	t.Helper()
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
	if said == "" || strings.Contains(said, "%!") || strings.Contains(said, "NaN") {
		t.Errorf("it is not said well: %q", said)
	}
}

// newHandler builds a handler of the cluster orders.
func newHandler(t testing.TB, s settings) *replicationlag.Handler {
	t.Helper()
	h, err := replicationlag.New(lagPolicy(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func lagPolicy(t testing.TB, s settings) policy.Policy {
	t.Helper()
	c := policy.PostgresCluster{Cluster: "orders", Domain: "orders", Zone: "all", SystemIdentifier: s.SystemIdentifier,
		Match: map[string]string{"cluster": "orders"}}
	slots := map[string]string{"pg2": "slot_s1", "pg3": "slot_s2"}
	for i, name := range []string{"pg1", "pg2", "pg3"} {
		if s.Nodes != nil && !slices.Contains(s.Nodes, name) {
			continue
		}
		n := policy.PostgresNode{Node: name, Host: "10.0.0.1" + string(rune('1'+i)), Port: 5432, ApplicationName: name}
		if s.Slots == nil || *s.Slots {
			n.Slot = slots[name]
		}
		c.Nodes = append(c.Nodes, n)
	}
	c.Connect.Probe.User = "firebreak_probe"
	if s.Act == nil || *s.Act {
		c.Connect.Act = &policy.PostgresLogin{User: "firebreak_act"}
	}
	switch minReady := cmp.Or(s.MinReady, 1); s.Reads {
	case "none":
	case "http":
		c.Reads = &policy.ReadPool{MinReady: minReady, HTTP: &policy.HTTPPool{Instances: []string{"http://balancer:8081"}}}
	default:
		c.Reads = &policy.ReadPool{MinReady: minReady, HAProxy: &policy.HAProxyPool{Address: "/run/haproxy/admin.sock", Backend: "pg_read"}}
	}
	l := policy.LagCluster{Cluster: "orders", Fix: policy.LagFix{Allow: []string{"drain", "end_conflict", "restart_stream", "resume_replay"},
		Roles: []string{"report"}, MaxSessions: s.MaxSessions}}
	if s.Allow != nil {
		l.Fix.Allow = *s.Allow
	}
	if s.Roles != nil {
		l.Fix.Roles = *s.Roles
	}
	own := policy.ReplicationLag{Mode: policy.Auto, Clusters: []policy.LagCluster{l}}
	own.Thresholds.Samples = s.Samples
	for text, into := range map[string]*policy.Duration{s.ReplyAge: &own.Thresholds.ReplyAge, s.SLO: &own.Thresholds.SLO} {
		if text == "" {
			continue
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		*into = policy.Duration(d)
	}
	return policy.Policy{Postgres: []policy.PostgresCluster{c}, Handlers: policy.Handlers{ReplicationLag: own}}
}
