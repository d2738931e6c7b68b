package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/poolexhaustion"
	"github.com/firebreak-sre/firebreak/policy"
)

// maxAnswer is the largest answer of Prometheus that is read, after decompression.
const maxAnswer = 1 << 20

// refuseRedirects copies the client, so that a look never leaves the hosts that the policy names, and takes no token elsewhere.
func refuseRedirects(c *http.Client) *http.Client {
	own := *c
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// readApp asks for the three numbers of an application's pool, all at one evaluation time, so that they belong together. They are told
// together, or not at all.
func (p *Prober) readApp(ctx context.Context, a policy.AppPool) poolexhaustion.App {
	ctx, cancel := within(ctx, a.Prometheus.Timeout)
	defer cancel()
	seen, at := poolexhaustion.App{Name: a.App}, time.Now()
	questions := []struct {
		what, expression string
		into             *float64
		err              error
	}{
		{what: "waiting", expression: a.Prometheus.Waiting, into: &seen.Waiting},
		{what: "busy", expression: a.Prometheus.Busy, into: &seen.Busy},
		{what: "size", expression: a.Prometheus.Size, into: &seen.Size},
	}
	var all sync.WaitGroup
	for i := range questions {
		q := &questions[i]
		all.Go(func() { *q.into, q.err = p.number(ctx, a.Prometheus, q.expression, at) })
	}
	all.Wait()
	var problems []string
	for _, q := range questions {
		if q.err != nil {
			problems = append(problems, q.what+": "+q.err.Error())
		}
	}
	if len(problems) > 0 {
		return poolexhaustion.App{Name: a.App, Problem: printable(strings.Join(problems, "; "), a.Prometheus.BearerToken)}
	}
	return seen
}

// number asks one expression for one number, which is neither less than zero nor none.
func (p *Prober) number(ctx context.Context, m policy.AppPoolMetrics, expression string, at time.Time) (float64, error) {
	base, err := url.Parse(m.URL)
	if err != nil {
		return 0, errors.New("the URL cannot be used")
	}
	u := base.JoinPath("api", "v1", "query")
	values := u.Query()
	values.Set("query", expression)
	values.Set("time", strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64))
	u.RawQuery = values.Encode()
	where := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String() // no user, no password, no expression
	status, body, err := p.get(ctx, u, m.BearerToken)
	if err != nil {
		return 0, fmt.Errorf("get %s: %w", where, err)
	}
	var a promAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return 0, fmt.Errorf("get %s: answered %d without the query API's JSON", where, status)
	}
	if status != http.StatusOK || a.Status != "success" {
		return 0, fmt.Errorf("get %s: answered %d %s: %s", where, status, a.ErrorType, a.Error)
	}
	v, err := a.number()
	switch {
	case err != nil:
		return 0, err
	case math.IsNaN(v) || math.IsInf(v, 0):
		return 0, fmt.Errorf("the value is %v, which is no number to judge by", v)
	case v < 0:
		return 0, fmt.Errorf("the value %v is less than zero", v)
	}
	return v, nil
}

// get returns the status and the body of an answer. It follows no redirect and repeats nothing. Its errors do not name the URL.
func (p *Prober) get(ctx context.Context, u *url.URL, token policy.Secret) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, nil, errors.New("the URL cannot be used")
	}
	req.Header.Set("Accept", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, nil, bare(ctx, err)
	}
	defer resp.Body.Close() //nolint:errcheck // Nothing is left to read.
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return 0, nil, fmt.Errorf("answered %d: redirects are not followed", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return 0, nil, bare(ctx, err)
	case len(body) > maxAnswer:
		return 0, nil, errors.New("the answer is larger than 1 MiB")
	}
	return resp.StatusCode, body, nil
}

// bare takes the URL out of an error of the HTTP client, and names the deadline where that was the cause.
func bare(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
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

// number takes the one number out of a scalar, or out of a vector of one. No series is not zero: the metric may have been renamed, or the
// scrape may have failed. A warning means that the answer may be partial; hints about style, which come as warnings too, do not.
func (a promAnswer) number() (float64, error) {
	for _, w := range a.Warnings {
		if !strings.HasPrefix(w, "PromQL info:") {
			return 0, fmt.Errorf("the answer may be partial: %s", w)
		}
	}
	switch a.Data.ResultType {
	case "scalar":
		return point(a.Data.Result)
	case "vector":
		var series []struct {
			Value json.RawMessage `json:"value"`
		}
		if err := json.Unmarshal(a.Data.Result, &series); err != nil {
			return 0, errors.New("the vector is not the query API's")
		}
		if len(series) == 0 {
			return 0, errors.New("no series: nothing matches the expression (this is not read as 0; write `… or vector(0)` if it is)")
		}
		if len(series) > 1 {
			return 0, fmt.Errorf("%d series, one is needed: aggregate the expression, e.g. sum(…)", len(series))
		}
		return point(series[0].Value)
	}
	return 0, fmt.Errorf("the result is a %q: the expression must give a scalar, or a vector of one", a.Data.ResultType)
}

// point reads [<time>, "<value>"].
func point(raw json.RawMessage) (float64, error) {
	var both []json.RawMessage
	var text string
	if err := json.Unmarshal(raw, &both); err != nil || len(both) != 2 || json.Unmarshal(both[1], &text) != nil {
		return 0, errors.New("no value is in the answer (a histogram?)")
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("the value %q is not a number", text)
	}
	return v, nil
}
