package main

import (
	"context"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/prometheus/client_golang/prometheus"
)

// incidentsUsage says how full the incidents' stream is: when it is full, no new incident is opened.
func incidentsUsage(b *bus.Bus) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "firebreak_incidents_fill_ratio",
		Help: "How full the incidents' stream is, from 0 to 1. From 1 on no new incident is opened; those that are open go on."}, func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		bytes, limit, err := b.IncidentsUsage(ctx)
		if err != nil || limit <= 0 {
			return -1 // not readable
		}
		return float64(bytes) / float64(limit)
	})
}
