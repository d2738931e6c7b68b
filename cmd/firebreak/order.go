package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/firebreak-sre/firebreak/console"
	"github.com/firebreak-sre/firebreak/console/operate"
	"github.com/firebreak-sre/firebreak/incidents"
)

// operator is a server that takes orders, and whose word they are.
type operator struct {
	server
	User string `help:"Who you are, where the server asks for no token ($USER). It is only a claim; with a token the name is the policy's." from:"USER" placeholder:"NAME"`
}

// orderWithin is how long an order, or a question that has a short answer, may take: a person waits for it.
const orderWithin = 30 * time.Second

// order gives an order and returns what was answered.
func (o operator) order(ctx context.Context, method, path string, query url.Values, body any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, orderWithin)
	defer cancel()
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("write the order: %w", err)
	}
	req, err := o.request(ctx, method, path, query, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if o.Token == "" && o.User != "" {
		req.Header.Set(operate.UserHeader, clean(o.User, 64))
	}
	answer, err := o.send(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Close() }()
	said, err := io.ReadAll(answer)
	if err != nil {
		return nil, fmt.Errorf("read the server's answer: %w", err)
	}
	return said, nil
}

// about gives an order about one incident.
func (o operator) about(ctx context.Context, incident, verb string, body any) ([]byte, error) {
	id, err := incidents.ParseID(incident)
	if err != nil {
		return nil, err
	}
	return o.order(ctx, http.MethodPost, "/api/v1/incidents/"+url.PathEscape(id.String())+"/"+verb, nil, body)
}

// ask reads one object from a path.
func ask[T any](ctx context.Context, s server, path string) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, orderWithin)
	defer cancel()
	var v T
	body, err := s.get(ctx, path, nil)
	if err != nil {
		return v, err
	}
	defer func() { _ = body.Close() }()
	if err := json.NewDecoder(body).Decode(&v); err != nil {
		return v, fmt.Errorf("read the server's answer: %w", err)
	}
	return v, nil
}

// askAll reads one object a line from a path, and what the server wrote.
func askAll[T any](ctx context.Context, s server, path string) (list []T, raw []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, orderWithin)
	defer cancel()
	body, err := s.get(ctx, path, nil)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = body.Close() }()
	err = eachLine(body, func(v T, line []byte) error {
		list, raw = append(list, v), append(raw, line...)
		return nil
	})
	return list, raw, err
}

// record reads an incident with all of its events.
func (s server) record(ctx context.Context, incident string) (console.Record, error) {
	id, err := incidents.ParseID(incident)
	if err != nil {
		return console.Record{}, err
	}
	return ask[console.Record](ctx, s, "/api/v1/incidents/"+url.PathEscape(id.String()))
}

// decoded reads what an order was answered.
func decoded[T any](answer []byte) (T, error) {
	var v T
	if err := json.Unmarshal(answer, &v); err != nil {
		return v, fmt.Errorf("the order was taken, and the server's answer cannot be read: %w", err)
	}
	return v, nil
}

// wrongly ends a command that was called wrongly, after saying how to call it.
func (a *app) wrongly(format string, args ...any) error {
	fmt.Fprintf(a.stderr, "firebreak: "+format+"\n", args...)
	return exitError{2}
}
