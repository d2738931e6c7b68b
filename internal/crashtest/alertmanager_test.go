package crashtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/common/model"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// retryEvery is how soon a notification that was not answered with 200 is sent again.
const retryEvery = 40 * time.Millisecond

// alertmanager notifies as Alertmanager does: what was not answered with 200 is sent again until it is.
type alertmanager struct {
	url    string
	client *http.Client

	mu    sync.Mutex // guards acked
	acked []news     // every notification that got a 200, in order
}

// news is one state of the one alert.
type news struct {
	status       string
	starts, ends time.Time
}

// key is the identity of news in the history of alerts.
func (n news) key() string {
	if n.status == "firing" {
		return fmt.Sprintf("firing.%d", n.starts.UnixMilli())
	}
	return fmt.Sprintf("resolved.%d.%d", n.starts.UnixMilli(), n.ends.UnixMilli())
}

func labels() model.LabelSet {
	return model.LabelSet{"alertname": "RetryStorm", "service": "checkout", "edge": "payments"}
}

// body is a webhook body, version 4.
func (n news) body() ([]byte, error) {
	return json.Marshal(map[string]any{
		"version": "4", "receiver": "firebreak", "status": n.status, "groupKey": `{}:{alertname="RetryStorm"}`, "truncatedAlerts": 0,
		"groupLabels": map[string]string{"alertname": "RetryStorm"}, "commonLabels": labels(), "commonAnnotations": map[string]string{},
		"externalURL": "http://localhost:9093", "alerts": []map[string]any{{
			"status": n.status, "labels": labels(), "annotations": map[string]string{}, "startsAt": n.starts, "endsAt": n.ends,
			"generatorURL": "", "fingerprint": labels().Fingerprint().String()}},
	})
}

// notify sends news until they are acknowledged.
func (a *alertmanager) notify(ctx context.Context, n news) error {
	body, err := n.body()
	if err != nil {
		return fmt.Errorf("write notification: %w", err)
	}
	for !a.post(ctx, body) {
		if !blackbox.Pause(ctx, retryEvery) {
			return fmt.Errorf("notify %s: no 200: %w", n.status, context.Cause(ctx))
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.acked = append(a.acked, n)
	return nil
}

// post says whether the answer was 200.
func (a *alertmanager) post(ctx context.Context, body []byte) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url+"/webhook", bytes.NewReader(body))
	if err != nil {
		return false
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // so that the connection can be used again
	return resp.StatusCode == http.StatusOK
}

// acknowledged are all news that got a 200.
func (a *alertmanager) acknowledged() []news {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]news(nil), a.acked...)
}

// until waits for a condition of the simulated world.
func until(ctx context.Context, what string, cond func() bool) error {
	for !cond() {
		if !blackbox.Pause(ctx, 10*time.Millisecond) {
			return fmt.Errorf("wait until %s: %w", what, context.Cause(ctx))
		}
	}
	return nil
}
