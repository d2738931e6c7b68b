package replay

import (
	"fmt"
	"slices"

	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// recorded is what was done about a recorded decision, by what follows it in the same message.
func (e *Engine) recorded(inc *incident, ev incidents.Event) Deed {
	d := *ev.Decision
	deed := about(d, e.class(d))
	deed.At = ev.At
	if d.Step != nil {
		deed.Words = d.Step.Words()
	}
	for _, next := range inc.rest {
		switch {
		case next.Kind == incidents.Intended:
			deed.Kind, deed.step = Acted, d.Step
			return deed
		case next.Kind == incidents.Asked:
			deed.Kind, deed.step = Asked, d.Step
			return deed
		case next.Kind == incidents.Refused && next.Refusal != nil:
			deed.Kind, deed.Reason, deed.Words = Refused, next.Refusal.Reason, next.Refusal.Words
			return deed
		}
	}
	return plain(deed, d)
}

// plain is for decisions after which nothing is asked of anybody.
func plain(deed Deed, d incidents.Decision) Deed {
	deed.Kind, deed.Words = Nothing, d.Reason
	if d.Verdict == incidents.Page {
		deed.Kind = Paged
	}
	return deed
}

func (e *Engine) class(d incidents.Decision) remediations.Class {
	if d.Step == nil {
		return remediations.ClassN
	}
	b, known := e.rules.Bounds(*d.Step)
	if !known {
		return remediations.ClassN
	}
	return b.Class
}

// decide is what the other course makes of a recorded look: the deed, and its decision as an event of its own record.
func (e *Engine) decide(inc *incident, ev incidents.Event) (Deed, incidents.Event) {
	st, decision := &inc.now, ev
	h := e.rules.Thinkers[inc.id.Handler()]
	if h == nil {
		return Deed{Kind: Off, At: ev.At, Words: "there is no such handler"}, decision
	}
	target := e.rules.target(h, st)
	if target.Mode == policy.Off {
		return Deed{Kind: Off, At: ev.At, Words: "the policy does not let " + h.Name() + " look at " + st.Target}, decision
	}
	looked := ev.At
	if n := len(st.Looks); n > 0 {
		looked = st.Looks[n-1].At
	}
	if think.Stale(st, looked, e.rules.Limits.AlertMaxAge.D()) {
		return Deed{Kind: Refused, At: ev.At, Reason: remediations.ReasonStaleAlert, Words: "the alert is too old to act on"}, decision
	}
	busy := e.zones.others(inc.id.Handler())
	if ev.Basis != nil {
		busy = ev.Basis.Busy
	}
	d, err := h.Decide(think.Scene{Target: target, State: st, Busy: busy, Now: looked, Memo: &inc.memo})
	if err != nil {
		return Deed{Kind: Missing, At: ev.At, Words: "this build cannot read what was looked at: " + err.Error()}, decision
	}
	plan := incidents.PlanOf(st, st.Domain, e.class(d), d)
	decision.Decision, decision.Plan = &d, plan.Hash()
	deed := about(d, e.class(d))
	deed.At = ev.At
	if d.Verdict != incidents.Act {
		return plain(deed, d), decision
	}
	deed.Words = d.Step.Words()
	return e.propose(inc, deed, d, plan, target), decision
}

// propose takes a decision to act through everything that may say no, in the order in which the loop does.
func (e *Engine) propose(inc *incident, deed Deed, d incidents.Decision, plan incidents.Plan, target think.Target) Deed {
	st, hash := &inc.now, plan.Hash()
	if st.Plan == "" || st.Plan != hash {
		deed.Kind, deed.Words = Nothing, "waits for a second look: "+d.Step.Words()
		return deed
	}
	no := func(reason remediations.Reason, words string) Deed {
		deed.Kind, deed.Reason, deed.Words = Refused, reason, words
		return deed
	}
	override := think.Overridden(st, deed.At)
	p := think.Proposal{Step: d.Step, Target: target, Overridden: override, Newer: st.Newer}
	p.Bounds, p.Known = e.rules.Bounds(*d.Step)
	p.Permitted = e.rules.Permits(inc.id.Handler(), st.Target, d.Step.Place(), d.Step.Fix)
	if r := p.Refusal(); r != nil {
		return no(r.Reason, r.Words)
	}
	need := think.Votes(p.Bounds.Class, target.Mode, override)
	agreed := st.Asking != nil && st.Asking.Plan == hash && len(st.Approvals) >= need
	switch {
	case need == 0 || agreed:
	case !e.rules.Anyone(inc.id.Handler(), st.Target, d.Step.Fix):
		return no(remediations.ReasonClass, fmt.Sprintf("%s needs approval (class %s, mode %s), and the policy names nobody who may give it", d.Step.Fix, p.Bounds.Class, target.Mode))
	case st.Denial != nil && st.DeniedPlan == hash:
		return no(remediations.ReasonDenied, "a person denied it")
	case st.Askings >= think.MaxAskings:
		return no(remediations.ReasonApprovalExpired, fmt.Sprintf("%d askings of this incident were not answered in time", st.Askings))
	}
	refusal, assumed := world(inc.rest)
	deed.Assumed = assumed
	if refusal == nil && !override {
		if w := e.rules.Windows(inc.id.Handler(), st.Domain, deed.At); w != nil {
			refusal = &incidents.Refusal{Reason: w.Reason, Words: w.Words}
		}
	}
	if refusal != nil {
		return no(refusal.Reason, refusal.Words)
	}
	sick, known := e.zones.count(target.Zone)
	asked := e.ledger.ask(inc, p.Bounds.Class, target, d.Step, sick, known, override)
	deed.Kind, deed.step = Acted, d.Step
	var block *remediations.NoError
	if need > 0 && !agreed {
		deed.Kind = Asked
		block = e.ledger.book.Would(e.ledger.limits, asked, deed.At)
	} else {
		_, block, _ = e.ledger.book.Reserve(e.ledger.limits, asked, deed.At)
	}
	if block != nil {
		deed.step = nil
		return no(block.Reason, block.Words)
	}
	return deed
}

// worldly are the reasons that no policy decides.
func worldly() []remediations.Reason {
	return []remediations.Reason{remediations.ReasonResolved, remediations.ReasonSilenced, remediations.ReasonInhibited, remediations.ReasonMuted,
		remediations.ReasonUnconfirmed, remediations.ReasonPaused, remediations.ReasonKillSwitch, remediations.ReasonOwnerPaused,
		remediations.ReasonObserver, remediations.ReasonWatchdog, remediations.ReasonStorm, remediations.ReasonLedger,
		remediations.ReasonProbeUnknown, remediations.ReasonPlanChanged, remediations.ReasonTooLate}
}

// limited are the reasons that come after everything else was asked.
func limited() []remediations.Reason {
	return []remediations.Reason{remediations.ReasonConcurrent, remediations.ReasonBudgetSpent, remediations.ReasonCooldown,
		remediations.ReasonUnacknowledged, remediations.ReasonFrozen, remediations.ReasonBlastRadius, remediations.ReasonChain, remediations.ReasonTargetBusy}
}

// world is what the rest of the world said at the time: its no, or that it was not asked, so that a yes is only assumed.
func world(rest []incidents.Event) (no *incidents.Refusal, assumed bool) {
	for _, ev := range rest {
		switch {
		case ev.Kind == incidents.Intended || ev.Kind == incidents.Asked:
			return nil, false
		case ev.Kind != incidents.Refused || ev.Refusal == nil:
		case slices.Contains(worldly(), ev.Refusal.Reason), ev.Refusal.Reason == remediations.ReasonTargetBusy && ev.Refusal.By == "":
			return ev.Refusal, false
		case slices.Contains(limited(), ev.Refusal.Reason):
			return nil, false
		}
	}
	return nil, true
}

// refused is a recorded no. Of one that came with a decision the deed knows already; one before the wire takes back what was armed.
func (e *Engine) refused(inc *incident, ev incidents.Event) {
	armed := inc.then.Stage == incidents.Planned
	stale := ev.Refusal.Reason == remediations.ReasonStaleAlert
	deed := Deed{Kind: Refused, At: ev.At, Reason: ev.Refusal.Reason, Words: ev.Refusal.Words}
	if armed || stale {
		inc.note(then, deed)
	}
	if !inc.unknown.IsZero() {
		inc.then.Apply(ev)
		return
	}
	if stale && !think.Stale(&inc.now, ev.At, e.rules.Limits.AlertMaxAge.D()) {
		missing := Deed{Kind: Missing, At: ev.At, Words: "the alert was too old to be looked at then, and would not have been"}
		inc.note(now, missing)
		e.part(inc, ev.At, missing.Words)
		inc.then.Apply(ev)
		return
	}
	if armed || stale {
		inc.note(now, deed)
	}
	if last := lastDeed(inc.deeds[now]); armed || stale || last.Kind == Refused {
		if last.Kind == Refused && !armed && !stale {
			own := *ev.Refusal
			own.Reason, own.Words = last.Reason, last.Words
			inc.then.Apply(ev)
			ev.Refusal = &own
			inc.now.Apply(ev)
			return
		}
		e.apply(inc, ev)
		return
	}
	inc.then.Apply(ev) // the other course was not refused: it waits, or pages
}

func lastDeed(list []Deed) Deed {
	if len(list) == 0 {
		return Deed{}
	}
	return list[len(list)-1]
}

// verified is a recorded judgement of a change that both courses made: the other rules may judge it differently.
func (e *Engine) verified(inc *incident, ev incidents.Event) {
	if inc.unknown.IsZero() {
		if effect := e.judge(inc, ev); effect != ev.Judgement.Effect {
			e.part(inc, ev.At, fmt.Sprintf("what follows is not recorded: the change was judged %s, and would have been judged %s", ev.Judgement.Effect, effect))
		}
	}
	e.apply(inc, ev)
}

func (e *Engine) judge(inc *incident, ev incidents.Event) incidents.Effect {
	st := &inc.now
	h := e.rules.Thinkers[inc.id.Handler()]
	f := st.Fix()
	if h == nil || f == nil || len(st.Looks) == 0 {
		return ev.Judgement.Effect
	}
	looked := st.Looks[len(st.Looks)-1].At
	j, err := h.Judge(think.Scene{Target: e.rules.target(h, st), State: st, Busy: e.zones.others(inc.id.Handler()), Now: looked, Memo: &inc.memo})
	switch {
	case err != nil:
		return ev.Judgement.Effect
	case j.Effect == incidents.Pending && ev.At.Sub(f.Times.Applied) >= f.Verify.Within.D():
		return incidents.NoEffect
	}
	return j.Effect
}
