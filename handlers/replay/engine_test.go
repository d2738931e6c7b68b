package replay_test

import (
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/replay"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

func play(list []replay.Message, r replay.Rules) (map[string]replay.Result, replay.Totals) {
	all := map[string]replay.Result{}
	e := replay.New(r, func(r replay.Result) { all[r.Target] = r })
	for _, m := range list {
		e.Next(m)
	}
	return all, e.Finish()
}

// kinds are the deeds of a course in one line.
func kinds(list []replay.Deed) string {
	var out []string
	for _, d := range list {
		word := string(d.Kind)
		if d.Reason != "" {
			word += ":" + string(d.Reason)
		}
		out = append(out, word)
	}
	return strings.Join(out, " ")
}

func TestCourses(t *testing.T) {
	t.Parallel()
	observing, asking, renamed, risky, shorter := sickAbove(10), sickAbove(10), sickAbove(10), sickAbove(10), sickAbove(10)
	observing.mode, asking.mode, renamed.cause, risky.fix, shorter.hold = policy.Observe, policy.Approve, "ill", "risky", time.Minute
	renamedAsking := renamed
	renamedAsking.mode = policy.Approve
	acted := func(p *tape) {
		c := p.open(sickAbove(10), "t1", 0)
		c.act(0, 20)
		c.close(60)
	}
	tests := map[string]struct {
		record  func(*tape)
		now     family
		set     func(*replay.Rules)
		then    string
		is      string
		unknown string // what Why says; "" if the other course is known to its end
	}{
		"the same":                               {record: acted, now: sickAbove(10), then: "nothing acted", is: "nothing acted"},
		"the same, with a cause of another name": {record: acted, now: renamed, then: "nothing acted", is: "nothing acted"},
		"a higher limit":                         {record: acted, now: sickAbove(50), then: "nothing acted", is: "nothing", unknown: "it acted, and would have done nothing"},
		"only observing":                         {record: acted, now: observing, then: "nothing acted", is: "nothing refused:observe", unknown: "would have refused"},
		"asking":                                 {record: acted, now: asking, then: "nothing acted", is: "nothing asked", unknown: "would have asked"},
		"for a shorter time":                     {record: acted, now: shorter, then: "nothing acted", is: "nothing acted", unknown: "differently"},
		"judged otherwise": {record: acted, now: family{limit: 0.5, cause: "sick", mode: policy.Auto, hold: 5 * time.Minute, fix: "open"},
			then: "nothing acted", is: "nothing acted", unknown: "judged improved, and would have been judged worse"},
		"acting where it observed": {record: func(p *tape) {
			c := p.open(observing, "t1", 0)
			c.look(0, 20)
			c.look(5, 20, refusal(remediations.ReasonObserve))
			c.look(15, 20, refusal(remediations.ReasonObserve))
			c.close(60)
		}, now: sickAbove(10), then: "nothing refused:observe", is: "nothing acted", unknown: "it refused, and would have acted"},
		"a silence is one under any policy": {record: func(p *tape) {
			c := p.open(sickAbove(10), "t1", 0)
			c.look(0, 20)
			c.look(5, 20, refusal(remediations.ReasonSilenced))
			c.close(60)
		}, now: asking, then: "nothing refused:silenced", is: "nothing refused:silenced"},
		"a look that was never made": {record: func(p *tape) {
			c := p.open(sickAbove(50), "t1", 0)
			c.look(0, 20)
			c.look(30, 20)
			c.close(60)
		}, now: sickAbove(10), then: "nothing", is: "nothing missing", unknown: "would have looked again at 2026-11-23T03:00:05Z"},
		"the end came before the second look": {record: func(p *tape) {
			c := p.open(sickAbove(50), "t1", 0)
			c.look(0, 20)
			c.close(4)
		}, now: sickAbove(10), then: "nothing", is: "nothing"},
		"the look that was never made before the end": {record: func(p *tape) {
			c := p.open(sickAbove(50), "t1", 0)
			c.look(0, 20)
			c.close(40)
		}, now: sickAbove(10), then: "nothing", is: "nothing missing", unknown: "nobody did"},
		"a window of the candidate": {record: acted, now: sickAbove(10), set: func(r *replay.Rules) {
			r.Windows = func(string, string, time.Time) *remediations.NoError {
				return &remediations.NoError{Reason: remediations.ReasonMaintenance, Words: "patching"}
			}
		}, then: "nothing acted", is: "nothing refused:maintenance", unknown: "would have refused"},
		"what the candidate does not permit": {record: acted, now: sickAbove(10), set: func(r *replay.Rules) {
			r.Permits = func(string, string, string, string) bool { return false }
		}, then: "nothing acted", is: "nothing refused:not_allowed", unknown: "would have refused"},
		"nobody may approve": {record: acted, now: asking, set: func(r *replay.Rules) {
			r.Anyone = func(string, string, string) bool { return false }
		}, then: "nothing acted", is: "nothing refused:class", unknown: "would have refused"},
		"a fix of another class": {record: acted, now: risky, then: "nothing acted", is: "nothing asked", unknown: "would have asked"},
		"asked and approved, with a cause of another name": {record: func(p *tape) {
			c := p.open(asking, "t1", 0)
			c.look(0, 20)
			c.look(5, 20, incidents.Event{Kind: incidents.Asked})
			c.put(20, incidents.Event{Kind: incidents.Approved, Plan: c.st.Plan, Person: &incidents.Person{Via: "cli", Name: "ann"}})
			c.look(21, 20, incidents.Event{Kind: incidents.Intended})
			c.stand(21)
			c.close(90)
		}, now: renamedAsking, then: "nothing asked acted", is: "nothing asked acted"},
		"too old to be looked at, and not so under the candidate": {record: func(p *tape) {
			c := p.open(sickAbove(10), "t1", 0)
			c.put(900, refusal(remediations.ReasonStaleAlert))
			c.close(960)
		}, now: sickAbove(10), set: func(r *replay.Rules) { r.Limits.AlertMaxAge = policy.Duration(time.Hour) },
			then: "refused:stale_alert", is: "missing", unknown: "would not have been"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &tape{t: t}
			c.record(p)
			r := rules(c.now)
			if c.set != nil {
				c.set(&r)
			}
			results, totals := play(p.list, r)
			got := results["t1"]
			if kinds(got.Then) != c.then || kinds(got.Now) != c.is {
				t.Errorf("then %q, now %q; want %q and %q", kinds(got.Then), kinds(got.Now), c.then, c.is)
			}
			if (c.unknown == "") != got.Unknown.IsZero() || !strings.Contains(got.Why, c.unknown) {
				t.Errorf("unknown from %s: %q, want it to say %q", got.Unknown, got.Why, c.unknown)
			}
			if totals.Incidents != 1 || totals.Events == 0 {
				t.Errorf("totals %+v", totals)
			}
		})
	}
}

// Two changes in one domain: the other course has its own ledger, in the time of the record.
func TestSimulatedLedger(t *testing.T) {
	t.Parallel()
	observing := sickAbove(10)
	observing.mode = policy.Observe
	record := func(second int) []replay.Message {
		p := &tape{t: t}
		a := p.open(observing, "t1", 0)
		a.look(0, 20)
		a.look(5, 20, refusal(remediations.ReasonObserve))
		b := p.open(observing, "t2", second)
		b.look(second, 20)
		b.look(second+5, 20, refusal(remediations.ReasonObserve))
		b.close(second + 60)
		a.close(second + 60)
		return p.list
	}
	tests := map[string]struct {
		second int
		want   string
	}{
		"while the first stands":    {60, "nothing refused:target_busy"},
		"after the first's limit":   {310, "nothing refused:cooldown"},
		"after the first's cooling": {1000, "nothing acted"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results, totals := play(record(c.second), rules(sickAbove(10)))
			if got := kinds(results["t1"].Now); got != "nothing acted" {
				t.Errorf("the first: %s", got)
			}
			if got := kinds(results["t2"].Now); got != c.want {
				t.Errorf("the second: %s, want %s", got, c.want)
			}
			if !results["t1"].Now[1].Assumed {
				t.Error("nobody was asked whether the alert is silenced, and the result does not say so")
			}
			if totals.Acted().Then != 0 || totals.Assumed == 0 {
				t.Errorf("totals %+v", totals)
			}
		})
	}
}

// What comes behind the end of an incident, and a record whose beginning is gone, derive nothing and are not counted as if they did.
func TestParts(t *testing.T) {
	t.Parallel()
	p := &tape{t: t}
	c := p.open(sickAbove(10), "t1", 0)
	c.act(0, 20)
	c.close(60)
	c.put(70, incidents.Event{Kind: incidents.Acked, Person: &incidents.Person{Via: "cli", Name: "ann"}})
	_, whole := play(p.list, rules(sickAbove(10)))
	if whole.Incidents != 1 || whole.Partial != 0 {
		t.Errorf("with an acknowledgement behind its end: %+v, want one incident", whole)
	}
	results, part := play(p.list[2:], rules(sickAbove(50)))
	if part.Incidents != 1 || part.Partial != 1 || part.Differ != 0 {
		t.Errorf("without its beginning: %+v, want one partial incident that does not differ", part)
	}
	for _, r := range results {
		if !r.Partial || len(r.Now) != 0 {
			t.Errorf("without its beginning: %+v, want partial and no deeds", r)
		}
	}
	check := replay.NewChecker(rules(sickAbove(10)))
	for _, m := range p.list[2:] {
		check.Next(m)
	}
	if got := check.Result(); got.Partial != got.Decisions || got.Different != 0 {
		t.Errorf("checked without its beginning: %+v, want all decisions partial", got)
	}
}

// A decision that does not come out the same is named, with its place in the decision and what else is different.
func TestFirstDifference(t *testing.T) {
	t.Parallel()
	record := func() []replay.Message {
		p := &tape{t: t}
		c := p.open(sickAbove(10), "t1", 0)
		c.act(0, 20)
		c.close(60)
		return p.list
	}
	tests := map[string]struct {
		set              func([]replay.Message, *replay.Rules)
		path, then, is   string
		why              string
		different, other int
	}{
		"the same": {},
		"a number in the record was changed": {set: func(list []replay.Message, _ *replay.Rules) {
			list[1].Events[1].Decision.Evidence[0].Value = 21
		}, path: "evidence[0].value", then: "21", is: "20", different: 1},
		"another policy": {set: func(_ []replay.Message, r *replay.Rules) {
			*r = rules(sickAbove(50))
			r.Hash = "h2"
		}, path: "cause", then: `"sick"`, is: `"well"`, why: "decided under policy h1, and this is h2", different: 2, other: 2},
		"another build": {set: func(_ []replay.Message, r *replay.Rules) {
			*r = rules(sickAbove(50))
			r.Build = "b2"
		}, path: "cause", then: `"sick"`, is: `"well"`, why: "decided by build b1, and this is b2", different: 2},
		"an older record": {set: func(list []replay.Message, _ *replay.Rules) {
			for _, m := range list {
				for i := range m.Events {
					m.Events[i].Basis = nil
				}
			}
		}},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, r := record(), rules(sickAbove(10))
			if c.set != nil {
				c.set(list, &r)
			}
			check := replay.NewChecker(r)
			for _, m := range list {
				check.Next(m)
			}
			got := check.Result()
			if got.Different != c.different || got.OtherPolicy != c.other || got.Identical != got.Decisions-c.different || got.Decisions != 2 {
				t.Fatalf("%+v, want %d different of 2, %d under another policy", got, c.different, c.other)
			}
			if c.different == 0 {
				return
			}
			if f := got.First; f.Path != c.path || f.Then != c.then || f.Now != c.is || f.Why != c.why || f.Incident == "" {
				t.Errorf("first difference %v, want %s: %s → %s (%s)", f, c.path, c.then, c.is, c.why)
			}
		})
	}
}
