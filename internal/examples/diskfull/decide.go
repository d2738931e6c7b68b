package diskfull

import (
	"fmt"
	"slices"

	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Decide says what is the matter with a volume. The first rule that holds wins:
//
//	no two fresh looks               → wait
//	the last look could not be read  → page: nothing is known, so nothing is touched
//	more than a tenth is free        → false positive
//	little is free, and it gets less → hold the job, or page where that is not allowed
//	little is free, and it does not  → page: holding the job would change nothing
func (h *Handler) Decide(c think.Case[Observation]) incidents.Decision {
	if len(c.Before) < 2 || c.Now.Sub(c.Before[len(c.Before)-1].At) > stale {
		return incidents.Decision{Cause: "gathering", Verdict: incidents.Wait, Reason: "two fresh looks are needed", Until: c.Now.Add(every)}
	}
	first, last := c.Before[len(c.Before)-2].Seen, c.Before[len(c.Before)-1].Seen
	if p := first.Problem + last.Problem; p != "" || last.TotalBytes == 0 || first.TotalBytes != last.TotalBytes {
		return incidents.Decision{Cause: "probe_unknown", Verdict: incidents.Page, Reason: "the volume could not be read: " + p}
	}
	d := incidents.Decision{Evidence: []incidents.Evidence{
		{Name: "free", Value: last.share(), Words: fmt.Sprintf("%.1f %% is free", 100*last.share())}}}
	switch volume, known := h.Volume(c.Target.Name); {
	case last.share() > tight:
		d.Cause, d.Verdict, d.Reason = "healthy", incidents.FalsePositive, "enough is free"
	case last.FreeBytes >= first.FreeBytes:
		d.Cause, d.Verdict, d.Reason = "full", incidents.Page, "little is free, but it is not filling: holding the job would change nothing"
	case !known || !slices.Contains(volume.Allow, Fix):
		d.Cause, d.Verdict, d.Reason = "filling", incidents.Page, "it is filling, and "+Fix+" is not allowed here"
	default:
		d.Cause, d.Verdict, d.Reason = "filling", incidents.Act, "it is filling: the job waits until people have made room"
		d.Step, d.Until = step(volume), c.Now.Add(every)
		d.Verify = &incidents.Verify{Every: policy.Duration(every), Within: policy.Duration(within), HoldFor: policy.Duration(within)}
	}
	return d
}

// Remediation and Fix are what the step asks for; package hold makes it.
const (
	Remediation = "hold"
	Fix         = "hold_job"
)

// step holds no number that was measured: the same decision must give the same step, or two looks would never agree.
func step(v Volume) *remediations.Step {
	return &remediations.Step{Remediation: Remediation, Service: v.Job, Edge: v.Disk, Fix: Fix, TTL: policy.Duration(held),
		Limit: policy.Duration(held), Timeout: policy.Duration(every), Reason: v.Name() + " is filling"}
}

// Judge says whether the disk has stopped filling since the job is held.
func (h *Handler) Judge(c think.Case[Observation]) incidents.Judgement {
	over := c.Step != nil && !c.Now.Before(c.Step.Until)
	if len(c.After) < 2 {
		return unclear(over, "two looks since the change are needed")
	}
	first, last := c.After[len(c.After)-2].Seen, c.After[len(c.After)-1].Seen
	switch {
	case first.Problem+last.Problem != "":
		return unclear(over, "the volume could not be read: "+first.Problem+last.Problem)
	case last.FreeBytes >= first.FreeBytes:
		return incidents.Judgement{Effect: incidents.Improved, Words: "it is not filling any more"}
	}
	return unclear(over, fmt.Sprintf("%d bytes fewer are free than a look ago", first.FreeBytes-last.FreeBytes))
}

// unclear waits for another look while there is time. After that what was not seen to help did not.
func unclear(over bool, why string) incidents.Judgement {
	if over {
		return incidents.Judgement{Effect: incidents.NoEffect, Words: why}
	}
	return incidents.Judgement{Effect: incidents.Pending, Words: why}
}

// share is how much of the disk is free.
func (o Observation) share() float64 { return float64(o.FreeBytes) / float64(o.TotalBytes) }
