package probe

import (
	"strconv"
	"testing"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// TestObserveBroken looks at what a cluster does not recover from by itself: WAL that is gone, and a setting that is too low for the
// primary's.
func TestObserveBroken(t *testing.T) {
	t.Parallel()
	l := startLab(t, testbed.PostgresOptions{})
	if !t.Run("lost slot", func(t *testing.T) { lostSlot(t, l) }) {
		return
	}
	t.Run("parameter pause", func(t *testing.T) { parameterPause(t, l) })
}

// lostSlot holds a standby that was away for longer than its slot may hold WAL back.
func lostSlot(t *testing.T, l *lab) {
	n := l.Standbys[1]
	w := l.watch(t)
	w.until("it to be well", func(o view) bool { return o.well("pg3") })
	l.Primary.ReloadWith(map[string]string{"max_slot_wal_keep_size": "1MB"})
	n.Proxy.Cut()
	w.until("its slot to be left alone", func(o view) bool { return !o.slot("slot_pg3").Active })
	for range 4 {
		l.Primary.Exec(t, "insert into items (id, note) select 1 + max(id), 'segment' from items; select pg_switch_wal()")
	}
	w.until("the other to have all of it", func(o view) bool { return o.well("pg2") }) // else it would lose its slot too
	l.Primary.Exec(t, "checkpoint")
	n.Proxy.Heal()
	o := w.until("its slot to be lost", func(o view) bool { return o.slot("slot_pg3").WALStatus == "lost" })
	k, s := o.slot("slot_pg3"), o.at("pg3").Standby
	if k.Active || k.SafeBytes != nil && *k.SafeBytes > 0 || o.sender("pg3") != nil || s == nil || s.Receiver != nil || s.Pause != "not paused" {
		t.Errorf("got slot %s, standby %s", asJSON(k), asJSON(s))
	}
	if got := o.at("pg1").Settings["max_slot_wal_keep_size"]; got != 1 {
		t.Errorf("got max_slot_wal_keep_size %d, want 1 MiB", got)
	}
	l.Primary.ReloadWith(map[string]string{"max_slot_wal_keep_size": "1GB"})
}

// parameterPause holds a standby that paused itself because its primary has more connections than it could replay.
func parameterPause(t *testing.T, l *lab) {
	w := l.watch(t)
	w.until("it to be well", func(o view) bool { return o.well("pg2") })
	l.Primary.ReloadWith(map[string]string{"max_connections": "70"})
	if err := l.Primary.Restart(); err != nil {
		t.Fatal(err)
	}
	o := w.until("the pause", func(o view) bool {
		s := o.at("pg2").Standby
		return o.at("pg1").Primary != nil && s != nil && s.Pause == "paused"
	})
	p, s := o.at("pg1").Settings["max_connections"], o.at("pg2").Settings["max_connections"]
	if got := strconv.FormatInt(p, 10) + " and " + strconv.FormatInt(s, 10); got != "70 and 60" {
		t.Errorf("got %s connections on the primary and the standby, want 70 and 60", got)
	}
}
