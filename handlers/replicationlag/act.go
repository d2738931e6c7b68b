package replicationlag

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// act asks for a fix, or for a person if the policy does not allow it, or if who manages the cluster cannot be asked.
func (r deciding) act(c Cause, step remediations.Step, reason string) incidents.Decision {
	if key := r.cluster.missing(step.Fix); key != "" {
		return r.page(c, words("%s. The fix %s on %s would be next, but the policy does not allow it: set %s", reason, step.Fix, step.Place(), key))
	}
	if p := r.newest().seen.Patroni; p != nil && p.Problem != "" {
		return r.page(c, words("%s. The fix %s on %s would be next, but Patroni could not be asked whether a person has paused the cluster: %s",
			reason, step.Fix, step.Place(), p.Problem))
	}
	step.Timeout, step.Reason = r.cluster.Fix.Timeout, words("%s of %s/%s", c, r.cluster.Cluster, r.subjectOf(step))
	t := r.thresholds
	return incidents.Decision{
		Cause: string(c), Verdict: incidents.Act, Reason: reason, Until: r.Now.Add(t.ConfirmAfter.D()), Step: &step,
		Verify: &incidents.Verify{Every: t.SampleEvery, Within: t.VerifyWithin, HoldFor: t.HoldFor, RampEvery: t.HoldFor,
			UntilHealed: step.Fix == fixDrain},
	}
}

// subjectOf is the standby that a step is for: its node, or the one whose walsender on the primary it ends.
func (r deciding) subjectOf(s remediations.Step) string {
	if s.Fix != fixRestartStream {
		return s.Node
	}
	var p streamParams
	if json.Unmarshal(s.Params, &p) != nil {
		return s.Node
	}
	return p.Standby
}

// missing names the policy's key without which a fix cannot be used; "" if it can.
func (c cluster) missing(fix string) string {
	own, shared := "handlers.replicationlag.clusters["+c.Cluster+"].fix.", "postgres["+c.Cluster+"]."
	switch reads := c.topology.Reads; {
	case !slices.Contains(c.Fix.Allow, fix):
		return own + "allow (add " + fix + ")"
	case fix == fixDrain && (reads == nil || reads.HAProxy == nil && reads.HTTP == nil):
		return shared + "reads"
	case fix != fixDrain && c.topology.Connect.Act == nil:
		return shared + "connect.act"
	case fix == fixEndConflict && len(c.Fix.Roles) == 0:
		return own + "roles"
	}
	return ""
}

// once bounds a change that happens and is over: for as long as its effect is looked for, and a minute.
func (r deciding) once(node, fix string, params any) remediations.Step {
	limit := policy.Duration(min((r.thresholds.VerifyWithin.D() + time.Minute + time.Second - 1).Truncate(time.Second), longestOnce))
	return remediations.Step{Remediation: "postgres", Cluster: r.cluster.Cluster, Node: node, Fix: fix, Once: true,
		Params: encode(params), TTL: limit, Limit: limit}
}

// longestOnce is the most that the effect of such a change is looked for.
const longestOnce = 10 * time.Minute

// encode writes params. They hold texts, numbers and lists only, so that it cannot fail.
func encode(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return text
}

// stamp is a server's time as its views have it: to the microsecond, since it is compared for equality.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z07:00") }
