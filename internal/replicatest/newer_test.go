package replicatest

import (
	"context"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// newer: what a newer build writes to a record is kept and shown. A build that does not understand it changes nothing any more, and takes
// back what stands.
func (w *world) newer(t *testing.T) {
	e := w.edges[0]
	begun := time.Now().UTC()
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errStuck)
	defer cancel()
	_, _, _, _ = e.testimony() // what is asked below begins here
	e.fall()
	if err := w.am.notify(ctx, news{labels: e.labels(), starts: begun}); err != nil {
		t.Fatal(err)
	}
	testbed.Await(t, patience, "a change to stand", func() bool { return e.stands() != "" })
	action := e.stands()
	open, err := w.replicas[0].api.records(func(s summary) bool { return s.Stage != "closed" })
	if err != nil || len(open) != 1 {
		t.Fatalf("got %d open incidents, want one: %v", len(open), err)
	}
	id := open[0].Summary.ID
	w.writeNewer(t, ctx, id)
	testbed.Await(t, patience, "the change to be taken back", func() bool { return e.stands() == "" })
	e.fall() // and nothing may be done about it now
	var r record
	testbed.Await(t, patience, "a refusal because of the newer record", func() bool {
		r, err = w.find(id, w.replicas[0])
		return err == nil && r.refusedFor("newer_record")
	})
	if r.count("intended") != 1 || r.count("reverted") != 1 || r.count("mended_by_newer") != 1 {
		t.Errorf("want one change, which was taken back, and what the newer build wrote: %s", r.story())
	}
	marks, _, _, _ := e.testimony()
	for _, m := range marks {
		if m.action != action {
			t.Errorf("action %s took effect behind what the newer build wrote", m.action)
		}
	}
	show := exec.Command(w.replicas[1].bin, "incidents", "show", id, "--server", w.replicas[1].api.url)
	out, err := show.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "mended_by_newer") || !strings.Contains(string(out), "newer_record") {
		t.Errorf("incidents show must show what the newer build wrote, and the refusal: %v\n%s", err, out)
	}
	if err := w.am.notify(ctx, news{labels: e.labels(), starts: begun, ends: time.Now().UTC()}); err != nil {
		t.Fatal(err)
	}
	w.awaitClosed(id, w.replicas[2])
}

// writeNewer appends to a record what no build of today writes.
func (w *world) writeNewer(t *testing.T, ctx context.Context, id string) {
	t.Helper()
	text, err := json.Marshal([]map[string]any{{"v": 99, "kind": "mended_by_newer", "at": time.Now().UTC(), "by": "newer", "unheard_of": true}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := connect(t, w.nats).Publish(ctx, "incidents."+strings.ReplaceAll(id, "-", "."), text); err != nil {
		t.Fatalf("write to the record of %s: %v", id, err)
	}
}

func (r record) refusedFor(reason string) bool {
	for _, e := range r.Events {
		if e.Kind == "refused" && e.Refusal != nil && e.Refusal.Reason == reason {
			return true
		}
	}
	return false
}
