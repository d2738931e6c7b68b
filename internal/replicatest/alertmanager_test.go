package replicatest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/common/model"
)

const (
	// retryEvery is how soon a notification is sent again that no replica has answered with 200.
	retryEvery = 50 * time.Millisecond
	// postFor is how long an answer may take. It is longer than the replicas take to say 503.
	postFor = 3 * time.Second
	// chatterEvery is the pause between two alerts that are about nothing: they measure when alerts are taken again.
	chatterEvery = 50 * time.Millisecond
)

// alertmanager notifies as Alertmanager does with several receivers of the same name: one replica after the other until one has
// answered 200. Now and then it notifies all of them, as the peers of a cluster do that do not hear each other.
type alertmanager struct {
	urls   []string
	client *http.Client

	mu       sync.Mutex // guards the fields below
	acked    []ack
	statuses map[int]int // by status, 0 for no answer
}

// ack is a notification that got a 200.
type ack struct {
	key string
	// begun is when that request was sent, at when it was answered.
	begun, at time.Time
}

// news is one state of one alert.
type news struct {
	labels       model.LabelSet
	starts, ends time.Time // it fires while ends is zero
}

func (n news) status() string {
	if n.ends.IsZero() {
		return "firing"
	}
	return "resolved"
}

// key is the identity of news in the history of alerts.
func (n news) key() string {
	return keyOf(n.labels.Fingerprint().String(), n.status(), n.starts, n.ends)
}

func keyOf(fingerprint, status string, starts, ends time.Time) string {
	if status == "firing" {
		return fmt.Sprintf("%s.firing.%d", fingerprint, starts.UnixMilli())
	}
	return fmt.Sprintf("%s.resolved.%d.%d", fingerprint, starts.UnixMilli(), ends.UnixMilli())
}

// body is a webhook body, version 4.
func (n news) body() ([]byte, error) {
	return json.Marshal(map[string]any{
		"version": "4", "receiver": "firebreak", "status": n.status(), "groupKey": `{}:{alertname="RetryStorm"}`, "truncatedAlerts": 0,
		"groupLabels": map[string]string{"alertname": "RetryStorm"}, "commonLabels": n.labels, "commonAnnotations": map[string]string{},
		"externalURL": "http://localhost:9093", "alerts": []map[string]any{{
			"status": n.status(), "labels": n.labels, "annotations": map[string]string{}, "startsAt": n.starts, "endsAt": n.ends,
			"generatorURL": "", "fingerprint": n.labels.Fingerprint().String()}},
	})
}

// notify sends news until a replica has acknowledged them.
func (a *alertmanager) notify(ctx context.Context, n news) error {
	body, err := n.body()
	if err != nil {
		return fmt.Errorf("write notification: %w", err)
	}
	for {
		order := rand.Perm(len(a.urls))
		if rand.IntN(4) == 0 {
			if a.postAll(ctx, order, n, body) {
				return nil
			}
		} else if slices.ContainsFunc(order, func(r int) bool { return a.post(ctx, r, n, body) }) {
			return nil
		}
		if !pause(ctx, retryEvery) {
			return fmt.Errorf("notify %s: no 200: %w", n.key(), context.Cause(ctx))
		}
	}
}

// postAll says whether any answered 200.
func (a *alertmanager) postAll(ctx context.Context, order []int, n news, body []byte) bool {
	taken := make([]bool, len(order))
	var wg sync.WaitGroup
	for i, r := range order {
		wg.Go(func() { taken[i] = a.post(ctx, r, n, body) })
	}
	wg.Wait()
	return slices.Contains(taken, true)
}

// post says whether the answer was 200.
func (a *alertmanager) post(ctx context.Context, replica int, n news, body []byte) bool {
	begun := time.Now()
	status := a.ask(ctx, http.MethodPost, a.urls[replica]+"/webhook", body)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.statuses[status]++
	if status == http.StatusOK {
		a.acked = append(a.acked, ack{n.key(), begun, time.Now()})
	}
	return status == http.StatusOK
}

// ask is the status of an answer, 0 if there was none.
func (a *alertmanager) ask(ctx context.Context, method, url string, body []byte) int {
	ctx, cancel := context.WithTimeout(ctx, postFor)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // so that the connection can be used again
	return resp.StatusCode
}

// chatter sends alerts that are about no target, one after the other, until ctx ends.
func (a *alertmanager) chatter(ctx context.Context) {
	for pause(ctx, chatterEvery) {
		_ = a.notify(ctx, news{labels: model.LabelSet{"alertname": "Chatter"}, starts: time.Now().UTC()})
	}
}

// heard is what was acknowledged since it was asked last, and how the replicas have answered.
func (a *alertmanager) heard() ([]ack, map[int]int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	acked, statuses := a.acked, a.statuses
	a.acked, a.statuses = nil, map[int]int{}
	return acked, statuses
}

// ackedSince says whether a request was acknowledged that was sent after since.
func (a *alertmanager) ackedSince(since time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.acked, func(k ack) bool { return k.begun.After(since) })
}

// pause is false if the context ended before the time was over.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
