package alerts_test

import (
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
)

// How many alerts one core takes in, from a body to its lines.
func BenchmarkParse(b *testing.B) {
	for _, name := range []string{"am031-group10-01", "am031-group200-01"} {
		b.Run(name, func(b *testing.B) {
			body := payload(b, name)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				parsed, err := alerts.Parse(body)
				if err != nil {
					b.Fatal(err)
				}
				n += len(parsed.Alerts)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "alerts/s")
		})
	}
}

// How many alerts one core reads back from the bus.
func BenchmarkReadRecord(b *testing.B) {
	parsed, err := alerts.Parse(payload(b, "am031-group200-01"))
	if err != nil {
		b.Fatal(err)
	}
	record := alerts.AppendRecord(nil, parsed.Delivery(time.Unix(1795376315, 0)), parsed.Alerts)
	b.SetBytes(int64(len(record)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		err := alerts.ReadRecord(record, func(int, alerts.Alert) error { n++; return nil })
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "alerts/s")
}
