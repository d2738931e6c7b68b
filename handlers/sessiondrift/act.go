package sessiondrift

import (
	"encoding/json"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

const (
	// remediation is the name of the folder that knows how to change sessions, node what is changed in a store.
	remediation = "sessions"
	node        = "sessions"
)

type syncParams struct {
	Epoch uint64   `json:"epoch"`
	IDs   []string `json:"ids"`
}

type quarantineParams struct {
	Epoch uint64 `json:"epoch"`
	// Total is how many live sessions there are at least.
	Total    int                `json:"total"`
	Sessions []sessions.Session `json:"sessions"`
}

// copiesParams are those of reconcile and of set_aside: all copies of each session that is meant.
type copiesParams struct {
	Epoch    uint64             `json:"epoch"`
	Sessions []sessions.Session `json:"sessions"`
}

type recoverParams struct {
	Epoch    uint64             `json:"epoch"`
	To       string             `json:"to"`
	Sessions []sessions.Session `json:"sessions"`
}

// decision says what is done about a finding.
func (r deciding) decision(f finding) incidents.Decision {
	d := incidents.Decision{Cause: string(f.cause), Verdict: f.verdict, Reason: f.why}
	switch f.verdict {
	case incidents.Wait:
		d.Until = r.until(f)
	case incidents.Act:
		return r.act(f)
	}
	return d
}

// act asks for a fix, or for a person if the policy does not allow it.
func (r deciding) act(f finding) incidents.Decision {
	step := r.step(f)
	d := incidents.Decision{Cause: string(f.cause), Verdict: incidents.Page, Reason: f.why}
	if key := r.missing(f.fix); key != "" {
		d.Reason = words("%s. The fix %s on %s would be next, but the policy does not allow it: set %s", f.why, f.fix, step.Place(), key)
		return d
	}
	t := r.thresholds
	d.Verdict, d.Step, d.Until = incidents.Act, &step, r.Now.Add(t.ConfirmAfter.D())
	d.Verify = &incidents.Verify{Every: t.SampleEvery, Within: t.VerifyWithin, HoldFor: policy.Duration(r.holdFor()), RampEvery: policy.Duration(r.holdFor())}
	return d
}

// step bounds a change that happens and is over: for as long as its effect is looked for, and a minute. All but sync can be taken back.
func (r deciding) step(f finding) remediations.Step {
	limit := policy.Duration(min((r.thresholds.VerifyWithin.D() + time.Minute + time.Second - 1).Truncate(time.Second), longestOnce))
	timeout := r.store.Fix.Timeout
	if f.fix == fixRecover {
		timeout = max(timeout, min(r.store.Fix.Limit, policy.Duration(longestRecover)))
	}
	return remediations.Step{Remediation: remediation, Cluster: r.store.Store, Node: node, Fix: f.fix, Once: true, Undo: f.fix != fixSync,
		Params: encode(f.params), TTL: limit, Limit: limit, Timeout: timeout, Reason: words("%s of %s", f.cause, r.store.Store)}
}

// missing names the policy's key without which a fix cannot be used; "" if it can.
func (r deciding) missing(fix string) string {
	own := "handlers.sessiondrift.stores[" + r.store.Store + "].fix.allow (add " + fix + ")"
	switch {
	case fix == fixQuarantine && !r.store.allows(fix):
		return own + ", or add " + fixRecover
	case !r.store.allows(fix):
		return own
	case fix == fixRecover && min(r.thresholds.VerifyWithin.D(), longestOnce) <= r.recoverTakes():
		return words("handlers.sessiondrift.thresholds.verify_within above %s, at most %s, since only then it can be seen that the new owner renews its leases",
			r.recoverTakes(), longestOnce)
	}
	return ""
}

// encode writes params. They hold texts, numbers, times and lists only, so that it cannot fail.
func encode(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return text
}
