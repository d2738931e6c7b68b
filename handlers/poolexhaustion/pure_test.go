package poolexhaustion_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/poolexhaustion"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
)

// TestPure spoils the snapshots at random and throws them at Decide and Judge: they never panic, give the same answer twice and after a way
// through JSON, write nothing that JSON cannot hold, and never act on what must not be acted on.
func TestPure(t *testing.T) {
	t.Parallel()
	verdicts, effects, fixes := map[incidents.Verdict]int{}, map[incidents.Effect]int{}, map[string]int{}
	for _, s := range snapshots(t) {
		h := newHandler(t, s.Policy)
		for seed := range uint64(8) {
			r := rand.New(rand.NewPCG(seed, uint64(len(s.Name))))
			c := throughJSON(t, s.handed())
			spoil(r, &c)
			d, j := h.Decide(c), h.Judge(c)
			read := throughJSON(t, c)
			if d2, j2 := h.Decide(read), h.Judge(read); !reflect.DeepEqual(d2, d) || !reflect.DeepEqual(j2, j) {
				t.Fatalf("%s, seed %d: got %+v and %+v, then %+v and %+v", s.Name, seed, d, j, d2, j2)
			}
			if _, err := json.Marshal([]any{d, j}); err != nil {
				t.Fatalf("%s, seed %d: write decision: %v", s.Name, seed, err)
			}
			if why := forbidden(s.Policy, c, d); why != "" {
				t.Errorf("%s, seed %d: %s: %s with %s\n%s", s.Name, seed, why, d.Step.Fix, d.Step.Params, d.Reason)
			}
			if d.Verdict == "" || d.Cause == "" || d.Reason == "" || j.Effect == "" || j.Words == "" {
				t.Errorf("%s, seed %d: something is not said: %+v, %+v", s.Name, seed, d, j)
			}
			if c.Step != nil && !c.Now.Before(c.Step.Until) && !c.Step.Until.IsZero() && j.Effect == incidents.Pending {
				t.Errorf("%s, seed %d: still pending after the time was over: %s", s.Name, seed, j.Words)
			}
			if j.Healed && j.Effect != incidents.Improved {
				t.Errorf("%s, seed %d: healed and %s", s.Name, seed, j.Effect)
			}
			verdicts[d.Verdict]++
			effects[j.Effect]++
			if d.Step != nil {
				fixes[d.Step.Fix]++
			}
		}
	}
	if len(verdicts) != 4 || len(effects) != 4 || len(fixes) != 4 {
		t.Errorf("the random records do not reach everything: %v, %v, %v", verdicts, effects, fixes)
	}
	t.Log(verdicts, effects, fixes)
}

// params are those of all fixes.
type params struct {
	SystemIdentifier string `json:"system_identifier"`
	Sessions         []struct {
		PID          int       `json:"pid"`
		BackendStart time.Time `json:"backend_start"`
		XactStart    time.Time `json:"xact_start"`
		User         string    `json:"user"`
	} `json:"sessions"`
	Roles       []string `json:"roles"`
	Max         int      `json:"max"`
	CancelFirst bool     `json:"cancel_first"`
	Terminate   bool     `json:"terminate"`
	Database    string   `json:"database"`
	From        int      `json:"from"`
	To          int      `json:"to"`
	Usable      int      `json:"usable"`
	Means       string   `json:"means"`
	Size        int      `json:"size"`
	Ours        bool     `json:"ours"`
}

// forbidden says why a change must not have been asked for; "" if it may. It is written down a second time here, on purpose.
func forbidden(s settings, c think.Case[poolexhaustion.Observation], d incidents.Decision) string {
	if d.Verdict != incidents.Act {
		if d.Step != nil {
			return "a step without acting"
		}
		return ""
	}
	n := len(c.Before)
	if n < max(2, s.Samples+1) {
		return "too few looks"
	}
	a, b := c.Before[n-2].Seen, c.Before[n-1].Seen
	var p params
	if err := json.Unmarshal(d.Step.Params, &p); err != nil {
		return err.Error()
	}
	server := b.Server
	allowed := []string{"end_leaked", "end_blocker", "grow_pool", "resume"}
	if s.Allow != nil {
		allowed = *s.Allow
	}
	switch {
	case !slices.Contains(allowed, d.Step.Fix):
		return "not allowed"
	case server.Hidden || server.Problem != "" || server.Full || len(server.Primaries) > 1 || len(a.Server.Primaries) > 1:
		return "the server cannot be judged"
	case d.Step.Cluster != "orders" || d.Step.Service != "" || d.Step.Edge != "" || d.Step.Place() == "":
		return "no place"
	case d.Step.Limit.D() > 30*time.Minute || d.Step.TTL != d.Step.Limit:
		return "for too long"
	case d.Step.Once == d.Verify.UntilHealed:
		return "a larger pool must stand until it is healed, and nothing else"
	}
	switch d.Step.Fix {
	case "end_leaked", "end_blocker":
		return badEnding(s, a.Server, server, d, p)
	case "resume":
		db := databaseOf(b, d.Step.Node, p.Database)
		if db == nil || !db.Paused || db.Disabled || p.Ours {
			return "not a foreign pause"
		}
		return ""
	}
	return badGrowth(b, d.Step, p)
}

func badEnding(s settings, before, server poolexhaustion.Server, d incidents.Decision, p params) string {
	most := 3
	if s.MaxSessions > 0 {
		most = s.MaxSessions
	}
	roles := []string{"shop"}
	if s.Roles != nil {
		roles = *s.Roles
	}
	switch {
	case len(p.Sessions) == 0 || len(p.Sessions) > p.Max || p.Max > most || len(p.Sessions) > max(1, server.Used/10):
		return "too many sessions"
	case p.SystemIdentifier == "" || p.SystemIdentifier != server.SystemIdentifier || d.Step.Node != server.Node:
		return "another server"
	case d.Step.Fix == "end_leaked" && (p.CancelFirst || p.Terminate):
		return "cancelling what runs nothing"
	}
	for _, v := range p.Sessions {
		is := func(x poolexhaustion.Session) bool {
			return x.PID == v.PID && x.BackendStart.Equal(v.BackendStart) && x.XactStart.Equal(v.XactStart) && x.User == v.User
		}
		i, was := slices.IndexFunc(server.Sessions, is), slices.ContainsFunc(before.Sessions, is)
		if i < 0 || !was {
			return "a session that was not in both looks"
		}
		x := server.Sessions[i]
		idle := strings.HasPrefix(x.State, "idle in transaction")
		switch {
		case x.BackendType != "client backend", x.Superuser, x.Replication, x.Progress != "", x.WaitEvent == "SyncRep",
			strings.Contains(x.ApplicationName, "pg_dump"), !slices.Contains(roles, x.User), x.PID <= 0, x.XactStart.IsZero():
			return "a session that is never ended"
		case d.Step.Fix == "end_leaked" && (!idle || min(x.XactAge, x.StateAge) <= 300):
			return "a session that is not leaked"
		case d.Step.Fix == "end_blocker" && (idle == p.CancelFirst || !idle && x.State != "active"):
			return "a session that runs a statement is cancelled first, and only that one"
		}
	}
	return ""
}

func databaseOf(o poolexhaustion.Observation, pooler, name string) *poolexhaustion.Database {
	for _, p := range o.Poolers {
		for i := range p.Databases {
			if p.Name == pooler && p.Databases[i].Name == name {
				return &p.Databases[i]
			}
		}
	}
	return nil
}

func badGrowth(o poolexhaustion.Observation, step *remediations.Step, p params) string {
	server, all := o.Server, 0
	for _, pooler := range o.Poolers {
		if pooler.Problem != "" {
			return "a pooler was not read"
		}
		for _, d := range pooler.Databases {
			each := d.Size + d.Reserve
			if pooler.Name == step.Node && step.Remediation == "pgbouncer" && (p.Means == "" && d.Size == p.From || p.Means != "" && d.Reserve == 0) {
				each += p.To - p.From
			}
			if total := each * max(1, len(d.Pools)); d.MaxConnections > 0 {
				all += min(total, d.MaxConnections)
			} else {
				all += total
			}
		}
	}
	from, to, instances := p.From, p.To, 1
	for _, a := range o.Apps {
		if a.Problem != "" {
			return "an application was not read"
		}
		all += int(a.Size)
		if step.Remediation == "httpadmin" {
			instances = 2
			from, to = int(a.Size)/instances, p.Size
			all += (to - from) * instances
		}
	}
	free := float64(server.Usable - server.Used)
	switch {
	case to <= from || 4*to > 5*from:
		return "not larger, or by more than a quarter"
	case float64(all) > 0.8*float64(server.Usable):
		return "above the ceiling"
	case float64(server.Used+(to-from)*instances) > 0.8*float64(server.Usable):
		return "more than may be used"
	case free < 0.3*float64(server.Usable):
		return "without headroom"
	case float64(server.Running) >= 0.8*float64(server.Used):
		return "the database is the limit"
	}
	if step.Remediation == "pgbouncer" {
		d := databaseOf(o, step.Node, p.Database)
		if d == nil || d.Disabled || d.Paused || d.Size != p.From || p.Usable < p.To || float64(p.Usable) > 0.8*float64(server.Usable) {
			return "a database that cannot grow"
		}
	}
	return ""
}
