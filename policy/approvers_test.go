package policy_test

import (
	"reflect"
	"testing"

	"github.com/firebreak-sre/firebreak/policy"
)

// approvals is a policy with three targets and rules that overlap.
func approvals(t *testing.T) policy.Policy {
	t.Helper()
	return parse(t, `
server:
  api:
    operators:
      - {name: alice, token: "alice-alice-alice-1", may: [approve]}
      - {name: Alice, token: "alice-alice-alice-2", may: [approve]}
      - {name: bob, token: "bob-bob-bob-bob-bob", may: [operate, approve]}
outcomes: {slack: {bot_token: "${BOT}", app_token: "${APP}", channel: C12}}
approvals:
  expire: 5m
  rules:
    - {fixes: [shed], operators: [bob, alice], emails: ["${WHO}"]}
    - {targets: [checkout/payments], operators: [Alice, alice], slack_users: [U12], slack_groups: [S12]}
    - handlers: [retrystorm]
      targets: [checkout/payments, checkout/mail]
      fixes: [open, shed]
      slack_users: [W12, U12]
      slack_groups: [S12, S34]
      emails: [Alice@Example.com, bob@example.com]
handlers:
  retrystorm:
    edges:
      - service: checkout
        edge: payments
        probe: {json: {urls: ["http://a"], calls: c, attempts: a, successes: s, failures: f}}
        fix: {breaker: {}, allow: [open, shed]}
      - service: ${NAME}
        edge: mail
        probe: {json: {urls: ["http://a"], calls: c, attempts: a, successes: s, failures: f}}
        fix: {breaker: {}, allow: [open]}
      - service: search
        edge: index
        probe: {json: {urls: ["http://a"], calls: c, attempts: a, successes: s, failures: f}}
        fix: {breaker: {}, allow: [shed, retry_budget]}
`)
}

// TestApprovers: whoever any rule names for a fix of a target may approve it, each once, in the order of the policy, and nobody else.
func TestApprovers(t *testing.T) {
	t.Parallel()
	p := approvals(t)
	for _, c := range []struct {
		handler, target, fix string
		want                 policy.ApproverList
	}{
		{"retrystorm", "checkout/payments", "shed", policy.ApproverList{SlackUsers: []string{"U12", "W12"}, SlackGroups: []string{"S12", "S34"},
			Emails: []string{"alice@example.com", "bob@example.com"}, Operators: []string{"bob", "alice", "Alice"}}},
		{"retrystorm", "checkout/payments", "open", policy.ApproverList{SlackUsers: []string{"U12", "W12"}, SlackGroups: []string{"S12", "S34"},
			Emails: []string{"Alice@Example.com", "bob@example.com"}, Operators: []string{"Alice", "alice"}}},
		{"retrystorm", "checkout/mail", "open", policy.ApproverList{SlackUsers: []string{"W12", "U12"}, SlackGroups: []string{"S12", "S34"},
			Emails: []string{"Alice@Example.com", "bob@example.com"}}},
		{"retrystorm", "search/index", "shed", policy.ApproverList{Emails: []string{"alice@example.com"}, Operators: []string{"bob", "alice"}}},
		{handler: "retrystorm", target: "search/index", fix: "retry_budget"},
		{handler: "retrystorm", target: "search/index", fix: "open"},
		{handler: "retrystorm", target: "checkout/mail", fix: "shed"},
		{handler: "retrystorm", target: "checkout/payments", fix: "retry_budget"},
		{handler: "retrystorm", target: "checkout/payments", fix: "promote"},
		{handler: "retrystorm", target: "checkout/payments", fix: ""},
		{handler: "retrystorm", target: "orders/stock", fix: "shed"},
		{handler: "retrystorm", target: "", fix: "shed"},
		{handler: "postgres", target: "checkout/payments", fix: "shed"},
		{handler: "", target: "checkout/payments", fix: "shed"},
	} {
		got := p.Approvers(c.handler, c.target, c.fix)
		if !reflect.DeepEqual(got, c.want) || got.Empty() != reflect.DeepEqual(c.want, policy.ApproverList{}) {
			t.Errorf("%s, %s on %s: got %+v, empty %t, want %+v", c.handler, c.fix, c.target, got, got.Empty(), c.want)
		}
		if anyone := p.Anyone(c.handler, c.target, c.fix); anyone != !reflect.DeepEqual(c.want, policy.ApproverList{}) {
			t.Errorf("%s, %s on %s: got anyone %t, and these are named: %+v", c.handler, c.fix, c.target, anyone, c.want)
		}
	}
	p.Approvers("retrystorm", "checkout/payments", "shed").Operators[0] = "mallory"
	if got := p.Approvers("retrystorm", "checkout/payments", "shed").Operators[0]; got != "bob" {
		t.Errorf("who changes the list changes the policy: got %q, want bob", got)
	}
}

// TestApproversAreNobody: a list that is empty is nobody, and so is a name that is, however the policy was made.
func TestApproversAreNobody(t *testing.T) {
	t.Parallel()
	with := func(rules ...policy.ApprovalRule) policy.Policy {
		p := approvals(t)
		p.Approvals.Rules = rules
		return p
	}
	nameless := with(policy.ApprovalRule{Operators: []string{"alice"}})
	nameless.Handlers.RetryStorm.Edges = []policy.Edge{{Service: "checkout", Fix: policy.EdgeFix{Allow: []string{"open", ""}}}}
	forbidden := with(policy.ApprovalRule{Operators: []string{"alice"}})
	forbidden.Handlers.RetryStorm.Edges[0].Fix.Allow = nil
	for name, p := range map[string]policy.Policy{
		"zero": {}, "default": policy.Default(), "no rules": with(), "empty rule": with(policy.ApprovalRule{}), "nameless": nameless,
		"empty names": with(policy.ApprovalRule{
			SlackUsers: []string{""}, SlackGroups: []string{""}, Emails: []string{""}, Operators: []string{""},
		}),
		"not allowed": forbidden,
		"elsewhere": with(policy.ApprovalRule{Targets: []string{"search/index"}, Operators: []string{"alice"}},
			policy.ApprovalRule{Handlers: []string{"postgres"}, Operators: []string{"alice"}},
			policy.ApprovalRule{Fixes: []string{"shed"}, Operators: []string{"alice"}}),
	} {
		for _, target := range []string{"checkout/payments", ""} {
			for _, fix := range []string{"open", ""} {
				if got := p.Approvers("retrystorm", target, fix); !got.Empty() || !reflect.DeepEqual(got, policy.ApproverList{}) {
					t.Errorf("%s, %q on %q: got %+v, want nobody", name, fix, target, got)
				}
			}
		}
	}
	for _, l := range []policy.ApproverList{
		{SlackUsers: []string{"U12"}}, {SlackGroups: []string{"S12"}}, {Emails: []string{"a@b.example"}}, {Operators: []string{"a"}},
	} {
		if l.Empty() {
			t.Errorf("%+v: is empty, want somebody", l)
		}
	}
}
