package retrystorm

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
)

// withDefaults puts the documented default in the place of every zero.
func withDefaults(t policy.StormThresholds) policy.StormThresholds {
	return policy.StormThresholds{
		Ratio:        cmp.Or(t.Ratio, 1.3),
		RatioHealed:  cmp.Or(t.RatioHealed, 1.1),
		MinCalls:     cmp.Or(t.MinCalls, 100),
		ErrorShare:   cmp.Or(t.ErrorShare, 0.5),
		GoodputDrop:  cmp.Or(t.GoodputDrop, 0.1),
		ManyEdges:    cmp.Or(t.ManyEdges, 3),
		SampleEvery:  orElse(t.SampleEvery, 5*time.Second),
		ConfirmAfter: orElse(t.ConfirmAfter, orElse(t.SampleEvery, 5*time.Second).D()),
		Samples:      cmp.Or(t.Samples, 1),
		VerifyWithin: orElse(t.VerifyWithin, 60*time.Second),
		HoldFor:      orElse(t.HoldFor, 60*time.Second),
		RampEvery:    orElse(t.RampEvery, 30*time.Second),
	}
}

// complete fills the defaults of an edge in. Its mode is the stricter of its own and the handler's.
func complete(e policy.Edge, handler policy.Mode) edge {
	e.Domain, e.Zone = cmp.Or(e.Domain, e.Service), cmp.Or(e.Zone, "all")
	if e.Mode = cmp.Or(e.Mode, handler); e.Mode.Check() == nil {
		e.Mode = policy.Strictest(handler, e.Mode)
	}
	if len(e.Match) == 0 {
		e.Match = map[string]string{"service": e.Service, "edge": e.Edge}
	}
	e.Probe.Timeout = orElse(e.Probe.Timeout, 3*time.Second)
	e.Fix.BudgetPercent = cmp.Or(e.Fix.BudgetPercent, 10)
	e.Fix.ShedPercent = cmp.Or(e.Fix.ShedPercent, 50)
	e.Fix.TTL = orElse(e.Fix.TTL, 60*time.Second)
	e.Fix.Limit = orElse(e.Fix.Limit, 5*time.Minute)
	e.Fix.Timeout = orElse(e.Fix.Timeout, 5*time.Second)
	if e.Fix.Ramp == nil {
		e.Fix.Ramp = []int{50, 75, 90}
	}
	done := edge{Edge: e, name: e.Service + "/" + e.Edge}
	if p := e.Probe.Prometheus; p != nil {
		done.window = policy.Duration(longestRange(p.Calls, p.Attempts, p.Successes, p.Failures))
	}
	return done
}

func orElse(d policy.Duration, otherwise time.Duration) policy.Duration {
	return cmp.Or(d, policy.Duration(otherwise))
}

// budgetLimit is the ratio at or below which a storm is over while a retry budget stands, for the share of calls in
// percent that it is still on: what the budget itself lets through is not the storm.
func budgetLimit(t policy.StormThresholds, budgetPercent, released int) float64 {
	held := float64(100-released) / 100
	return max(t.RatioHealed, 1+held*float64(budgetPercent)/100+slack)
}

// check reports everything that is wrong with the policy at once.
func (h *Handler) check() error {
	problems := []error{checkThresholds(h.thresholds), h.mode.Check()}
	for i, e := range h.edges {
		if err := h.checkEdge(e); err != nil {
			problems = append(problems, fmt.Errorf("edge %q: %w", e.name, err))
		}
		for _, earlier := range h.edges[:i] {
			if earlier.name == e.name {
				problems = append(problems, fmt.Errorf("edge %q: is named twice", e.name))
				break
			}
		}
	}
	return errors.Join(problems...)
}

// checkThresholds refuses numbers with which no rule below could hold. The comparisons are written so that NaN fails.
func checkThresholds(t policy.StormThresholds) error {
	var problems []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf("thresholds: "+format, args...))
		}
	}
	need(t.RatioHealed >= 1 && t.RatioHealed < t.Ratio && t.Ratio < 1e6, "ratio_healed %v must be at least 1 and below ratio %v", t.RatioHealed, t.Ratio)
	need(t.MinCalls >= 1 && t.MinCalls < 1e12, "min_calls %v must be at least 1", t.MinCalls)
	need(t.ErrorShare > 0 && t.ErrorShare < 1, "error_share %v must be between 0 and 1", t.ErrorShare)
	need(t.GoodputDrop > 0 && t.GoodputDrop < 1, "goodput_drop %v must be between 0 and 1", t.GoodputDrop)
	need(t.ManyEdges >= 2, "many_edges %d must be at least 2", t.ManyEdges)
	need(t.Samples >= 1 && t.Samples <= maxWaits/2, "samples %d must be between 1 and %d", t.Samples, maxWaits/2)
	need(t.SampleEvery.D() >= time.Millisecond, "sample_every %s must be at least 1ms", t.SampleEvery)
	need(t.VerifyWithin.D() >= 2*t.SampleEvery.D(), "verify_within %s must hold two looks, one each %s", t.VerifyWithin, t.SampleEvery)
	need(t.HoldFor > 0 && t.RampEvery > 0, "hold_for %s and ramp_every %s must be above 0", t.HoldFor, t.RampEvery)
	return errors.Join(problems...)
}

func (h *Handler) checkEdge(e edge) error {
	problems := []error{e.Mode.Check(), h.checkProbe(e), h.checkFix(e.Fix)}
	if e.Service == "" || e.Edge.Edge == "" {
		problems = append(problems, errors.New("service and edge must both be named"))
	}
	return errors.Join(problems...)
}

func (h *Handler) checkProbe(e edge) error {
	prom, doc := e.Probe.Prometheus, e.Probe.JSON
	if (prom == nil) == (doc == nil) {
		return errors.New("probe: exactly one of prometheus and json must be set")
	}
	if doc != nil {
		if len(doc.URLs) == 0 {
			return errors.New("probe.json: urls is empty")
		}
		problems := []error{checkAsked("probe.json", doc.Calls, doc.Attempts, doc.Successes, doc.Failures)}
		for _, u := range doc.URLs {
			problems = append(problems, checkURL("probe.json.urls", u))
		}
		return errors.Join(problems...)
	}
	t := h.thresholds
	var late error
	if e.window.D()+t.SampleEvery.D() > t.VerifyWithin.D() {
		late = fmt.Errorf("probe.prometheus: the queries look back %s, so no look within verify_within %s is about the time after a change alone; "+
			"shorten the ranges, or set thresholds.verify_within to at least %s", e.window, t.VerifyWithin, e.window+t.SampleEvery)
	}
	return errors.Join(checkAsked("probe.prometheus", prom.Calls, prom.Attempts, prom.Successes, prom.Failures),
		checkURL("probe.prometheus.url", prom.URL), late)
}

// checkAsked wants all four numbers to be asked for.
func checkAsked(where, calls, attempts, successes, failures string) error {
	if calls == "" || attempts == "" || successes == "" || failures == "" {
		return fmt.Errorf("%s: calls, attempts, successes and failures must all be set", where)
	}
	return nil
}

// checkURL never repeats a URL that it cannot read, since it may hold a password.
func checkURL(key, text string) error {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("%s: must be an http or https URL with a host", key)
	}
	return nil
}

func (h *Handler) checkFix(f policy.EdgeFix) error {
	var problems []error
	for _, name := range f.Allow {
		switch name {
		case fixOpen, fixShed:
		case fixBudget:
			if limit := budgetLimit(h.thresholds, f.BudgetPercent, 0); limit >= h.thresholds.Ratio {
				problems = append(problems, fmt.Errorf("fix.budget_percent: with %d %% the ratio may stay at %.2f, and thresholds.ratio is %.2f: it could not end a storm",
					f.BudgetPercent, limit, h.thresholds.Ratio))
			}
		default:
			problems = append(problems, fmt.Errorf("fix.allow: %q is none of %s, %s, %s", name, fixOpen, fixBudget, fixShed))
		}
	}
	if f.Breaker != nil && f.HTTP != nil {
		problems = append(problems, errors.New("fix: only one of breaker and http may be set"))
	}
	if f.BudgetPercent < 0 || f.BudgetPercent > 100 {
		problems = append(problems, fmt.Errorf("fix.budget_percent: %d must be between 1 and 100", f.BudgetPercent))
	}
	if f.ShedPercent < 1 || f.ShedPercent > 99 {
		problems = append(problems, fmt.Errorf("fix.shed_percent: %d must be between 1 and 99", f.ShedPercent))
	}
	for i, share := range f.Ramp {
		if share < 1 || share > 99 || (i > 0 && share <= f.Ramp[i-1]) {
			problems = append(problems, fmt.Errorf("fix.ramp: %v must rise, from 1 to 99", f.Ramp))
			break
		}
	}
	if f.TTL.D() < time.Second || f.TTL.D()%time.Second != 0 || f.Limit < f.TTL || f.Timeout <= 0 {
		problems = append(problems, fmt.Errorf("fix: ttl %s must be whole seconds and at most limit %s, and timeout %s above 0", f.TTL, f.Limit, f.Timeout))
	}
	return errors.Join(problems...)
}
