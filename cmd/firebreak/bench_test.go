package main

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkIngest is "firebreak bench ingest" for benchstat: alerts a second, beside the floors of the same run. The figure to read is the
// metric, not the time of an operation, which is the length of one measurement.
func BenchmarkIngest(b *testing.B) {
	for _, load := range []cell{{1, 1}, {64, 1}, {16, 10}, {16, 200}} {
		for _, who := range contenders() {
			b.Run(fmt.Sprintf("c%d/a%d/%s", load.connections, load.alerts, who.name), func(b *testing.B) {
				r, err := who.open(b.Context(), b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				defer r.close()
				var all []measure
				for b.Loop() {
					m, err := r.load(b.Context(), load, 500*time.Millisecond)
					if err != nil {
						b.Fatal(err)
					}
					all = append(all, m)
				}
				m := medianOf(all)
				b.ReportMetric(m.rate, "alerts/s")
				b.ReportMetric(float64(m.p50)/float64(time.Millisecond), "p50-ms")
				b.ReportMetric(float64(m.p99)/float64(time.Millisecond), "p99-ms")
			})
		}
	}
}
