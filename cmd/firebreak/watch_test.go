package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// A watch prints what happens while it happens. Who interrupts it meant to; a server that goes away is a failure.
func TestWatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := writeFile(t, dir, "firebreak.yaml", `
handlers:
  retrystorm:
    edges:
      - service: checkout
        edge: payments
        probe: {json: {urls: ["http://127.0.0.1:1/"], calls: c, attempts: a, successes: s, failures: f}}
`)
	s := serve(t, nil, "--config", config, "--listen", "127.0.0.1:0", "--data", dir+"/data")
	body := strings.NewReplacer(`"Nobody"`, `"RetryStorm", "service": "checkout", "edge": "payments"`).Replace(notification)
	resp, err := http.Post(s.url+"/webhook", "application/json", strings.NewReader(body)) //nolint:noctx // on loopback
	if err != nil {
		t.Fatal(err)
	}
	if answer := readAll(t, resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("got %s: %s", resp.Status, answer)
	}
	interrupted, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	first, firstOut, _ := watch(interrupted, "--server", s.url, "--since", "1h")
	second, secondOut, secondErr := watch(t.Context(), "--server", s.url, "--since", "1h", "--json")
	testbed.Await(t, serveStarts, "the opening in both watches", func() bool {
		return strings.Contains(firstOut.String(), "  opened           RetryStorm fires for checkout/payments") &&
			strings.Contains(secondOut.String(), `"kind":"opened"`)
	})
	interrupt()
	if code := <-first; code != 0 {
		t.Errorf("the watch that was interrupted: got exit %d, want 0", code)
	}
	begun := time.Now()
	if code := s.end(); code != 0 {
		t.Errorf("serve ended with %d, want 0", code)
	}
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("serve took %s to end: the watch held it up", took)
	}
	if code := <-second; code != 1 || !strings.Contains(secondErr.String(), "ended the watch") {
		t.Errorf("the watch whose server went away: got exit %d and %q, want 1 and why", code, secondErr)
	}
	decodeLines[map[string]any](t, secondOut.String())
}

// watch runs "incidents watch" and gives its exit code when it has ended.
func watch(ctx context.Context, args ...string) (code <-chan int, stdout, stderr *output) {
	ended := make(chan int, 1)
	stdout, stderr = &output{}, &output{}
	go func() {
		ended <- run(ctx, append([]string{"incidents", "watch"}, args...), environment{}.lookup, stdout, stderr)
	}()
	return ended, stdout, stderr
}
