package modeltest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/handlers"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// sight is what a look at a target sees.
type sight struct {
	Readable bool `json:"readable"`
	Sick     bool `json:"sick"`
	Worse    bool `json:"worse"`
	Grade    int  `json:"grade"`
	// Session is the identity of what a change that happens once would end.
	Session uint64 `json:"session,omitempty"`
	// Keep says that a change is kept until it is healed, Healed that the fault is gone, whatever the change hides.
	Keep   bool `json:"keep,omitempty"`
	Healed bool `json:"healed,omitempty"`
}

const familyName = "model"

// family is a handler that looks at simulated targets and thinks in one line. Which plan it asks for follows from the grade of the
// fault, so that a plan can change between two looks.
type family struct {
	w   *world
	rep *replica
}

var (
	_ handlers.Thinker[sight] = (*family)(nil)
	_ handlers.Prober[sight]  = (*family)(nil)
)

func (f *family) Name() string { return familyName }

func (f *family) Target(a alerts.Alert) (handlers.Target, bool) {
	t := f.w.targets[a.Labels["target"]]
	if t == nil {
		return handlers.Target{}, false
	}
	f.rep.modes[t.name] = string(t.mode)
	return f.of(t), true
}

func (f *family) of(t *target) handlers.Target {
	return handlers.Target{Name: t.name, Domain: t.domain, Zone: t.zone, Mode: t.mode}
}

func (f *family) Targets() []handlers.Target {
	out := make([]handlers.Target, 0, len(f.w.names))
	for _, name := range f.w.names {
		out = append(out, f.of(f.w.targets[name]))
	}
	return out
}

func (f *family) Observe(_ context.Context, name string) (sight, error) {
	f.w.at("look")
	t := f.w.targets[name]
	t.settle()
	s := t.seen()
	f.w.at("looked")
	if !s.Readable {
		return s, errors.New("it does not answer")
	}
	return s, nil
}

func (f *family) Decide(c handlers.Case[sight]) incidents.Decision { return decide(c) }

func (f *family) Judge(c handlers.Case[sight]) incidents.Judgement { return judge(c) }

// decide is pure. The name of a target begins with its kind.
func decide(c handlers.Case[sight]) incidents.Decision {
	last := c.Before[len(c.Before)-1].Seen
	switch {
	case !last.Readable:
		return incidents.Decision{Cause: "unknown", Verdict: incidents.Wait, Reason: "it cannot be read", Until: c.Now.Add(5 * time.Second)}
	case !last.Sick:
		return incidents.Decision{Cause: "well", Verdict: incidents.FalsePositive, Reason: "nothing is wrong"}
	case last.Grade >= 3:
		return incidents.Decision{Cause: "beyond", Verdict: incidents.Page, Reason: "no change helps against that"}
	}
	// The shorter one stands for less time: it must not be sent where the longer one was approved, nor the other way round.
	long, once := limit/time.Duration(last.Grade), kind(c.Target.Name[:1]).once()
	return incidents.Decision{Cause: "sick", Verdict: incidents.Act, Reason: fmt.Sprintf("it is sick since %d looks", len(c.Before)),
		Until: c.Now.Add(2 * time.Second),
		Step: &remediations.Step{Remediation: c.Target.Name[:1], Service: c.Target.Name, Edge: "out", Fix: "open",
			Params: asParams(params{Grade: last.Grade, Session: last.Session}), Once: once, TTL: policy.Duration(ttl), Limit: policy.Duration(long),
			Timeout: policy.Duration(timeout), Ramp: []int{50, 90}, Reason: "sick"},
		Verify: &incidents.Verify{Every: policy.Duration(every), Within: policy.Duration(40 * time.Second),
			HoldFor: policy.Duration(20 * time.Second), RampEvery: policy.Duration(10 * time.Second),
			UntilHealed: last.Keep}}
}

// params are the settings of a change; which session it is meant for makes it another plan.
type params struct {
	Grade   int    `json:"grade"`
	Session uint64 `json:"session,omitempty"`
}

func asParams(p params) json.RawMessage { return json.RawMessage(asText(p)) }

func judge(c handlers.Case[sight]) incidents.Judgement {
	if len(c.After) == 0 {
		return incidents.Judgement{Effect: incidents.Pending, Words: "not looked yet"}
	}
	switch last := c.After[len(c.After)-1].Seen; {
	case !last.Readable:
		return incidents.Judgement{Effect: incidents.Pending, Words: "it cannot be read"}
	case last.Worse || c.Step.Released > 0 && last.Sick:
		return incidents.Judgement{Effect: incidents.Worse, Words: "it is worse"}
	case !last.Sick:
		return incidents.Judgement{Effect: incidents.Improved, Healed: last.Healed, Words: "it is well"}
	}
	return incidents.Judgement{Effect: incidents.Pending, Words: "still sick"}
}

// approvers are named for everything; how long an asking waits is short.
type approvers struct{}

func (approvers) Anyone(string, string, string) bool { return true }
func (approvers) Expire() time.Duration              { return 3 * time.Minute }
