package handlers

import (
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are what the loop counts. Labels are bounded: handlers, fixes, reasons and outcomes are closed sets.
type Metrics struct {
	joined  *prometheus.CounterVec
	damaged *prometheus.CounterVec
	issued  *prometheus.CounterVec
	refused *prometheus.CounterVec
	closed  *prometheus.CounterVec
	events  *prometheus.CounterVec
	overdue *prometheus.CounterVec
	late    *prometheus.CounterVec
	storms  prometheus.Counter
	// reconciled counts rounds, unheard what they found.
	reconciled, unheard *prometheus.CounterVec
	age                 *prometheus.HistogramVec
}

// NewMetrics registers the loop's metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firebreak_" + name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	m := &Metrics{
		joined:     counter("alerts_joined_total", "Delivered alerts by what they were to their target's newest incident (repeats, late and stray ones change nothing).", "handler", "joining"),
		damaged:    counter("journal_damaged_total", "Messages of the alerts' journal with a line that could not be read.", "handler"),
		issued:     counter("actions_issued_total", "Changes that were sent to a target.", "handler", "fix"),
		refused:    counter("refusals_total", "Plans that something outside of the handler refused, by reason.", "handler", "reason"),
		closed:     counter("incidents_closed_total", "Incidents that ended, by outcome.", "handler", "outcome"),
		events:     counter("incident_events_total", "Events that were appended to records, by kind.", "handler", "kind"),
		overdue:    counter("fixes_overdue_total", "Changes that should have ended while nobody looked, and were taken back at the start.", "handler"),
		late:       counter("late_commands_total", "Changes that took effect after the record had given them up, and were taken back at once.", "handler"),
		reconciled: counter("reconciles_total", "Rounds of comparing the records with Alertmanager's API, by result.", "result"),
		unheard:    counter("alerts_unheard_total", "Alerts that Alertmanager's API told and no webhook did, by status.", "status"),
		storms:     prometheus.NewCounter(prometheus.CounterOpts{Name: "firebreak_alert_storms_total", Help: "How often too many alerts in a minute stopped all changes."}),
		age: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "firebreak_alert_to_issue_seconds", Help: "From the delivery of an incident's first alert to the sending of its first change.",
			Buckets:                     []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
			NativeHistogramBucketFactor: 1.1,
		}, []string{"handler"}),
	}
	reg.MustRegister(m.age, m.storms)
	return m
}

func (m *Metrics) count(st *incidents.State, e incidents.Event) {
	m.events.WithLabelValues(st.Handler, string(e.Kind)).Inc()
	switch {
	case e.Kind == incidents.Refused && e.Refusal != nil:
		m.refused.WithLabelValues(st.Handler, string(e.Refusal.Reason)).Inc()
	case e.Kind == incidents.Closed && e.Closing != nil:
		m.closed.WithLabelValues(st.Handler, string(e.Closing.Outcome)).Inc()
	case e.Kind == incidents.Issuing && len(st.Fixes) == 1:
		m.age.WithLabelValues(st.Handler).Observe(e.At.Sub(st.Opening.Alert.Delivery.At).Seconds())
	}
}
