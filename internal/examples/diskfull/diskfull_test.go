package diskfull_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/handlers"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/examples/diskfull"
	"github.com/firebreak-sre/firebreak/internal/examples/diskfull/hold"
	"github.com/firebreak-sre/firebreak/internal/examples/diskfull/probe"
	"github.com/firebreak-sre/firebreak/policy"
)

// looks are observations of a disk of 1000 bytes, five seconds apart; -1 is one that could not be read. The last one is now.
func looks(now time.Time, free ...int) []think.Look[diskfull.Observation] {
	var all []think.Look[diskfull.Observation]
	for i, n := range free {
		o := diskfull.Observation{FreeBytes: uint64(max(0, n)), TotalBytes: 1000}
		if n < 0 {
			o = diskfull.Observation{Problem: "no answer"}
		}
		all = append(all, think.Look[diskfull.Observation]{At: now.Add(time.Duration(i+1-len(free)) * 5 * time.Second), Seen: o})
	}
	return all
}

// Each rule, by what was seen.
func TestDecide(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		seen    []think.Look[diskfull.Observation]
		allow   []string
		verdict incidents.Verdict
		cause   string
	}{
		"one look":            {looks(now, 50), []string{"hold_job"}, incidents.Wait, "gathering"},
		"old looks":           {looks(now.Add(-time.Minute), 60, 50), []string{"hold_job"}, incidents.Wait, "gathering"},
		"unreadable":          {looks(now, 50, -1), []string{"hold_job"}, incidents.Page, "probe_unknown"},
		"enough":              {looks(now, 700, 600), []string{"hold_job"}, incidents.FalsePositive, "healthy"},
		"full and still":      {looks(now, 10, 10), []string{"hold_job"}, incidents.Page, "full"},
		"filling":             {looks(now, 60, 50), []string{"hold_job"}, incidents.Act, "filling"},
		"filling, not to act": {looks(now, 60, 50), nil, incidents.Page, "filling"},
	} {
		h := diskfull.New(diskfull.Volume{Job: "export", Disk: "scratch", Mode: policy.Auto, Allow: c.allow})
		d := h.Decide(think.Case[diskfull.Observation]{Target: h.Targets()[0], Before: c.seen, Now: now})
		if d.Verdict != c.verdict || d.Cause != c.cause || d.Reason == "" || (d.Step != nil) != (c.verdict == incidents.Act) {
			t.Errorf("%s: got %+v, want %s because of %s", name, d, c.verdict, c.cause)
		}
	}
}

// A change helped when the disk stopped filling; what was not seen to help in time did not.
func TestJudge(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		after []think.Look[diskfull.Observation]
		left  time.Duration
		want  incidents.Effect
	}{
		"too early":     {looks(now, 50), time.Minute, incidents.Pending},
		"it stopped":    {looks(now, 50, 50), time.Minute, incidents.Improved},
		"still filling": {looks(now, 50, 40), time.Minute, incidents.Pending},
		"for too long":  {looks(now, 50, 40), 0, incidents.NoEffect},
		"unreadable":    {looks(now, 50, -1), 0, incidents.NoEffect},
	} {
		j := diskfull.New().Judge(think.Case[diskfull.Observation]{After: c.after, Now: now, Step: &think.Stood{Until: now.Add(c.left)}})
		if j.Effect != c.want || j.Words == "" {
			t.Errorf("%s: got %+v, want %s", name, j, c.want)
		}
	}
}

// The two halves fit into the loop, and what the family asks for is within the bounds of the fix.
func TestFitsTogether(t *testing.T) {
	t.Parallel()
	now := time.Now()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"free_bytes": 50, "total_bytes": 1000}`))
	}))
	defer server.Close()
	h := diskfull.New(diskfull.Volume{Job: "export", Disk: "scratch", URL: server.URL, Mode: policy.Auto, Allow: []string{diskfull.Fix}})
	p := probe.New(h, server.Client())
	if bound := handlers.Bind[diskfull.Observation](h, p); bound.Name() != diskfull.Name {
		t.Errorf("got %q, want %q", bound.Name(), diskfull.Name)
	}
	target, ok := h.Target(alerts.Alert{Labels: map[string]string{"alertname": "DiskFilling", "job": "export", "disk": "scratch"}})
	if !ok || target.Name != "export/scratch" {
		t.Fatalf("got %+v, %t, want export/scratch", target, ok)
	}
	seen, err := p.Observe(t.Context(), target.Name)
	if err != nil || seen.FreeBytes != 50 {
		t.Fatalf("observe: got %+v, %v", seen, err)
	}
	if o, err := p.Observe(t.Context(), "export/nope"); err == nil || o.Problem == "" {
		t.Errorf("a volume that is not there: got %+v, %v, want an error that the record says too", o, err)
	}
	before := append(looks(now.Add(-5*time.Second), 60), think.Look[diskfull.Observation]{At: now, Seen: seen})
	d := h.Decide(think.Case[diskfull.Observation]{Target: target, Before: before, Now: now})
	if d.Verdict != incidents.Act {
		t.Fatalf("got %+v, want act", d)
	}
	bounds := hold.New(map[string]string{"export/scratch": server.URL}, server.Client()).Bounds(*d.Step)
	proposal := think.Proposal{Step: d.Step, Known: true, Bounds: bounds, Permitted: true, Target: target}
	if no := proposal.Refusal(); no != nil {
		t.Errorf("refused: %+v", no)
	}
}
