package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/console/operate"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

// A pause and the kill switch do what they say, say what to do next, and are shown by "blocked" until they are lifted.
func TestPauseAndSwitch(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	env := c.as("")
	says(t, env, 0, []string{"blocked"}, "nothing is blocked")
	says(t, env, 0, []string{"pause", "--reason", "deploying \x1b[31m", "--for", "2h", "--domain", "checkout"},
		"p1: no change is started in failure domain checkout, until", "(in 2h)", "firebreak resume p1")
	says(t, env, 0, []string{"kill-switch", "on", "--reason", "it fights our failover"}, "The kill switch is ON", "firebreak kill-switch off --reason")
	says(t, env, 0, []string{"blocked"}, "kill_switch everything", "switched off by erin through local", "it fights our failover",
		"paused failure domain checkout", "lifted by: firebreak resume p1", "lifted by: firebreak kill-switch off")
	lines := strings.Count(says(t, env, 0, []string{"resume", "--json"}), "\n")
	if lines != 1 {
		t.Errorf("resume --json: got %d lines, want one object", lines)
	}
	says(t, env, 0, []string{"resume"}, "no pause stands")
	c.brake.Stop("signal USR1")
	says(t, env, 0, []string{"kill-switch", "off", "--reason", "over"}, "Your switch is off, and changes are still not started", "SIGUSR2")
	c.brake.Go()
	says(t, env, 0, []string{"kill-switch", "off", "--reason", "over"}, "The kill switch is OFF: changes may be started again.")
	says(t, env, 0, []string{"blocked"}, "nothing is blocked")
}

// Called wrongly is 2 and says how; refused is 1 and says why and what to do; without a server nothing claims that nothing is blocked.
func TestOrdersRefused(t *testing.T) {
	t.Parallel()
	open, guarded := newCounter(t).as(""), newCounter(t, people()...)
	id := "retrystorm-0123456789ab-1"
	for _, c := range []struct {
		env  environment
		code int
		args []string
		want string
	}{
		{open, 2, []string{"pause"}, "missing flags: --reason"},
		{open, 2, []string{"pause", "--reason", "r", "--for=-1h"}, "write how long, such as 30m or 2h"},
		{open, 2, []string{"kill-switch", "--reason", "r"}, "<on|off>"},
		{open, 2, []string{"kill-switch", "maybe", "--reason", "r"}, "must be one of"},
		{open, 2, []string{"recall", id}, "missing flags: --reason"},
		{open, 1, []string{"pause", "--reason", "r", "--domain", "chekout"}, `the policy has no failure domain "chekout", so this would pause nothing; it has checkout`},
		{open, 1, []string{"resume", "p7"}, "no such pause stands"},
		{open, 1, []string{"ack", id}, "there is no incident " + id},
		{open, 1, []string{"ack", "nonsense"}, "look like retrystorm-3f9a2c81b04d-7"},
		{open, 1, []string{"explain", id}, "404"},
		{open, 1, []string{"approve", id, "--yes"}, "nothing is asked for in " + id},
		{open, 2, []string{"approve", id}, "nobody can be asked here"},
		{open, 2, []string{"approve", id, "--plan", "", "--yes"}, "at least the first 8 digits"},
		{open, 2, []string{"deny", id, "--plan", "1f"}, "at least the first 8 digits"},
		{open, 2, []string{"act", id, "--as-operator"}, "needs --reason"},
		{guarded.as(""), 1, []string{"blocked"}, "FIREBREAK_TOKEN"},
		{guarded.as("token-of-nobody"), 1, []string{"kill-switch", "on", "--reason", "r"}, "401"},
		{environment{"FIREBREAK_SERVER": "http://127.0.0.1:1"}, 1, []string{"blocked"}, `is "firebreak serve" running there`},
		{environment{"FIREBREAK_SERVER": "http://127.0.0.1:1"}, 1, []string{"kill-switch", "on", "--reason", "r"}, "create its stop file (guard.stop_file in the policy), or send SIGUSR1"},
	} {
		if out := says(t, c.env, c.code, c.args, c.want); strings.Contains(out, "nothing is blocked") {
			t.Errorf("%v claims that nothing is blocked", c.args)
		}
	}
}

// The budgets are a table that fits, with what is spent and when the next one comes back.
func TestBudgetTable(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	for _, domain := range []string{"checkout", "a-failure-domain-with-a-name-that-is-far-too-long-for-a-table", "search"} {
		if _, err := c.ledger.Reserve(t.Context(), ledger.Ask{Incident: "i-" + domain, Domain: domain, Zone: "all", Target: "retrystorm:" + domain,
			Action: "breaker/retry_budget", Class: remediations.ClassA}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	out := says(t, c.as(""), 0, []string{"budget"}, "SCOPE NAME HOUR DAY STANDING NEXT", "all - 3/3 3/10 3/3 in 1h (spent)",
		"action breaker/retry_budget 3/3", "domain search 1/3 1/10 1/1 in 1h")
	if got := strings.Count(out, "\n"); got != 6 {
		t.Errorf("got %d lines, want a head and five budgets:\n%s", got, out)
	}
	says(t, c.as(""), 0, []string{"blocked"}, "target_busy failure domain checkout", "budget_spent everything")
	for line := range strings.Lines(says(t, c.as(""), 0, []string{"budget", "--json"})) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

// act says what it means and would do, and does nothing until it is said twice; recall and ack reach the record.
func TestActRecallAck(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	env := c.as("")
	step := budgetStep()
	st := c.opens(t, "checkout/payments",
		incidents.Event{Kind: incidents.Decided, Decision: &incidents.Decision{Cause: "retry_storm", Verdict: incidents.Act, Reason: "why", Step: &step}},
		incidents.Event{Kind: incidents.Refused, Refusal: &incidents.Refusal{Reason: remediations.ReasonPaused, Words: "paused by alice"}})
	id := st.ID.String()
	says(t, env, 2, []string{"act", id}, "once and within the next ten minutes", "It never passes what protects the target",
		"What it would do: retry_budget on checkout/payments", "firebreak act "+id+" --as-operator --reason")
	if got, err := c.store.Load(t.Context(), st.ID); err != nil || got.Override != nil {
		t.Fatalf("got %+v, %v, want no override yet", got.Override, err)
	}
	says(t, env, 0, []string{"act", id, "--as-operator", "--reason", "users first"}, "passes the brakes, once")
	got, err := c.store.Load(t.Context(), st.ID)
	if err != nil || got.Override == nil || got.Override.Person != (incidents.Person{Name: "erin", Via: "local"}) || got.Override.Why != "users first" {
		t.Fatalf("got %+v, %v, want erin's override", got.Override, err)
	}
	says(t, env, 1, []string{"recall", id, "--reason", "harm"}, "409 Conflict: nothing of "+id+" stands")
	o := remediations.Order{Step: step, Plan: "p", Action: "a"}
	c.append(t, got, incidents.Event{Kind: incidents.Intended, Order: &o}, incidents.Event{Kind: incidents.Issuing, Order: &o}, incidents.Event{Kind: incidents.Applied})
	says(t, env, 1, []string{"ack", id}, "take it back first (recall), or wait")
	says(t, env, 0, []string{"recall", id, "--reason", "harm"}, "is being taken back", "firebreak incidents show "+id)
	if got, err = c.store.Load(t.Context(), st.ID); err != nil || got.Recall == nil || got.Recall.Why != "harm" {
		t.Fatalf("got %+v, %v, want the recall", got.Recall, err)
	}
	c.append(t, got, incidents.Event{Kind: incidents.Reverting}, incidents.Event{Kind: incidents.Reverted})
	says(t, env, 0, []string{"ack", id, "--note", "all well"}, id+" is acknowledged. Nothing waited for it.")
}

// act does not promise what no order can do.
func TestActNeverPasses(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	st := c.opens(t, "checkout/payments", incidents.Event{Kind: incidents.Refused,
		Refusal: &incidents.Refusal{Reason: remediations.ReasonTargetBusy, Words: "somebody else's change stands"}})
	says(t, c.as(""), 2, []string{"act", st.ID.String()}, "which no person's order passes")
}

// A plan is shown, asked about and approved by name; what was not seen is not approved.
func TestApprove(t *testing.T) {
	t.Parallel()
	c := newCounter(t, people()...)
	says(t, c.as(aliceToken), 0, []string{"approvals"}, "nothing waits for approval")
	st := c.opens(t, "checkout/payments", askedFor("q1", firstPlan, 2))
	id := st.ID.String()
	says(t, c.as(aliceToken), 0, []string{"approvals"}, id+" checkout/payments", `retry_budget on checkout/payments with {"budget_percent":10}, by breaker, for 5m0s at most`,
		"agreed: 0 of 2", "class P", "answer: firebreak approve "+id+" --plan "+firstPlan[:12])
	says(t, c.as(aliceToken), 1, []string{"approve", id, "--plan", secondPlan[:8], "--yes"}, "asks about another plan by now")
	says(t, c.as(aliceToken), 0, []string{"approve", id, "--plan", firstPlan[:8], "--yes"}, "Your yes is recorded: 1 of 2")
	says(t, c.as(aliceToken), 1, []string{"approve", id, "--yes"}, "has approved it already")
	out := says(t, c.as(bobToken), 0, []string{"approve", id, "--plan", firstPlan[:12], "--yes", "--json"})
	var got operate.Answered
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Have != 2 || got.Need != 2 {
		t.Errorf("got %q, %v, want 2 of 2", out, err)
	}
	other := c.opens(t, "checkout/stock", askedFor("q2", secondPlan, 1))
	says(t, c.as(bobToken), 0, []string{"deny", other.ID.String(), "--reason", "not now"}, "Denied: retry_budget", "not asked for again")
	says(t, c.as(bobToken), 1, []string{"deny", other.ID.String()}, "nothing is asked for", "firebreak explain "+other.ID.String())
}

// typed answers a question, and lets something happen while the person still reads.
type typed struct {
	meanwhile func()
	line      io.Reader
}

func (r *typed) Read(p []byte) (int, error) {
	if r.meanwhile != nil {
		r.meanwhile()
		r.meanwhile = nil
	}
	return r.line.Read(p)
}

// At a terminal only a yes is a yes, and it counts for nothing but the plan on the screen.
func TestApproveAtTheTerminal(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		typed    string
		changes  bool
		want     error
		says     string
		approves int
	}{
		{typed: "y\n", says: "Approved.", approves: 1},
		{typed: "YES\n", says: "Approved.", approves: 1},
		{typed: "n\n", want: exitError{1}, says: "it still waits"},
		{typed: "\n", want: exitError{1}, says: "it still waits"},
		{typed: "", want: exitError{1}, says: "it still waits"},
		{typed: "yep\n", want: exitError{1}, says: "it still waits"},
		{typed: "y\n", changes: true, says: "another plan by now"},
	} {
		c := newCounter(t, people()...)
		st := c.opens(t, "checkout/payments", askedFor("q1", firstPlan, 1))
		in := &typed{line: strings.NewReader(tc.typed)}
		if tc.changes {
			in.meanwhile = func() { c.append(t, st, incidents.Event{Kind: incidents.Voided}, askedFor("q2", secondPlan, 1)) }
		}
		var out bytes.Buffer
		a := &app{ctx: t.Context(), stdout: &out, stderr: &out, stdin: in, terminal: true}
		cmd := &approveCmd{operator: operator{server: server{Server: c.url, Token: aliceToken}}, Incident: st.ID.String()}
		err := cmd.Run(a)
		said := out.String()
		if err != nil {
			said += err.Error()
		}
		if tc.want != nil && !errors.Is(err, tc.want) || (err != nil) != (tc.want != nil || tc.changes) || !strings.Contains(said, tc.says) {
			t.Errorf("typed %q: got %v:\n%s", tc.typed, err, said)
		}
		if !strings.Contains(said, firstPlan[:12]) || !strings.Contains(said, "[y/N]") {
			t.Errorf("typed %q: the plan was not shown before it was asked about:\n%s", tc.typed, said)
		}
		fits(t, "approve", strings.ReplaceAll(out.String(), "[y/N] ", "[y/N]\n"))
		if got, err := c.store.Load(t.Context(), st.ID); err != nil || len(got.Approvals) != tc.approves {
			t.Errorf("typed %q: got %d approvals (%v), want %d", tc.typed, len(got.Approvals), err, tc.approves)
		}
	}
}

// A local user who says nothing of who they are is told how somebody becomes an approver.
func TestApproveWithoutAToken(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	st := c.opens(t, "checkout/payments", askedFor("q1", firstPlan, 1))
	says(t, c.as(""), 1, []string{"approve", st.ID.String(), "--yes"}, "403", "a token in server.api.operators")
}
