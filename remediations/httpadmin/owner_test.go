package httpadmin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
)

// What a service says of being paused by whoever manages it, and of its own time, is handed on to who decides.
func TestOwnerAndClock(t *testing.T) {
	t.Parallel()
	then := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		body   string
		paused bool
	}{
		"in progress":    {`{"state":"off","rollout":{"in_progress":true}}`, true},
		"by somebody":    {`{"state":"off","rollout":{"in_progress":"release 4.2"}}`, true},
		"not":            {`{"state":"off","rollout":{"in_progress":false}}`, false},
		"no":             {`{"state":"off","rollout":{"in_progress":"No"}}`, false},
		"nothing of it":  {`{"state":"off"}`, false},
		"empty":          {`{"state":"off","rollout":{"in_progress":""}}`, false},
		"null":           {`{"state":"off","rollout":{"in_progress":null}}`, false},
		"while it is on": {`{"state":"on","plan":"a1","rollout":{"in_progress":1}}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", then.Format(http.TimeFormat))
				_, _ = w.Write([]byte(c.body))
			}))
			t.Cleanup(server.Close)
			fix := endpoints()
			fix.Instances = []string{server.URL}
			control := fix.Controls["open"]
			control.Read = policy.HTTPRead{Path: "/", State: "state", On: "on", Off: "off", Action: "plan", Paused: "rollout.in_progress"}
			fix.Controls["open"] = control
			p, err := admin(t, fix).Check(t.Context(), order("a1"))
			if err != nil {
				t.Fatal(err)
			}
			if (p.OwnerPaused != "") != c.paused || c.paused && !strings.Contains(p.OwnerPaused, "rollout.in_progress") {
				t.Errorf("got %q, want paused %t", p.OwnerPaused, c.paused)
			}
			if !p.Clock.Equal(then) || p.ClockWithin.D() != time.Second {
				t.Errorf("got the clock %s within %s, want %s within a second", p.Clock, p.ClockWithin, then)
			}
		})
	}
}
