package incidents_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/rs/zerolog"
)

// What a store remembers is never older than the record, whoever wrote it, and nobody changes it by changing what he was given.
func TestStoreRemembersOnlyTheTruth(t *testing.T) {
	t.Parallel()
	b, err := bus.Open(t.Context(), bus.Config{Dir: t.TempDir(), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	here, there := incidents.NewStore(b), incidents.NewStore(b)
	id := incidents.NewID("retrystorm", "a/b", 1)
	firing := alerts.Alert{Fingerprint: "00000000000000aa", Status: alerts.Firing, Labels: map[string]string{"alertname": "RetryStorm"}}
	st := incidents.Fold(nil)
	if err := here.Append(t.Context(), st, incidents.Event{Kind: incidents.Opened, At: time.Now(),
		Opening: &incidents.Opening{ID: id, Handler: "retrystorm", Target: "a/b", Alert: firing}}); err != nil {
		t.Fatal(err)
	}
	mine, err := here.Load(t.Context(), id)
	if err != nil || mine.Seq != st.Seq || mine.Target != "a/b" {
		t.Fatalf("got %+v, %v, want what was appended", mine, err)
	}
	mine.Alerts[0].Status = alerts.Resolved // by whom it was given to

	theirs, err := there.Load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := there.Append(t.Context(), theirs, incidents.Event{Kind: incidents.Escalated, At: time.Now(), Note: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	again, err := here.Load(t.Context(), id)
	if err != nil || again.Seq != theirs.Seq || !again.Escalated || again.Events != 4 {
		t.Errorf("got %+v, %v, want all four events", again, err)
	}
	if again.Alerts[0].Status != alerts.Firing {
		t.Error("what was given out earlier was changed, and that changed what is remembered")
	}
	latest, err := here.Latest(t.Context(), "retrystorm", "a/b")
	if err != nil || latest.Seq != again.Seq || !slices.EqualFunc(latest.Alerts, again.Alerts, func(x, y alerts.Alert) bool { return x.Key() == y.Key() }) {
		t.Errorf("got %+v, %v, want the same as by id", latest, err)
	}
}
