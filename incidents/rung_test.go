package incidents_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
)

// A rung says in one line how long nobody came and who is told; it stays as it is on its way through the log, and changes nothing.
func TestRung(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]incidents.Calling{
		"a person is needed: step 1 of 3, slack is told": {Round: 1, Number: 1, Of: 3, To: []string{"slack"}},
		"nobody has taken it for 15m: step 2 of 3, slack and pagerduty are told": {Number: 2, Of: 3, After: policy.Duration(15 * time.Minute),
			To: []string{"slack", "pagerduty"}},
		"nobody has taken it for 24h: step 3 of 3, slack, chat and pagerduty are told": {Number: 3, Of: 3, After: policy.Duration(24 * time.Hour),
			To: []string{"slack", "chat", "pagerduty"}, Mention: "U1"},
		"nobody has taken it for 1h30m: step 1 of 1, nobody is told":     {Number: 1, Of: 1, After: policy.Duration(90 * time.Minute)},
		"nobody has taken it for 1m30s: step 1 of 1, team-10m0s is told": {Number: 1, Of: 1, After: policy.Duration(90 * time.Second), To: []string{"team-10m0s"}},
	} {
		e := incidents.Event{V: incidents.Version, Kind: incidents.Rung, At: noon(), Rung: &c}
		if got := e.Words(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		data, err := json.Marshal([]incidents.Event{e})
		if err != nil {
			t.Fatal(err)
		}
		if back, err := incidents.Decode(data); err != nil || !reflect.DeepEqual(back[0], e) {
			t.Errorf("got %+v, %v, want %+v", back, err, e)
		}
		for n := 1; n <= len(story()); n++ {
			before, after := incidents.Fold(story()[:n]), incidents.Fold(append(story()[:n:n], e))
			if before.Events++; !reflect.DeepEqual(before, after) {
				t.Errorf("after %d events: got %+v, want nothing changed of %+v", n, after, before)
			}
		}
		if !c.Names("slack") && len(c.To) > 0 && c.To[0] == "slack" || c.Names("log") {
			t.Errorf("%v: got slack named %t and the log %t", c.To, c.Names("slack"), c.Names("log"))
		}
	}
	var none *incidents.Calling
	if none.Names("slack") {
		t.Error("a rung that is not there tells somebody")
	}
}
