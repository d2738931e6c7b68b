package incidents

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/firebreak-sre/firebreak/remediations"
)

// Plan is everything about a decision to act that must still be true when it is carried out. Numbers that always move are not in it:
// what was measured is in it as the cause that it makes, and as the settings of the step.
type Plan struct {
	Incident ID     `json:"incident"`
	Target   string `json:"target"`
	Domain   string `json:"domain"`
	// Nth is which change of its incident it is, from 1: a plan that was carried out is never the present one again.
	Nth    int                `json:"nth"`
	Cause  string             `json:"cause"`
	Class  remediations.Class `json:"class"`
	Step   remediations.Step  `json:"step"`
	Verify Verify             `json:"verify"`
}

// PlanOf is the plan of a decision in an incident's present state; the zero Plan if it does not ask for a change.
func PlanOf(s *State, domain string, class remediations.Class, d Decision) Plan {
	if d.Verdict != Act || d.Step == nil {
		return Plan{}
	}
	p := Plan{Incident: s.ID, Target: s.Target, Domain: domain, Nth: len(s.Fixes) + 1, Cause: d.Cause, Class: class, Step: *d.Step}
	p.Step.Reason = "" // words, with numbers that move
	if d.Verify != nil {
		p.Verify = *d.Verify
	}
	return p
}

// Hash is the SHA-256 of the plan's canonical JSON, in hex: "" for the zero Plan. Params are compared as values, however they are written.
func (p Plan) Hash() string {
	if p.Incident == "" {
		return ""
	}
	if len(p.Step.Params) > 0 {
		var v any
		dec := json.NewDecoder(bytes.NewReader(p.Step.Params))
		dec.UseNumber()
		if dec.Decode(&v) == nil {
			p.Step.Params, _ = json.Marshal(v) // was JSON a moment ago; keys come out sorted
		}
	}
	text, err := json.Marshal(p)
	if err != nil {
		return "" // params that are no JSON: no hash, which nothing equals
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Differences says in words what is different in q.
func (p Plan) Differences(q Plan) []string {
	var out []string
	add := func(name, a, b string) {
		if a != b {
			out = append(out, name+": "+a+" → "+b)
		}
	}
	add("cause", p.Cause, q.Cause)
	add("class", string(p.Class), string(q.Class))
	add("fix", p.Step.Remediation+"/"+p.Step.Fix, q.Step.Remediation+"/"+q.Step.Fix)
	add("at", p.Step.Place(), q.Step.Place())
	add("settings", string(p.Step.Params), string(q.Step.Params))
	add("stands at most", p.Step.Limit.String(), q.Step.Limit.String())
	add("renewed within", p.Step.TTL.String(), q.Step.TTL.String())
	add("domain", p.Domain, q.Domain)
	if len(out) == 0 && p.Hash() != q.Hash() {
		out = append(out, "how it is verified and given back")
	}
	return out
}
