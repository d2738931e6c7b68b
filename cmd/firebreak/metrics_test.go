package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// Every metric of ours that an idle server shows is named as Prometheus wants names.
func TestMetricsAreNamedWell(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "--listen", "127.0.0.1:0", "--data", t.TempDir())
	resp, err := http.Get(s.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || !strings.Contains(string(text), "firebreak_build_info") {
		t.Fatalf("read /metrics: %v, %d bytes", err, len(text))
	}
	var ours []string
	for _, line := range strings.Split(string(text), "\n") {
		if strings.Contains(line, "firebreak_") {
			ours = append(ours, line)
		}
	}
	problems, err := promlint.New(strings.NewReader(strings.Join(ours, "\n") + "\n")).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if code := s.end(); code != 0 {
		t.Errorf("serve ended with %d, want 0", code)
	}
}
