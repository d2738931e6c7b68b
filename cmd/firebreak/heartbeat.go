package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// beatEvery is how often the metric of the heartbeat is renewed.
const beatEvery = 5 * time.Second

// heartbeat says that we live and that the bus works. Whoever watches it from outside pages when it stops: we cannot page about our own
// death.
type heartbeat struct {
	ready func(context.Context) error
	at    prometheus.Gauge
	url   policy.Secret
	// client is how it is posted.
	client *http.Client
	every  time.Duration
	log    zerolog.Logger
}

func newHeartbeat(ready func(context.Context) error, p *policy.Heartbeat, client *http.Client, reg prometheus.Registerer, log zerolog.Logger) *heartbeat {
	posting := *client
	// A redirect would take the address, which is the secret, to another host as its Referer.
	posting.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	h := &heartbeat{ready: ready, client: &posting, log: log, at: prometheus.NewGauge(prometheus.GaugeOpts{Name: "firebreak_heartbeat_timestamp_seconds",
		Help: "When the bus last answered, in Unix time. Alert when it is old, and when it is absent."})}
	reg.MustRegister(h.at)
	if p != nil {
		h.url, h.every = p.URL, p.Every.D()
	}
	return h
}

// Run beats until ctx ends.
func (h *heartbeat) Run(ctx context.Context) error {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	var posted time.Time
	for {
		if h.beat(ctx) && h.every > 0 && time.Since(posted) >= h.every {
			posted = time.Now()
			if err := h.post(ctx); err != nil && ctx.Err() == nil {
				h.log.Warn().Err(err).Msg("the heartbeat was not taken; it is tried again")
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (h *heartbeat) beat(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, beatEvery)
	defer cancel()
	if err := h.ready(ctx); err != nil {
		return false // readyz says why
	}
	h.at.SetToCurrentTime()
	return true
}

// post tells who watches. Its URL is a secret, and the errors of the client name it.
func (h *heartbeat) post(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, beatEvery)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url.Reveal(), nil)
	if err != nil {
		return errors.New("post the heartbeat: guard.heartbeat.url is no URL")
	}
	resp, err := h.client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return fmt.Errorf("post the heartbeat: %w", unsaidOf(req.URL, err))
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("post the heartbeat: answered %s", resp.Status)
	}
	return nil
}

// unsaidOf is an error without what is secret of a URL: the client quotes answers that it cannot read, and they may say the request back.
func unsaidOf(u *url.URL, err error) error {
	for part := range strings.SplitSeq(u.Path, "/") {
		err = policy.Secret(part).HiddenIn(err)
	}
	return policy.Secret(u.RawQuery).HiddenIn(err)
}
