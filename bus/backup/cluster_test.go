package backup_test

import (
	"context"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/bus/backup"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// From an embedded bus onto a cluster of three, with a copy on each, and back: the way to move, since a folder of the one is no folder of the
// other.
func TestCluster(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	fill(t, b)
	readOnce(t, b, 7)
	file, _ := take(t, b)

	cluster := testbed.NATSCluster(t, testbed.NATSConfig{})
	cfg := bus.Config{URL: cluster.URL(), Token: cluster.Token, Replicas: 3}
	r := bare(t, cfg)
	restore(t, r, file)
	same(t, "alerts", records(t, r, bus.Alerts), records(t, b, bus.Alerts))
	for _, name := range []string{bus.Alerts, bus.Incidents, "KV_ledger", "KV_agenda", "KV_switch", "KV_slack"} {
		s, err := r.JetStream().Stream(within(t), name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := s.CachedInfo().Config.Replicas; got != 3 {
			t.Errorf("%s: got %d copies, want 3", name, got)
		}
	}
	if got, want := readOnce(t, r, 1)[0], "alert 7\n"; got != want {
		t.Errorf("the reader goes on at %q, want %q", got, want)
	}

	// Every copy is whole: whichever node is lost, the rest has all of it.
	cluster.Kill(0)
	served := open(t, cfg)
	// A reader that was given to the node that is just dying hears nothing; so it is tried again.
	var got []bus.Msg
	testbed.Await(t, patience, "the records without one of the nodes", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		got = nil
		return served.Follow(ctx, bus.Past{Stream: bus.Incidents}, func(m bus.Msg) error { got = append(got, m); return nil }) == nil
	})
	same(t, "incidents", got, records(t, b, bus.Incidents))
	if _, err := served.AppendIf(within(t), "incidents.test.0", 1, []byte("more")); err != nil {
		t.Fatal(err)
	}
	cluster.Restart(0)
	cluster.AwaitHealthy()
	file, m := take(t, served)

	back := bare(t, bus.Config{})
	restore(t, back, file)
	same(t, "incidents", records(t, back, bus.Incidents), records(t, served, bus.Incidents))
	if got := read(t, back, "ledger"); got != "the books" {
		t.Errorf("the ledger: got %q", got)
	}
	// An acknowledgement that a node lost with its end is one more delivery, and never one less.
	if got := readOnce(t, back, 1)[0]; got != "alert 7\n" && got != "alert 8\n" {
		t.Errorf("the reader goes on at %q, want alert 7 or 8", got)
	}
	if got := m.Last(bus.Incidents); got <= backup.Ahead {
		t.Errorf("the cluster's last record is %d, want it beyond %d", got, backup.Ahead)
	}
}
