package storm

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// users ask at a steady rate, however long the answers take: they do not wait for each other. No more than maxWaiting wait at
// once; beyond that a request is counted as asked and not sent.
type users struct {
	rate                   float64
	url                    string
	http                   *http.Client
	asked, served, refused atomic.Uint64
}

const maxWaiting = 2000

func newUsers(rate float64, url string) *users {
	return &users{rate: rate, url: url, http: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 512}}}
}

func (u *users) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	waiting := make(chan struct{}, maxWaiting)
	tick := time.NewTicker(time.Duration(float64(time.Second) / u.rate))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		u.asked.Add(1)
		select {
		case waiting <- struct{}{}:
		default:
			continue
		}
		wg.Go(func() {
			defer func() { <-waiting }()
			u.ask(ctx)
		})
	}
}

func (u *users) ask(ctx context.Context) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.url, nil)
	if err != nil {
		return
	}
	resp, err := u.http.Do(req)
	if err != nil {
		return
	}
	_ = resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		u.served.Add(1)
	case http.StatusServiceUnavailable:
		u.refused.Add(1)
	}
}
