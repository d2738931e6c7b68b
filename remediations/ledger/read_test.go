package ledger_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

// unreadable are documents that no build has written, or that this one does not understand.
func unreadable() []string {
	return []string{"garbage", "", "{", "null", "{}", "[]", `"v"`, `{"v":0}`, `{"v":3}`, `{"v":"1"}`, `{"v":2}`, `{"v":1,"active":[]}`, `{"v":1,"spent":{}}`,
		`{"v":1,"more":1}`, `{"v":1,"fence":1} x`, `{"v":1,"fence":-1}`,
		`{"v":1,"fence":1,"active":{"pay":{"incident":"i1","fence":2,"since":"2026-11-22T12:00:00Z"}}}`,
		`{"v":1,"spent":[{"domain":"","at":"2026-11-22T12:00:00Z"}]}`, `{"v":1,"spent":[{"domain":"pay"}]}`,
		`{"v":2,"fence":1,"active":{},"spent":[],"ended":{},"waits":{},"storms":{}}`,
		`{"v":2,"fence":1,"active":{},"spent":null,"ended":{},"waits":{},"storms":{},"acked":{}}`,
		`{"v":2,"fence":1,"active":{"pay":{}},"spent":[],"ended":{},"waits":{},"storms":{},"acked":{}}`,
		`{"v":2,"fence":1,"active":{},"spent":[{"domain":"a","fence":2,"at":"2026-11-22T12:00:00Z"}],"ended":{},"waits":{},"storms":{},"acked":{}}`,
		`{"v":2,"fence":1,"active":{},"spent":[],"ended":{"pay":{}},"waits":{},"storms":{},"acked":{}}`,
		`{"v":2,"fence":1,"active":{},"spent":[],"ended":{},"waits":{"pay":[{}]},"storms":{},"acked":{}}`,
		`{"v":2,"fence":1,"active":{},"spent":[],"ended":{},"waits":{},"storms":{"eu":{}},"acked":{}}`,
		`{"v":2,"fence":1,"active":{},"spent":[],"ended":{},"waits":{},"storms":{},"acked":{},"newer":1}`,
	}
}

// Only a ledger that was never written is empty.
func TestReadBookRefuses(t *testing.T) {
	t.Parallel()
	for _, doc := range unreadable() {
		if b, err := ledger.ReadBook([]byte(doc)); err == nil || b != nil || !strings.HasPrefix(err.Error(), "read the ledger: ") {
			t.Errorf("%q: got %v, %v, want that it cannot be read", doc, b, err)
		}
	}
	b := emptyBook(t)
	if b.Fence() != 0 || len(b.Standing()) != 0 {
		t.Errorf("got %+v, want an empty book", b)
	}
	through(t, b)
}

// format1 is what a build before actions and targets wrote: one fix stands, three are spent, one domain cools down.
const format1 = `{"v":1,"fence":7,"active":{"pay":{"incident":"i7","fence":7,"since":"2026-11-22T11:59:00Z"}},` +
	`"spent":[{"domain":"stock","at":"2026-11-22T11:30:00Z"},{"domain":"stock","at":"2026-11-22T11:50:00Z"},{"domain":"pay","at":"2026-11-22T11:59:00Z"}],` +
	`"ended":{"stock":"2026-11-22T11:55:00Z"}}`

// A book of format 1 holds for every limit that it could have been under: what it does not say counts against all.
func TestReadBookOfFormat1(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*policy.Limits)
		step   step
	}{
		{"lock", nil, step{incident: "i8", domain: "pay", want: remediations.ReasonTargetBusy, by: "i7"}},
		{"cooldown", func(l *policy.Limits) { l.Cooldown = nil }, step{incident: "i8", domain: "stock", want: remediations.ReasonCooldown, until: after(5)}},
		{"concurrent action", func(l *policy.Limits) { l.PerAction.Concurrent = 1 }, step{incident: "i8", domain: "a", want: remediations.ReasonConcurrent}},
		{"concurrent", func(l *policy.Limits) { l.Global.Concurrent = 1 }, step{incident: "i8", domain: "a", want: remediations.ReasonConcurrent}},
		{"domain", func(l *policy.Limits) { l.PerDomain.Hour = 2 }, step{incident: "i8", domain: "stock", want: remediations.ReasonBudgetSpent, until: after(30)}},
		{"action", func(l *policy.Limits) { l.PerAction.Hour = 3 }, step{incident: "i8", domain: "a", want: remediations.ReasonBudgetSpent, until: after(30)}},
		{"all", func(l *policy.Limits) { l.Global.Day = 3 }, step{incident: "i8", domain: "a", want: remediations.ReasonBudgetSpent, until: after(23*60 + 30)}},
		{"chain", func(l *policy.Limits) { l.Chain.Fixes = 2 }, step{incident: "i8", domain: "stock", want: remediations.ReasonChain, until: after(71*60 + 30)}},
		{"no limit", nil, step{incident: "i8", domain: "stock"}},
	} {
		b, err := ledger.ReadBook([]byte(format1))
		if err != nil {
			t.Fatal(err)
		}
		grant, no, _ := b.Reserve(limits(c.change), c.step.ask(), noon())
		c.step.judge(t, c.name, grant, no)
		if no == nil && grant.Fence != 8 {
			t.Errorf("%s: got fence %d, want 8", c.name, grant.Fence)
		}
	}
}

// A fix that stands since format 1 is still its incident's, ends as class A did, and the book becomes one of format 2.
func TestFormat1GoesOn(t *testing.T) {
	t.Parallel()
	b, err := ledger.ReadBook([]byte(format1))
	if err != nil {
		t.Fatal(err)
	}
	l := limits(nil)
	if grant, no, changed := b.Reserve(l, ask("i7", "pay", nil), noon()); no != nil || changed || grant.Fence != 7 {
		t.Errorf("got %+v, %v, changed %t, want the grant that it has", grant, no, changed)
	}
	if !b.Release(l, ledger.End{Incident: "i7", Domain: "pay"}, noon()) {
		t.Error("it was not given back")
	}
	b = through(t, b)
	if _, no, _ := b.Reserve(l, ask("i8", "pay", nil), noon()); no != nil {
		t.Errorf("got %v, want a grant", no)
	}
	doc, err := b.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var v struct{ V int }
	if err := json.Unmarshal(doc, &v); err != nil || v.V != 2 {
		t.Errorf("got format %d, %v of %s", v.V, err, doc)
	}
	if lifted, err := b.Ack(limits(func(l *policy.Limits) { l.Chain.Fixes = 2 }), "", "stock", "pool:stock", noon()); err != nil || len(lifted) != 1 {
		t.Errorf("got %v, %v, want that the old chain is lifted", lifted, err)
	}
}
