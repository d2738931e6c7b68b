package history_test

import (
	"reflect"
	"testing"
	"time"

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
	p := policyOf(t, policy.Auto)
	first, second := past(t, p, 200, 5*time.Minute), past(t, p, 200, 5*time.Minute)
	if !reflect.DeepEqual(first, second) {
		t.Error("the same options made another past")
	}
	opened, outcomes, refused := 0, map[incidents.Outcome]int{}, map[remediations.Reason]int{}
	for _, m := range first {
		r, err := replay.Read(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range r.Events {
			switch e.Kind {
			case incidents.Opened:
				opened++
			case incidents.Closed:
				outcomes[e.Closing.Outcome]++
			case incidents.Refused:
				refused[e.Refusal.Reason]++
			}
		}
	}
	for _, o := range []incidents.Outcome{incidents.OutcomeFixed, incidents.OutcomeIneffective, incidents.OutcomePaged, incidents.OutcomeFalsePositive, incidents.OutcomeRefused} {
		if outcomes[o] == 0 {
			t.Errorf("no incident ended as %s: %v", o, outcomes)
		}
	}
	for _, r := range []remediations.Reason{remediations.ReasonSilenced, remediations.ReasonChain} {
		if refused[r] == 0 {
			t.Errorf("nothing was refused for %s: %v", r, refused)
		}
	}
	ended := 0
	for _, n := range outcomes {
		ended += n
	}
	if opened != 200 || ended != opened {
		t.Errorf("%d incidents were opened and %d ended, want 200 of each", opened, ended)
	}
}
