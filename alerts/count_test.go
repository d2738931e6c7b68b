package alerts_test

import (
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
)

// The count is that of the alerts that a reading finds, and of the lines that it cannot read.
func TestCountRecord(t *testing.T) {
	t.Parallel()
	var record []byte
	want := 0
	for _, name := range payloadNames(t) {
		b, list := decoded(t, payload(t, name))
		record = alerts.AppendRecord(record, b.Delivery(time.Date(2026, 11, 22, 19, 38, 36, 0, time.UTC)), b.Alerts)
		want += len(list)
	}
	record = append(record, "damaged\n"...)
	if got := alerts.CountRecord(record); got != want+1 || want == 0 {
		t.Errorf("got %d alerts, want %d", got, want+1)
	}
	if got := alerts.CountRecord(nil); got != 0 {
		t.Errorf("got %d alerts in nothing", got)
	}
}
