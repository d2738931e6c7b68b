package lease_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/remediations/breaker/lease"
)

// The written form is a public contract: its names do not change, and what is written is read back whole.
func TestWrittenForm(t *testing.T) {
	t.Parallel()
	ten := 10
	l := lease.Lease{V: 1, Fix: lease.RetryBudget, Params: lease.Params{BudgetPercent: &ten}, Released: 50,
		Until: time.Date(2026, 11, 2, 3, 4, 5, 0, time.UTC), TTLMillis: 60000,
		Action: "a1", Incident: "i1", Fence: 7, Reason: "storm"}
	b, err := l.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"v":1,"fix":"retry_budget","params":{"budget_percent":10},"released":50,"until":"2026-11-02T03:04:05Z",` +
		`"ttl_ms":60000,"action":"a1","incident":"i1","fence":7,"reason":"storm"}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	got, err := lease.Decode(b)
	if err != nil || !reflect.DeepEqual(got, l) {
		t.Errorf("got %+v, %v, want %+v", got, err, l)
	}
}

// Half a lease is not obeyed: whatever a reader does not understand is an error, never a guess.
func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"not JSON":          `open`,
		"higher version":    `{"v":2,"fix":"open","ttl_ms":1000,"action":"a"}`,
		"unknown fix":       `{"v":1,"fix":"explode","ttl_ms":1000,"action":"a"}`,
		"no action":         `{"v":1,"fix":"open","ttl_ms":1000}`,
		"no ttl":            `{"v":1,"fix":"open","action":"a"}`,
		"released over 100": `{"v":1,"fix":"open","ttl_ms":1000,"action":"a","released":101}`,
		"no budget":         `{"v":1,"fix":"retry_budget","ttl_ms":1000,"action":"a"}`,
		"budget over 100":   `{"v":1,"fix":"retry_budget","params":{"budget_percent":101},"ttl_ms":1000,"action":"a"}`,
		"shed of nothing":   `{"v":1,"fix":"shed","params":{"shed_percent":0},"ttl_ms":1000,"action":"a"}`,
	} {
		if l, err := lease.Decode([]byte(in)); !errors.Is(err, lease.ErrInvalid) {
			t.Errorf("%s: got %+v, %v, want ErrInvalid", name, l, err)
		}
	}
	if _, err := lease.Decode([]byte(`{"v":1,"fix":"open","ttl_ms":1000,"action":"a","new":true}`)); err != nil {
		t.Errorf("a field that is new: %v", err)
	}
}

// Settings of a plan are read strictly: a misspelt one must not silently become a default.
func TestParseParams(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fix lease.Fix
		raw string
		ok  bool
	}{
		"open without":    {lease.Open, ``, true},
		"open with null":  {lease.Open, `null`, true},
		"open with one":   {lease.Open, `{"shed_percent":5}`, false},
		"budget":          {lease.RetryBudget, `{"budget_percent":0}`, true},
		"budget missing":  {lease.RetryBudget, `{}`, false},
		"budget misspelt": {lease.RetryBudget, `{"budget":10}`, false},
		"budget too":      {lease.RetryBudget, `{"budget_percent":10,"shed_percent":5}`, false},
		"shed":            {lease.Shed, `{"shed_percent":50}`, true},
		"shed as text":    {lease.Shed, `{"shed_percent":"50"}`, false},
		"unknown fix":     {"explode", ``, false},
	} {
		if _, err := lease.ParseParams(c.fix, json.RawMessage(c.raw)); (err == nil) != c.ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A name that is a wildcard, or two tokens, would reach other edges than its own.
func TestKey(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "*", ">", "a.b", "a b", "ü", "a\n"} {
		if k, err := lease.Key("checkout", bad); err == nil {
			t.Errorf("%q: got key %q", bad, k)
		}
		if tok := lease.Token(bad); !lease.ValidToken(tok) {
			t.Errorf("%q: token %q is not valid", bad, tok)
		}
	}
	if k, err := lease.Key("check_out-2", "payments"); k != "check_out-2.payments" || err != nil {
		t.Errorf("got %q, %v", k, err)
	}
}
