package replicationlag_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/replicationlag"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
)

// TestPure breaks the snapshots at random places: fields that vanish, flip, grow, or say something else. Whatever comes of it, Decide and
// Judge never panic, give the same answer twice, and Decide never asks for what must never be done.
func TestPure(t *testing.T) {
	t.Parallel()
	all := slices.DeleteFunc(snapshots(t), func(s snapshot) bool { return len(s.Looks) > 14 }) // short ones are broken faster, and break as well
	verdicts, effects, fixes := map[incidents.Verdict]int{}, map[incidents.Effect]int{}, map[string]int{}
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 21))
		s := all[r.IntN(len(all))]
		c := broken(t, r, s)
		h := newHandler(t, s.Policy)
		d, j := h.Decide(c), h.Judge(c)
		if again := h.Decide(c); !reflect.DeepEqual(again, d) {
			t.Fatalf("seed %d, %s: got %+v, then %+v", seed, s.Name, d, again)
		}
		if _, err := json.Marshal([]any{d, j}); err != nil {
			t.Fatalf("seed %d, %s: write decision: %v", seed, s.Name, err)
		}
		if d.Verdict == "" || d.Cause == "" || d.Reason == "" || j.Effect == "" || j.Words == "" || strings.Contains(d.Reason+j.Words, "%!") {
			t.Errorf("seed %d, %s: something is not said: %+v, %+v", seed, s.Name, d, j)
		}
		if why := forbidden(s, c, d); why != "" {
			t.Errorf("seed %d, %s: %s: %s", seed, s.Name, why, d.Reason)
		}
		if st := c.Step; !st.Until.IsZero() && !c.Now.Before(st.Until) && j.Effect == incidents.Pending {
			t.Errorf("seed %d, %s: still pending after the time was over: %s", seed, s.Name, j.Words)
		}
		verdicts[d.Verdict]++
		effects[j.Effect]++
		if d.Step != nil {
			fixes[d.Step.Fix]++
		}
	}
	if len(verdicts) != 4 || len(effects) != 4 || len(fixes) != 4 {
		t.Errorf("the broken records do not reach everything: %v, %v, %v", verdicts, effects, fixes)
	}
	t.Log(verdicts, effects, fixes)
}

// broken is a snapshot with up to six things wrong in its looks.
func broken(t *testing.T, r *rand.Rand, s snapshot) think.Case[replicationlag.Observation] {
	t.Helper()
	text, err := json.Marshal(s.Looks)
	if err != nil {
		t.Fatal(err)
	}
	var looks any
	if err := json.Unmarshal(text, &looks); err != nil {
		t.Fatal(err)
	}
	for range r.IntN(7) {
		change(r, looks)
	}
	if text, err = json.Marshal(looks); err != nil {
		t.Fatal(err)
	}
	var out []look
	if json.Unmarshal(text, &out) != nil {
		out = s.Looks // a time that is none and the like: not a look that could have been recorded
	}
	s.Looks = slices.Clone(out)
	c := s.handed()
	if c.Step == nil { // judge it all the same, as if its fix had just been made
		c.Step = &think.Stood{Fix: s.Want.Fix, Since: c.Now}
		c.After = c.Before[max(0, len(c.Before)-1):]
	}
	return c
}

// change walks down to a random place and breaks it. Both of the last looks are often hit alike, or nothing would ever agree.
func change(r *rand.Rand, v any) {
	if list, ok := v.([]any); ok && len(list) > 1 && r.IntN(2) == 0 {
		seed := r.Uint64()
		for _, l := range list {
			change(rand.New(rand.NewPCG(seed, 3)), l)
		}
		return
	}
	for {
		switch m := v.(type) {
		case map[string]any:
			if len(m) == 0 {
				return
			}
			keys := make([]string, 0, len(m))
			for k := range m {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			k := keys[r.IntN(len(keys))]
			if nested(m[k]) && r.IntN(8) > 0 {
				v = m[k]
				continue
			}
			if r.IntN(3) == 0 {
				delete(m, k)
				return
			}
			m[k] = other(r, m[k])
			if r.IntN(4) == 0 {
				m[[]string{"hidden", "superuser", "paused", "switchover", "problem", "backups"}[r.IntN(6)]] = true
			}
			return
		case []any:
			if len(m) == 0 {
				return
			}
			v = m[r.IntN(len(m))]
		default:
			return
		}
	}
}

func nested(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

// other is another value of the same kind.
func other(r *rand.Rand, v any) any {
	switch old := v.(type) {
	case bool:
		return !old
	case float64:
		return []float64{0, 1, old + 1, old * 2, float64(int64(old / 2)), 1e15, -1}[r.IntN(7)]
	case string:
		return []string{"", "pg_dump", "postgres", "report", "sync", "quorum", "potential", "async", "paused", "not paused", "lost", "unreserved", "walsender",
			"client backend", "Lock", "IPC", "RecoveryConflictSnapshot", "backup", "7399999999999999999", "2026-03-02T03:00:02Z", "pg3", "*"}[r.IntN(22)]
	}
	return v
}

// forbidden says what a decision asks for that must never be done; "" if nothing. It shares no code with what it checks.
func forbidden(s snapshot, c think.Case[replicationlag.Observation], d incidents.Decision) string {
	if d.Verdict != incidents.Act {
		return ""
	}
	if d.Step == nil || d.Verify == nil || len(c.Before) < 2 {
		return "it acts without a step, or on too few looks"
	}
	var p planned
	if err := json.Unmarshal(d.Step.Params, &p); err != nil {
		return "params: " + err.Error()
	}
	for _, l := range c.Before[len(c.Before)-2:] {
		if why := untouchable(l.Seen); why != "" {
			return why
		}
		for _, n := range l.Seen.Nodes {
			if n.Name == p.subject(d.Step.Node) && (n.Problem != "" || n.Standby == nil || n.Standby.Hidden) {
				return "the standby was not read: " + n.Name
			}
		}
	}
	last := c.Before[len(c.Before)-1].Seen
	switch d.Step.Fix {
	case "drain":
		return p.drained(s, last, d.Step.Node)
	case "end_conflict":
		return p.ended(s, last, d.Step.Node)
	case "restart_stream":
		return p.restarted(c)
	case "resume_replay":
		return p.resumed(last, d.Step.Node)
	}
	return "an unknown fix: " + d.Step.Fix
}

// untouchable says why a cluster that looks like this may not be touched.
func untouchable(o replicationlag.Observation) string {
	primaries, ids := 0, map[string]bool{}
	for _, n := range o.Nodes {
		if n.Problem != "" {
			continue
		}
		ids[n.SystemIdentifier] = true
		if n.Primary != nil {
			primaries++
			if n.Primary.Hidden {
				return "the primary's views are hidden"
			}
		}
	}
	switch p := o.Patroni; {
	case primaries != 1:
		return "there are " + strconv.Itoa(primaries) + " primaries"
	case len(ids) != 1 || ids[""]:
		return "the nodes are not of one cluster"
	case p != nil && p.Paused:
		return "a person has paused it"
	case p != nil && p.Switchover:
		return "a switchover is scheduled"
	}
	return ""
}

// TestNoClock holds that nothing here reads a clock, the network, the disk or dice: all that is decided by must be in the record.
func TestNoClock(t *testing.T) {
	t.Parallel()
	clock := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
	if len(files) < 20 {
		t.Fatalf("got %d files, want at least 20: %v", len(files), files)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if slices.ContainsFunc([]string{"net", "os", "math/rand", "crypto/rand", "context", "syscall", "database/sql", "github.com/jackc"}, func(p string) bool {
				return path == p || strings.HasPrefix(path, p+"/")
			}) {
				t.Errorf("%s imports %s", name, path)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && slices.Contains(clock, sel.Sel.Name) {
				if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" {
					t.Errorf("%s uses time.%s", name, sel.Sel.Name)
				}
			}
			return true
		})
	}
}

// BenchmarkDecideWaiting decides a record of 120 looks that all end in waiting: each of them is derived again.
func BenchmarkDecideWaiting(b *testing.B) {
	for _, s := range snapshots(b) {
		if s.Name != "catching-up-never-there" {
			continue
		}
		c := s.handed()
		for len(c.Before) < 120 {
			l := c.Before[0]
			l.At = l.At.Add(-5 * time.Second)
			c.Before = append([]look{l}, c.Before...)
		}
		h := newHandler(b, s.Policy)
		for b.Loop() {
			h.Decide(c)
		}
	}
}
