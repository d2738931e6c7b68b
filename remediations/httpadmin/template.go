package httpadmin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/template"
	"time"

	"github.com/tidwall/gjson"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// control is one fix, ready to be sent.
type control struct {
	apply, revert command
	adjust        *command
	read          command
	state         policy.HTTPRead
	selfExpiring  bool
}

// command is one request, ready to be filled in.
type command struct {
	method     string
	path, body *template.Template
}

// values are what a template can name.
type values struct {
	Service, Edge, Action any
	Cluster, Node         any
	TTLSeconds            int
	Until                 any
	Released, Held        int
	Params                any
}

// bodyText is written as JSON, pathText escaped: whatever prints them.
type (
	bodyText string
	pathText string
	bodyMap  map[string]any
	pathMap  map[string]any
)

func (s bodyText) String() string { return asJSON(string(s)) }
func (s pathText) String() string { return escape(string(s)) }
func (m bodyMap) String() string  { return asJSON(m) }
func (m pathMap) String() string  { return escape(asJSON(m)) }

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "null"
	}
	return string(b)
}

// escape leaves nothing that means something in a path or in a query.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// valuesOf are an order's values; text and object say how they are written.
func valuesOf(o remediations.Order, text func(string) any, object func(map[string]any) any) (values, error) {
	params := map[string]any{}
	if len(o.Params) > 0 {
		d := json.NewDecoder(bytes.NewReader(o.Params))
		d.UseNumber()
		if err := d.Decode(&params); err != nil {
			return values{}, fmt.Errorf("read params: %w", err)
		}
	}
	for k, v := range params {
		switch v := v.(type) {
		case string:
			params[k] = text(v)
		case map[string]any, []any:
			return values{}, fmt.Errorf("read params: %s is not a plain value", k)
		}
	}
	return values{
		Service: text(o.Service), Edge: text(o.Edge), Cluster: text(o.Cluster), Node: text(o.Node), Action: text(o.Action),
		TTLSeconds: int((o.TTL.D() + time.Second - 1) / time.Second), Until: text(o.Until.UTC().Format(time.RFC3339)),
		Released: o.Released, Held: 100 - o.Released, Params: object(params),
	}, nil
}

func newCommand(r policy.HTTPRequest) (command, error) {
	c := command{method: r.Method}
	if c.method == "" {
		c.method = http.MethodPost
	}
	var err error
	if c.path, err = template.New("path").Option("missingkey=error").Parse(r.Path); err != nil {
		return command{}, fmt.Errorf("parse path: %w", err)
	}
	if c.body, err = template.New("body").Option("missingkey=error").Parse(r.Body); err != nil {
		return command{}, fmt.Errorf("parse body: %w", err)
	}
	return c, nil
}

// fill writes path and body for an order.
func (c command) fill(o remediations.Order) (path, body string, err error) {
	inPath, err := valuesOf(o, func(s string) any { return pathText(s) }, func(m map[string]any) any { return pathMap(m) })
	if err != nil {
		return "", "", err
	}
	inBody, err := valuesOf(o, func(s string) any { return bodyText(s) }, func(m map[string]any) any { return bodyMap(m) })
	if err != nil {
		return "", "", err
	}
	var p, b strings.Builder
	if err := c.path.Execute(&p, inPath); err != nil {
		return "", "", fmt.Errorf("fill path: %w", err)
	}
	if err := c.body.Execute(&b, inBody); err != nil {
		return "", "", fmt.Errorf("fill body: %w", err)
	}
	if _, err := url.Parse(p.String()); err != nil || !strings.HasPrefix(p.String(), "/") {
		return "", "", errors.New("fill path: it is not a path that begins with /")
	}
	if b.Len() > 0 && !gjson.Valid(b.String()) {
		return "", "", errors.New("fill body: it is not JSON (values bring their own quotes)")
	}
	return p.String(), b.String(), nil
}

// newControl compiles a control and tries it out.
func newControl(t *target, kind string, h policy.HTTPControl) (control, error) {
	c := control{state: h.Read, selfExpiring: h.SelfExpiring}
	if h.Read.Path == "" || h.Read.State == "" || h.Read.On == "" || h.Read.On == h.Read.Off {
		return control{}, errors.New("read needs path, state, on and another off: what cannot be read back is not changed")
	}
	sample := remediations.Order{Action: "action", Until: time.Unix(0, 0), Step: t.where}
	sample.Fix, sample.TTL = kind, policy.Duration(time.Minute)
	edge := t.where.Service != ""
	switch {
	case edge && kind == fixOpen, !edge && kind == fixDrain:
	case edge && kind == fixBudget:
		sample.Params = json.RawMessage(`{"budget_percent":10}`)
	case edge && kind == fixShed:
		sample.Params = json.RawMessage(`{"shed_percent":50}`)
	case !edge && kind == fixGrow:
		sample.Params = json.RawMessage(`{"size":20}`)
	case edge:
		return control{}, errors.New("there is no such fix of an edge: open, retry_budget, shed")
	default:
		return control{}, errors.New("there is no such fix of a node: drain, grow_pool")
	}
	adjust := h.Adjust
	if adjust == nil {
		adjust = &h.Apply // tried out twice, and not kept
	}
	var adjusted command
	for _, r := range []struct {
		what string
		from policy.HTTPRequest
		to   *command
	}{
		{"apply", h.Apply, &c.apply}, {"revert", h.Revert, &c.revert}, {"adjust", *adjust, &adjusted},
		{"read", policy.HTTPRequest{Method: http.MethodGet, Path: h.Read.Path}, &c.read},
	} {
		compiled, err := newCommand(r.from)
		if err == nil {
			_, _, err = compiled.fill(sample)
		}
		if err != nil {
			return control{}, fmt.Errorf("%s: %w", r.what, err)
		}
		*r.to = compiled
	}
	if h.Adjust != nil {
		c.adjust = &adjusted
	}
	return c, nil
}
