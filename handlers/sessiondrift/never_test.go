package sessiondrift_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// params are those of all fixes.
type params struct {
	Epoch    uint64             `json:"epoch"`
	Total    int                `json:"total"`
	To       string             `json:"to"`
	IDs      []string           `json:"ids"`
	Sessions []sessions.Session `json:"sessions"`
}

// However a record is spoiled, what is asked for is within its bounds, and rests on two looks in which all that it needs was so. The rules are
// written here once more, from the tables and not from the code.
func TestNeverOutOfBounds(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(21, 22))
	all := slices.DeleteFunc(snapshots(t), func(s snapshot) bool { return len(s.Looks) == 0 || len(s.Looks[0].Seen.Orphans.Oldest) > 60 })
	acts := map[string]int{}
	for range 3_000 {
		s := all[r.IntN(len(all))]
		if s.Step != nil || len(s.Looks) > 6 {
			continue
		}
		c := throughJSON(t, s.handed())
		spoil(r, &c)
		h := newHandler(t, s.Policy)
		d := h.Decide(c)
		h.Judge(c) // must not panic
		if d.Verdict != incidents.Act {
			continue
		}
		acts[d.Step.Fix]++
		if why := forbidden(s.Policy, c, d); why != "" {
			t.Fatalf("%s: %s (%s): %s", s.Name, d.Step.Fix, d.Reason, why)
		}
	}
	for _, fix := range []string{"sync", "quarantine", "reconcile", "set_aside", "recover"} {
		if acts[fix] < 10 {
			t.Errorf("%s was asked for %d times only: it shows nothing", fix, acts[fix])
		}
	}
}

// forbidden says why a decision must not be made; "" if it may.
func forbidden(s settings, c think.Case[sessiondrift.Observation], d incidents.Decision) string {
	var p params
	if json.Unmarshal(d.Step.Params, &p) != nil {
		return "settings that cannot be read"
	}
	last := c.Before[len(c.Before)-1]
	i := len(c.Before) - 2
	for i > 0 && last.At.Sub(c.Before[i].At) < 4*time.Second {
		i--
	}
	agreeing := c.Before[i:]
	switch {
	case len(agreeing) < 2 || last.At.Sub(agreeing[0].At) < 4*time.Second:
		return "it rests on one look"
	case c.Now.Sub(last.At) > 30*time.Second || d.Step.Cluster != "webshop" || d.Step.Node != "sessions" || !d.Step.Once:
		return "an old look, or another place"
	case d.Step.Undo == (d.Step.Fix == "sync"):
		return "what takes away can be undone, and nothing else"
	}
	for _, l := range agreeing {
		if why := shaken(s, l.Seen, p); why != "" {
			return why
		}
	}
	switch d.Step.Fix {
	case "sync":
		return badSync(agreeing, p)
	case "reconcile", "set_aside":
		return badCopies(s, agreeing, d.Step.Fix, p)
	}
	return badOrphans(s, agreeing, d.Step.Fix, p)
}

// shaken is for what keeps every change from being made.
func shaken(s settings, o obs, p params) string {
	m := o.Members
	asked := func(name string) bool { return s.Asks == nil || slices.Contains(*s.Asks, name) }
	switch {
	case o.Problem != "" || m.Problem != "" || m.Check() != nil:
		return "who is there is not known"
	case !m.Quorum:
		return "there is no quorum"
	case len(o.Around.Partition) > 0 || o.Around.PartitionProblem != "":
		return "there may be a partition"
	case m.Epoch == 0 || m.Epoch != p.Epoch:
		return "another epoch, or none"
	case o.Around.Deploying != nil && *o.Around.Deploying || asked("deploying") && o.Around.Deploying == nil:
		return "there may be a deploy"
	case o.Clock.Within <= 0 || max(o.Clock.Offset, -o.Clock.Offset)+o.Clock.Within > 1:
		return "the clock may be wrong"
	case o.Orphans.Problem == "" && 20*o.Orphans.Expired > o.Orphans.Read:
		return "too many are overdue"
	}
	for _, x := range m.Members {
		if x.State != sessions.Alive && len(x.Vouched) > 0 {
			return "a member that is silent is heard"
		}
	}
	return ""
}

func badSync(agreeing []look, p params) string {
	if len(p.IDs) == 0 || len(p.IDs) > 100 || !slices.IsSorted(p.IDs) {
		return "too many, none, or in no order"
	}
	for _, l := range agreeing {
		there := map[string]bool{}
		for _, c := range l.Seen.Contents.Replicas {
			for _, d := range c.Differences {
				if d.Drift != sessions.Lost && d.Drift != sessions.Behind {
					return "a replica is ahead"
				}
				there[d.ID] = there[d.ID] || c.Problem == "" && l.Seen.Contents.Problem == ""
			}
		}
		if slices.ContainsFunc(p.IDs, func(id string) bool { return !there[id] }) {
			return "a session that was not behind in each look"
		}
	}
	return ""
}

// stable says what the membership must be before anything is taken away.
func stable(s settings, o obs) string {
	asked := s.Asks == nil || slices.Contains(*s.Asks, "not_found")
	need := 10 * time.Minute
	if s.Stable != 0 {
		need = s.Stable.D()
	}
	m := o.Members
	for _, x := range m.Members {
		if x.State == sessions.Silent || m.At.Sub(x.Since) < need {
			return "a member that is silent, or changed a short time ago"
		}
	}
	switch {
	case m.StableSince.IsZero() || m.At.Sub(m.StableSince) < need:
		return "the membership changed a short time ago"
	case asked && o.Around.NotFound == nil || o.Around.NotFoundProblem != "":
		return "who misses a session is not known"
	}
	return ""
}

func badCopies(s settings, agreeing []look, fix string, p params) string {
	away := 0
	groups := sessions.ByID(p.Sessions)
	for _, g := range groups {
		for _, outcome := range sessions.Resolve(g) {
			switch {
			case fix == "reconcile" && outcome == sessions.Conflict || fix == "set_aside" && outcome != sessions.Conflict:
				return "the other fix's"
			case outcome != sessions.Kept:
				away++
			}
		}
	}
	for _, l := range agreeing {
		o := l.Seen
		if why := stable(s, o); why != "" {
			return why
		}
		if away == 0 || away > 50 || away > max(1, o.Members.Total/100) || o.Copies.Problem != "" {
			return "too many, none, or not known"
		}
		for _, g := range groups {
			there := func(x []sessions.Session) bool { return slices.EqualFunc(x, g, sessions.Session.Same) }
			if !slices.ContainsFunc(o.Copies.Dominated, there) && !slices.ContainsFunc(o.Copies.Concurrent, there) {
				return "copies that were not the same in each look"
			}
		}
	}
	return ""
}

func badOrphans(s settings, agreeing []look, fix string, p params) string {
	most := 50
	if s.MaxSessions != 0 {
		most = s.MaxSessions
	}
	if fix == "recover" {
		most *= 4
	}
	if len(p.Sessions) == 0 || len(p.Sessions) > most {
		return "too many, or none"
	}
	for _, l := range agreeing {
		o := l.Seen
		if why := stable(s, o); why != "" {
			return why
		}
		m := o.Members.Membership
		hear := map[string]bool{}
		alive := 0
		for _, x := range m.Members {
			for _, v := range x.Vouched {
				hear[v] = true
			}
			if x.State == sessions.Alive {
				alive++
			}
		}
		switch {
		case alive < 2 || 2*len(hear) <= len(m.Members):
			return "the view of one node"
		case !o.Orphans.Complete || o.Orphans.Problem != "" || o.Around.OrphansBeforeProblem != "":
			return "the number of orphans is not known"
		case o.Around.OrphansBefore != nil && float64(o.Orphans.Count) > 10*max(10, *o.Around.OrphansBefore):
			return "a jump"
		case fix == "quarantine" && (len(p.Sessions) > max(1, m.Total/100) || p.Total > m.Total || len(p.Sessions) > sessions.Bound(p.Total)):
			return "more than one in a hundred"
		case fix == "recover" && m.Is(p.To) != sessions.Alive:
			return "to somebody who is not alive"
		}
		for _, x := range p.Sessions {
			if !sessions.Orphan(x, m) || x.Epoch == 0 || !slices.ContainsFunc(o.Orphans.Oldest, x.Same) {
				return "a session that is no orphan, or was not the same in each look"
			}
		}
	}
	return ""
}
