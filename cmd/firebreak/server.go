package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// server is a running firebreak, as the commands that read from it are told where it is.
type server struct {
	Server string `help:"The running server." default:"http://127.0.0.1:9095" env:"FIREBREAK_SERVER" placeholder:"URL"`
	Token  string `help:"Token of the server's API, if it wants one. Better given by the variable." env:"FIREBREAK_TOKEN" placeholder:"TOKEN"`
}

// get asks for a path of the API. The body must be closed.
func (s server) get(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	u := strings.TrimRight(s.Server, "/") + path
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, fmt.Errorf("read --server: %w", err)
	}
	if s.Token != "" {
		req.Header.Set("Authorization", "Bearer "+s.Token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the server at %s (is \"firebreak serve\" running there? --server names another): %w", s.Server, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer func() { _ = resp.Body.Close() }()
	var said struct {
		Error string `json:"error"`
	}
	_ = json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&said)
	if resp.StatusCode == http.StatusUnauthorized {
		said.Error += " (set FIREBREAK_TOKEN)"
	}
	return nil, fmt.Errorf("the server answered %s: %s", resp.Status, said.Error)
}

// eachLine decodes one JSON object a line.
func eachLine[T any](r io.Reader, fn func(T, []byte) error) error {
	lines := bufio.NewReaderSize(r, 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 && err == nil {
			var v T
			if err := json.Unmarshal(line, &v); err != nil {
				return fmt.Errorf("read the server's answer: %w", err)
			}
			if err := fn(v, line); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF) && len(line) > 0:
			return errors.New("read the server's answer: it ended in the middle of a line")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the server's answer: %w", err)
		}
	}
}

// clean makes text that strangers wrote safe for a terminal: no control characters, no second line, not endless.
func clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || r == 0x2028 || r == 0x2029 || (r >= 0x202a && r <= 0x202e) {
			return ' '
		}
		return r
	}, s)
	if runes := []rune(s); limit > 0 && len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return s
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}
