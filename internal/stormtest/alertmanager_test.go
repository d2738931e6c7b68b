package stormtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// connections is how many notifications are under way at once.
	connections = 16
	// askEvery is how often a condition is asked for. Each time costs Firebreak something.
	askEvery = 200 * time.Millisecond
	// retryEvery is how soon a notification that was answered with 503 is sent again.
	retryEvery = 40 * time.Millisecond
)

// alertmanager notifies as Alertmanager does: what was answered with 503, or not at all, is sent again until it is taken.
type alertmanager struct {
	url    string
	client *http.Client

	mu      sync.Mutex // guards the fields below
	acked   []news     // every alert that got a 200, as often as it did
	again   int        // notifications that were sent again
	garbage int        // bodies that were answered with 400
}

func newAlertmanager(url string) *alertmanager {
	return &alertmanager{url: url, client: &http.Client{Timeout: 10 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}}}
}

// body is a webhook body, version 4.
func body(all []news) ([]byte, error) {
	list := make([]map[string]any, len(all))
	for i, n := range all {
		list[i] = map[string]any{"status": n.status, "labels": n.labels, "startsAt": n.starts, "endsAt": n.ends, "fingerprint": n.fingerprint(),
			"annotations":  map[string]string{"summary": "It does not do what it should.", "runbook_url": "https://wiki.example.com/runbooks/1"},
			"generatorURL": "http://prometheus.example.com:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1"}
	}
	return json.Marshal(map[string]any{"version": "4", "receiver": "firebreak", "status": all[0].status, "groupKey": `{}:{}`, "truncatedAlerts": 0,
		"groupLabels": map[string]string{}, "commonLabels": map[string]string{}, "commonAnnotations": map[string]string{},
		"externalURL": "http://alertmanager.example.com:9093", "alerts": list})
}

// flood sends bodies over all connections, as fast as they are taken, and nonsense between them. It returns when all are taken.
func (a *alertmanager) flood(ctx context.Context, bodies [][]news, garbage []string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan func() error)
	var senders sync.WaitGroup
	for range connections {
		senders.Go(func() {
			for send := range queue {
				if err := send(); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i, all := range bodies {
		if len(garbage) > 0 && i%10 == 0 {
			queue <- func() error { return a.refuse(ctx, garbage[i/10%len(garbage)]) }
		}
		queue <- func() error { return a.notify(ctx, all...) }
	}
	close(queue)
	senders.Wait()
	return context.Cause(ctx)
}

// notify sends news until they are acknowledged.
func (a *alertmanager) notify(ctx context.Context, all ...news) error {
	text, err := body(all)
	if err != nil {
		return fmt.Errorf("write notification: %w", err)
	}
	for {
		status, err := a.post(ctx, text)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("notify: no 200: %w", context.Cause(ctx))
		case err == nil && status == http.StatusOK:
			a.mu.Lock()
			a.acked = append(a.acked, all...)
			a.mu.Unlock()
			return nil
		case err == nil && status != http.StatusServiceUnavailable:
			return fmt.Errorf("a good notification was answered with %d", status)
		}
		a.mu.Lock()
		a.again++
		a.mu.Unlock()
		if !pause(ctx, retryEvery) {
			return fmt.Errorf("notify: no 200: %w", context.Cause(ctx))
		}
	}
}

// refuse sends what cannot be read.
func (a *alertmanager) refuse(ctx context.Context, text string) error {
	status, err := a.post(ctx, []byte(text))
	if err != nil {
		return fmt.Errorf("send nonsense: %w", err)
	}
	if status != http.StatusBadRequest {
		return fmt.Errorf("%q was answered with %d, want 400", text, status)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.garbage++
	return nil
}

func (a *alertmanager) post(ctx context.Context, text []byte) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url+"/webhook", bytes.NewReader(text))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body) // so that the connection can be used again
	return resp.StatusCode, err
}

// acknowledged are all alerts that got a 200.
func (a *alertmanager) acknowledged() []news {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]news(nil), a.acked...)
}

// errTime says that a condition did not come true in time.
var errTime = errors.New("it took too long")

// until waits for a condition, which is false also while it cannot be told; say then tells why.
func until(ctx context.Context, within time.Duration, what string, cond func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, errTime)
	defer cancel()
	for {
		ok, why := cond()
		if ok {
			return nil
		}
		if !pause(ctx, askEvery) {
			return fmt.Errorf("wait until %s: %w", what, errors.Join(context.Cause(ctx), why))
		}
	}
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
