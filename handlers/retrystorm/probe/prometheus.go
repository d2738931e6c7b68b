package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/retrystorm"
	"github.com/firebreak-sre/firebreak/policy"
)

// The library github.com/prometheus/client_golang/api/prometheus/v1 was not taken: it reads answers without a bound,
// falls back to a second request by itself, and needs a JSON library of its own for the one call that is made here.

// observePrometheus asks everything at one evaluation time, all at once, so that the numbers belong together.
func (p *Prober) observePrometheus(ctx context.Context, e retrystorm.Probe, at time.Time) retrystorm.Observation {
	prom := e.Prometheus
	o := retrystorm.Observation{At: at, Source: retrystorm.SourcePrometheus, Window: e.Window}
	questions := []struct {
		query string
		into  *retrystorm.Number
	}{
		{prom.Calls, &o.Edge.Calls}, {prom.Attempts, &o.Edge.Attempts}, {prom.Successes, &o.Edge.Successes},
		{prom.Failures, &o.Edge.Failures}, {prom.PoolWaiting, &o.Edge.PoolWaiting}, {prom.QueueAge, &o.Edge.QueueAge},
	}
	f := fetcher{client: p.client, token: prom.BearerToken}
	var all sync.WaitGroup
	for _, q := range questions {
		if q.query != "" {
			all.Go(func() { *q.into = f.number(queryValue(ctx, f, prom, q.query, at)) })
		}
	}
	all.Wait()
	return o
}

// number makes a Number of a value that was read, or of why it was not.
func (f fetcher) number(v float64, err error) retrystorm.Number {
	switch {
	case err != nil:
		return retrystorm.Number{Err: f.quote(err.Error())}
	case math.IsNaN(v) || math.IsInf(v, 0):
		return retrystorm.Number{Err: fmt.Sprintf("the value is %v, which is no number to judge by (a division by zero?)", v)}
	case v < 0:
		return retrystorm.Number{Err: fmt.Sprintf("the value %v is less than zero", v)}
	}
	return retrystorm.Number{Value: v, OK: true}
}

// promAnswer is an answer of the query API.
type promAnswer struct {
	Status    string   `json:"status"`
	ErrorType string   `json:"errorType"`
	Error     string   `json:"error"`
	Warnings  []string `json:"warnings"`
	Data      struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	} `json:"data"`
}

// queryValue asks one expression for one number.
func queryValue(ctx context.Context, f fetcher, p *policy.PrometheusProbe, query string, at time.Time) (float64, error) {
	base, err := url.Parse(p.URL)
	if err != nil {
		return 0, errors.New("build request: the URL cannot be used")
	}
	u := base.JoinPath("api", "v1", "query")
	values := u.Query()
	values.Set("query", query)
	values.Set("time", strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64))
	u.RawQuery = values.Encode()
	status, body, err := f.get(ctx, u.String())
	if err != nil {
		return 0, err
	}
	var a promAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return 0, fmt.Errorf("get %s: answered %d without the query API's JSON", redacted(u.String()), status)
	}
	if status != http.StatusOK || a.Status != "success" {
		return 0, fmt.Errorf("get %s: answered %d %s: %s", redacted(u.String()), status, a.ErrorType, a.Error)
	}
	for _, w := range a.Warnings {
		// Hints about style come as warnings too, from Prometheus 2.48 on. Every other warning means that the answer may be partial.
		if !strings.HasPrefix(w, "PromQL info:") {
			return 0, fmt.Errorf("the answer may be partial: %s", w)
		}
	}
	return oneValue(a)
}

// oneValue takes the one number out of a scalar, or out of a vector of one. No series is not zero: the metric may have
// been renamed, or the scrape may have failed.
func oneValue(a promAnswer) (float64, error) {
	switch a.Data.ResultType {
	case "scalar":
		return pointValue(a.Data.Result)
	case "vector":
		var series []struct {
			Value json.RawMessage `json:"value"`
		}
		if err := json.Unmarshal(a.Data.Result, &series); err != nil {
			return 0, errors.New("read answer: the vector is not the query API's")
		}
		switch len(series) {
		case 0:
			return 0, errors.New("no series: nothing matches the expression (this is not read as 0; write `… or vector(0)` if it is)")
		case 1:
			return pointValue(series[0].Value)
		}
		return 0, fmt.Errorf("%d series, one is needed: aggregate the expression, e.g. sum(…)", len(series))
	default:
		return 0, fmt.Errorf("the result is a %q: the expression must give a scalar, or a vector of one", a.Data.ResultType)
	}
}

// pointValue reads [<time>, "<value>"].
func pointValue(raw json.RawMessage) (float64, error) {
	var point []json.RawMessage
	if err := json.Unmarshal(raw, &point); err != nil || len(point) != 2 {
		return 0, errors.New("read answer: no value is in it (a histogram?)")
	}
	var text string
	if err := json.Unmarshal(point[1], &text); err != nil {
		return 0, errors.New("read answer: the value is not text")
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("read answer: the value is not a number: %w", err)
	}
	return v, nil
}
