package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/firebreak-sre/firebreak/console"
	"github.com/firebreak-sre/firebreak/drills/storm"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/prometheus/common/model"
)

// until shows the rates once a second until they are as wanted. It gives up when Firebreak does, which calls a person then.
func (d *demo) until(ctx context.Context, ok func(storm.Rates) bool) (storm.Rates, error) {
	last := d.system.Read()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			now := d.system.Read()
			r := now.Since(last)
			last = now
			d.screen.show(r)
			if ok(r) {
				return r, nil
			}
		case l := <-d.events:
			d.screen.event(l)
			if l.Event.Kind == incidents.Escalated {
				return storm.Rates{}, fmt.Errorf("a person was called: %s", clean(l.Event.Words(), 400))
			}
		case <-ctx.Done():
			return storm.Rates{}, context.Cause(ctx)
		}
	}
}

func (d *demo) showHealth(ctx context.Context) (err error) {
	n := 0
	d.healthy, err = d.until(ctx, func(r storm.Rates) bool {
		if r.Goodput < 0.85*r.Offered {
			n = 0
			return false
		}
		n++
		return n >= 3
	})
	return err
}

// showStorm waits until the storm goes on although its cause is gone.
func (d *demo) showStorm(ctx context.Context) (err error) {
	begun := time.Now()
	d.system.Slow(10, d.slow)
	told := false
	d.stormy, err = d.until(ctx, func(r storm.Rates) bool {
		if over := time.Since(begun) > d.slow; over && !told {
			told = true
			d.screen.note("payments is as fast as before, but by now it works for callers that have gone: the storm feeds itself")
		}
		return time.Since(begun) > slowTime+3*time.Second && r.Ratio > 2 && r.Goodput < 0.25*d.healthy.Goodput
	})
	return err
}

// labels are the alert's; Alertmanager's fingerprint is a hash of them.
func demoLabels() map[string]string {
	return map[string]string{"alertname": "RetryStorm", "service": "checkout", "edge": "payments", "severity": "critical"}
}

func (d *demo) postFiring(ctx context.Context) error {
	return d.post(ctx, "firing", time.Now().Add(-2*time.Second), time.Time{})
}

// post sends what Alertmanager sends, version 4, to the webhook.
func (d *demo) post(ctx context.Context, status string, starts, ends time.Time) error {
	set := model.LabelSet{}
	for k, v := range demoLabels() {
		set[model.LabelName(k)] = model.LabelValue(v)
	}
	body, err := json.Marshal(map[string]any{
		"version": "4", "receiver": "firebreak", "status": status, "groupKey": `{}:{alertname="RetryStorm"}`, "truncatedAlerts": 0,
		"groupLabels": map[string]string{"alertname": "RetryStorm"}, "commonLabels": demoLabels(), "externalURL": "http://localhost:9093",
		"commonAnnotations": map[string]string{}, "alerts": []map[string]any{{
			"status": status, "labels": demoLabels(), "annotations": map[string]string{"summary": "checkout retries payments more than 1.3 times a call"},
			"startsAt": starts.UTC(), "endsAt": ends.UTC(), "generatorURL": "", "fingerprint": set.Fingerprint().String()}},
	})
	if err != nil {
		return fmt.Errorf("write the notification: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.daemon.URL()+"/webhook", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("post the notification: %w", err)
	}
	begun := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("post the notification: %w", err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("post the notification: answered %s", resp.Status)
	}
	d.screen.note(fmt.Sprintf("%s RetryStorm: stored and answered with 200 after %s", status, time.Since(begun).Round(100*time.Microsecond)))
	return nil
}

// showApproval shows what happens until the button is pressed, while the services go on.
func (d *demo) showApproval(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pressed := make(chan error, 1)
	go func() { pressed <- d.desktop.approve(ctx, d.app, d.screen) }()
	done := false
	_, err := d.until(ctx, func(storm.Rates) bool {
		select {
		case err := <-pressed:
			done = true
			pressed <- err
		default:
		}
		return done
	})
	if err != nil {
		return err
	}
	return <-pressed
}

// showFix waits until the change was made, and is gone again, and the system is as it was.
func (d *demo) showFix(ctx context.Context) (err error) {
	held, well := false, 0
	d.healed, err = d.until(ctx, func(r storm.Rates) bool {
		held = held || r.Held
		if !held || r.Held || r.Ratio > 1.1 || r.Goodput < 0.8*d.healthy.Goodput {
			well = 0
			return false
		}
		well++
		return well >= 3
	})
	return err
}

// showEnd posts the resolve and waits for the incident to end.
func (d *demo) showEnd(ctx context.Context) error {
	now := time.Now()
	if err := d.post(ctx, "resolved", now.Add(-30*time.Second), now); err != nil {
		return err
	}
	for {
		select {
		case l := <-d.events:
			d.screen.event(l)
			if l.Event.Kind == incidents.Closed {
				return nil
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (d *demo) api() server { return server{Server: d.daemon.URL()} }

// watch reads the server's own watch, as "firebreak incidents watch" does.
func (d *demo) watch(ctx context.Context) error {
	body, err := d.api().get(ctx, "/api/v1/incidents/watch", url.Values{"since": {"1m"}})
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	err = eachLine(body, func(l console.Line, _ []byte) error {
		select {
		case d.events <- l:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if ctx.Err() != nil {
		return nil
	}
	if err == nil {
		err = errWatchEnded
	}
	return err
}

// record is the one incident there is.
func (d *demo) record() (console.Record, error) {
	body, err := d.api().get(d.app.ctx, "/api/v1/incidents/"+d.screen.incident.String(), nil)
	if err != nil {
		return console.Record{}, err
	}
	defer func() { _ = body.Close() }()
	var rec console.Record
	if err := json.NewDecoder(body).Decode(&rec); err != nil {
		return console.Record{}, fmt.Errorf("read the record: %w", err)
	}
	return rec, nil
}
