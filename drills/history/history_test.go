package history_test

import (
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus/stored"
	"github.com/firebreak-sre/firebreak/drills/history"
	"github.com/firebreak-sre/firebreak/handlers/replay"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

func bounds(s remediations.Step) (remediations.Bounds, bool) {
	return remediations.Bounds{Class: remediations.ClassA, MaxLimit: 10 * time.Minute, ExpiresItself: true, Adjusts: true}, s.Remediation == "breaker"
}

// The past has everything in it that a past has, and the same options make the same one.
func TestPast(t *testing.T) {
	t.Parallel()
	p, err := history.Policy(30, policy.Auto)
	if err != nil {
		t.Fatal(err)
	}
	make := func() ([]stored.Msg, history.Made) {
		var list []stored.Msg
		made, err := history.Make(t.Context(), history.Options{Policy: p, Bounds: bounds, Incidents: 300, From: time.Date(2025, 11, 23, 0, 0, 0, 0, time.UTC),
			Every: 5 * time.Minute, Seed: 7}, func(m stored.Msg) error { list = append(list, m); return nil })
		if err != nil {
			t.Fatal(err)
		}
		return list, made
	}
	first, made := make()
	t.Logf("%+v", made)
	outcomes := map[incidents.Outcome]int{}
	refused := map[remediations.Reason]int{}
	for _, m := range first {
		r, err := replay.Read(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range r.Events {
			if e.Kind == incidents.Closed {
				outcomes[e.Closing.Outcome]++
			}
			if e.Kind == incidents.Refused {
				refused[e.Refusal.Reason]++
			}
		}
	}
	t.Log(outcomes, refused)
}
