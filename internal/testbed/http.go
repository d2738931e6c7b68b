package testbed

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const (
	// readyWithin is how long a server may take to start, on a busy machine.
	readyWithin = 60 * time.Second
	// maxAnswer bounds what is read of one answer.
	maxAnswer = 16 << 20
)

// api speaks JSON with one server.
type api struct {
	client *http.Client
	base   string
}

func newAPI(base string) api {
	return api{client: &http.Client{Timeout: 10 * time.Second}, base: base}
}

// call sends in as JSON, if there is one, and reads the answer into out, if there is one.
func (a api) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read answer of %s: %w", path, err)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(answer))
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("decode answer of %s: %w", path, err)
	}
	return nil
}

// ready asks the server's readiness endpoint, which Prometheus and Alertmanager share.
func (a api) ready() bool {
	return a.call(context.Background(), http.MethodGet, "/-/ready", nil, nil) == nil
}

// writeConfig writes a configuration as JSON, which is YAML too: no template, nothing to escape.
func writeConfig(path string, config any) error {
	b, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}
