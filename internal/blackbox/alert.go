package blackbox

import (
	"encoding/json"
	"time"

	"github.com/prometheus/common/model"
)

// Alert is one alert as Alertmanager tells it.
type Alert struct {
	Name   string
	Labels map[string]string
	Starts time.Time
	Ends   time.Time // zero while it fires
}

// Body is a webhook body, version 4.
func (a Alert) Body() ([]byte, error) {
	set := model.LabelSet{"alertname": model.LabelValue(a.Name)}
	for k, v := range a.Labels {
		set[model.LabelName(k)] = model.LabelValue(v)
	}
	status := "firing"
	if !a.Ends.IsZero() {
		status = "resolved"
	}
	return json.Marshal(map[string]any{
		"version": "4", "receiver": "firebreak", "status": status, "groupKey": `{}:{alertname="` + a.Name + `"}`, "truncatedAlerts": 0,
		"groupLabels": map[string]string{"alertname": a.Name}, "commonLabels": set, "commonAnnotations": map[string]string{},
		"externalURL": "http://localhost:9093", "alerts": []map[string]any{{
			"status": status, "labels": set, "annotations": map[string]string{}, "startsAt": a.Starts, "endsAt": a.Ends,
			"generatorURL": "", "fingerprint": set.Fingerprint().String()}},
	})
}
