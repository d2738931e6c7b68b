package probe

import (
	"cmp"
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
	"time"

	"github.com/firebreak-sre/firebreak/policy"
)

// maxAnswer is the largest answer of Prometheus that is read, in bytes after decompression.
const maxAnswer = 1 << 20

// refuseRedirects copies the client, so that a look never leaves the hosts that the policy names, and takes no token elsewhere.
func refuseRedirects(c *http.Client) *http.Client {
	own := *c
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// asker asks one Prometheus for its values at one time.
type asker struct {
	client *http.Client
	url    string
	token  policy.Secret
	at     time.Time
}

// element is one value of an answer. Its name is its label alertname; without that, its labels, or that it has none.
type element struct {
	name  string
	value float64
}

// number is the one value of an expression, which is not less than zero. No element is not zero: the metric may have been renamed, or the
// scrape may have failed.
func (a asker) number(ctx context.Context, expression string) (float64, error) {
	list, err := a.elements(ctx, expression)
	switch {
	case err != nil:
		return 0, err
	case len(list) == 0:
		return 0, errors.New("no series: nothing matches the expression (this is not read as 0; write `… or vector(0)` if it is)")
	case len(list) > 1:
		return 0, fmt.Errorf("%d series, one is needed: aggregate the expression, e.g. sum(…)", len(list))
	case list[0].value < 0:
		return 0, fmt.Errorf("the value %v is less than zero", list[0].value)
	}
	return list[0].value, nil
}

// elements are all values of an expression, each of which is a number.
func (a asker) elements(ctx context.Context, expression string) ([]element, error) {
	base, err := url.Parse(a.url)
	if err != nil {
		return nil, errors.New("the URL cannot be used")
	}
	u := base.JoinPath("api", "v1", "query")
	u.RawQuery = url.Values{"query": {expression}, "time": {strconv.FormatFloat(float64(a.at.UnixMilli())/1000, 'f', 3, 64)}}.Encode()
	where := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String() // no user, no password, no expression
	status, body, err := a.get(ctx, u)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", where, err)
	}
	var said answer
	if err := json.Unmarshal(body, &said); err != nil {
		return nil, fmt.Errorf("get %s: answered %d without the query API's JSON", where, status)
	}
	if status != http.StatusOK || said.Status != "success" {
		return nil, fmt.Errorf("get %s: answered %d %s: %s", where, status, said.ErrorType, said.Error)
	}
	list, err := said.elements()
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		if math.IsNaN(e.value) || math.IsInf(e.value, 0) {
			return nil, fmt.Errorf("a value is %v, which is no number to judge by", e.value)
		}
	}
	return list, nil
}

// get returns the status and the body of an answer. It follows no redirect and repeats nothing. Its errors do not name the URL.
func (a asker) get(ctx context.Context, u *url.URL) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, nil, errors.New("the URL cannot be used")
	}
	req.Header.Set("Accept", "application/json")
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token.Reveal())
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return 0, nil, bare(err)
	}
	defer resp.Body.Close() //nolint:errcheck // Nothing is left to read.
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return 0, nil, fmt.Errorf("answered %d: redirects are not followed", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return 0, nil, bare(err)
	case len(body) > maxAnswer:
		return 0, nil, errors.New("the answer is larger than 1 MiB")
	}
	return resp.StatusCode, body, nil
}

// bare takes the URL, which holds the expression, out of an error of the HTTP client.
func bare(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// answer is one of the query API.
type answer struct {
	Status    string   `json:"status"`
	ErrorType string   `json:"errorType"`
	Error     string   `json:"error"`
	Warnings  []string `json:"warnings"`
	Data      struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	} `json:"data"`
}

// elements takes the values out of a scalar or a vector. A warning means that the answer may be partial; hints about style, which come as
// warnings too, do not.
func (a answer) elements() ([]element, error) {
	for _, w := range a.Warnings {
		if !strings.HasPrefix(w, "PromQL info:") {
			return nil, fmt.Errorf("the answer may be partial: %s", w)
		}
	}
	switch a.Data.ResultType {
	case "scalar":
		v, err := point(a.Data.Result)
		return []element{{name: "the expression", value: v}}, err
	case "vector":
		var series []struct {
			Metric map[string]string `json:"metric"`
			Value  json.RawMessage   `json:"value"`
		}
		if err := json.Unmarshal(a.Data.Result, &series); err != nil || a.Data.Result == nil {
			return nil, errors.New("the vector is not the query API's")
		}
		list := make([]element, 0, len(series))
		for _, s := range series {
			v, err := point(s.Value)
			if err != nil {
				return nil, err
			}
			list = append(list, element{name: nameOf(s.Metric), value: v})
		}
		return list, nil
	}
	return nil, fmt.Errorf("the result is a %q: the expression must give a scalar or a vector", a.Data.ResultType)
}

func nameOf(metric map[string]string) string {
	if name := cmp.Or(metric["alertname"], metric["__name__"]); name != "" {
		return name
	}
	if text, err := json.Marshal(metric); err == nil && len(metric) > 0 {
		return string(text)
	}
	return "the expression"
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
